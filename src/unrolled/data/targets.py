"""Which tokens of a segment are targets, that is, to be predicted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.symbols import BORDER, Symbols

TOGETHER = 1 << 20  # segments processed at once


def target_ranges(
    symbols: Symbols, stretches: NDArray[np.int64], ends: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the targets of each segment begin and stop: an EOS token at its start is no target, the one after its end
    is where `ends`."""
    after_eos = np.zeros(len(stretches), np.bool_)  # the segment begins with an EOS token
    after_eos[1:] = ends[:-1] & (stretches[1:, 0] == stretches[:-1, 1])  # known without reading the text
    others = np.flatnonzero(~after_eos)
    after_eos[others] = symbols[stretches[others, 0]] == BORDER
    return stretches[:, 0] + after_eos, stretches[:, 1] + ends


def count_targets(symbols: Symbols, stretches: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of targets of each segment."""
    counts = np.empty(len(stretches), np.int64)
    for start in range(0, len(stretches), TOGETHER):
        some = slice(start, start + TOGETHER)
        first, stop = target_ranges(symbols, stretches[some], ends[some])
        counts[some] = stop - first
    return counts
