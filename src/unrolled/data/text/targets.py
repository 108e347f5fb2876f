"""Which tokens of a segment are targets, that is, to be predicted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary.base import EOS, TokenIds

TOGETHER = 1 << 20  # segments processed at once


def target_ranges(
    tokens: TokenIds, segments: NDArray[np.int64], ends: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the targets of each segment begin and stop: an EOS token at its start is no target, the one after its end
    is where `ends`."""
    after_eos = np.zeros(len(segments), np.bool_)  # the segment begins with an EOS token
    after_eos[1:] = ends[:-1] & (segments[1:, 0] == segments[:-1, 1])  # known without reading the text
    others = np.flatnonzero(~after_eos)
    after_eos[others] = tokens[segments[others, 0]] == EOS
    return segments[:, 0] + after_eos, segments[:, 1] + ends


def count_targets(tokens: TokenIds, segments: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of targets of each segment."""
    counts = np.empty(len(segments), np.int64)
    for start in range(0, len(segments), TOGETHER):
        some = slice(start, start + TOGETHER)
        first, stop = target_ranges(tokens, segments[some], ends[some])
        counts[some] = stop - first
    return counts
