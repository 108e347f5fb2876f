"""Comparisons of models and BPTT strategies, on the user's text or on a diagnostic task."""

from unrolled.compare.comparison import Comparison
from unrolled.compare.folder import find_folder
from unrolled.compare.summary import row_line, sentences

__all__ = ["Comparison", "find_folder", "row_line", "sentences"]
