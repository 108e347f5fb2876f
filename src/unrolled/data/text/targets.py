"""Which tokens of a segment are targets, that is, to be predicted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary.base import EOS, TokenIds

TOGETHER = 1 << 20  # segments processed at once


class SplitSegments(NamedTuple):
    """The S segments of one split of a text."""

    tokens: TokenIds  # (N,) of the whole text
    segments: NDArray[np.int64]  # (S, 2) start and stop of each
    ends: NDArray[np.bool_]  # (S,) whether the EOS token after the segment is a target of it

    def take(self, chosen: NDArray[np.int64] | slice) -> SplitSegments:
        """Some of the segments."""
        return self._replace(segments=self.segments[chosen], ends=self.ends[chosen])

    def target_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the targets of each segment begin and stop: an EOS token at its start is no target, the one after its
        end is where `ends`."""
        segments, ends = self.segments, self.ends
        after_eos = np.zeros(len(segments), np.bool_)  # the segment begins with an EOS token
        after_eos[1:] = ends[:-1] & (segments[1:, 0] == segments[:-1, 1])  # known without reading the text
        others = np.flatnonzero(~after_eos)
        after_eos[others] = self.tokens[segments[others, 0]] == EOS
        return segments[:, 0] + after_eos, segments[:, 1] + ends

    def count_targets(self) -> NDArray[np.int64]:
        """The number of targets of each segment."""
        counts = np.empty(len(self.segments), np.int64)
        for start in range(0, len(self.segments), TOGETHER):
            some = slice(start, start + TOGETHER)
            first, stop = self.take(some).target_ranges()
            counts[some] = stop - first
        return counts
