"""Which symbols of a stretch are to be predicted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.symbols import BORDER, Symbols

TOGETHER = 1 << 20  # stretches looked at together


def target_ranges(
    symbols: Symbols, stretches: NDArray[np.int64], ends: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the targets of each stretch begin and stop: its first border is none, the border after it may be."""
    bordered = np.zeros(len(stretches), np.bool_)  # the stretch begins with a border
    bordered[1:] = ends[:-1] & (stretches[1:, 0] == stretches[:-1, 1])  # known without a look at the text
    others = np.flatnonzero(~bordered)
    bordered[others] = symbols[stretches[others, 0]] == BORDER
    return stretches[:, 0] + bordered, stretches[:, 1] + ends


def count_targets(symbols: Symbols, stretches: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many targets each stretch has."""
    counts = np.empty(len(stretches), np.int64)
    for start in range(0, len(stretches), TOGETHER):
        some = slice(start, start + TOGETHER)
        first, stop = target_ranges(symbols, stretches[some], ends[some])
        counts[some] = stop - first
    return counts
