"""Memories and gradients measured against each other, on the user's text or on a task that needs none."""

from unrolled.compare.comparison import Comparison, find_folder
from unrolled.compare.words import row_line, sentences

__all__ = ["Comparison", "find_folder", "row_line", "sentences"]
