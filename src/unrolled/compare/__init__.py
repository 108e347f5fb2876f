"""Comparisons of memories and gradients, on the user's text or on a diagnostic task."""

from unrolled.compare.comparison import Comparison, find_folder
from unrolled.compare.words import row_line, sentences

__all__ = ["Comparison", "find_folder", "row_line", "sentences"]
