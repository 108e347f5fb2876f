"""How much of a text is copied verbatim from the training text.

Windows of the training text are compared with those of the sample by hashes. The hash of a window of 2·w tokens
comes from the hashes of its two halves (doubling); that of any other length from the two windows of a power of two
that cover it. So any length costs a few array operations. Every match of hashes is then compared token by token,
so the result is exact. The training text is processed in blocks: memory use does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.errors import OptionError

BLOCK = 1 << 18  # tokens of training text hashed at a time
_NO_TOKEN = -1  # between two chunks: no window across it matches a sample
_BUCKET_BITS = 20  # of a hash, for the first, coarse comparison

Tokens = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Copies:
    """How much of a sample is copied from the training text. Lengths are in tokens."""

    longest: int  # length of the longest verbatim copy
    text: tuple[int, ...]  # that copy
    share: float  # of the sample's segments (one at every position) that occur there; 0 for a shorter sample


def find_copies(sample: ArrayLike, chunks: Iterable[ArrayLike], segment_length: int = 50) -> Copies:
    """The longest run of `sample` (tokens) that occurs in a chunk of training text, and the share of its segments.

    A chunk is a contiguous part of the text, of any length, possibly a memory map; runs across two chunks are not
    found. A segment is `segment_length` tokens long. Of several longest runs the first one found is reported. Takes
    about 0.1 s per million tokens of training text. Raises OptionError for a segment length below 1.
    """
    if segment_length < 1:
        raise OptionError(
            f"segment_length is {segment_length}; it is a number of tokens, so give 1 or more, such as 50."
        )
    ids = np.asarray(sample, dtype=np.int64)
    sample_windows = _Windows(ids)
    # whether the segment at each position was found
    copied_at = np.zeros(max(len(ids) - segment_length + 1, 0), dtype=bool)
    first, longest = 0, 0
    size = max(BLOCK, 4 * len(ids))
    for block in _blocks(chunks, size, overlap=max(len(ids) - 1, 0)):
        if longest == len(ids) and copied_at.all():
            break
        text = _Windows(block)
        first, longest = _lengthen(sample_windows, text, first, longest)
        # a shorter longest run means that no segment was found yet
        if longest >= segment_length and not copied_at.all():
            _mark(sample_windows, text, segment_length, copied_at)
    share = float(copied_at.mean()) if len(copied_at) else 0.0
    return Copies(longest, tuple(ids[first : first + longest].tolist()), share)


class _Windows:
    """The hashes of all windows of a text, for any length; those of powers of two are cached."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._doubled = [_mix(tokens.astype(np.uint64), np.uint64(1))]

    def hashes(self, length: int) -> Hashes:
        """One hash for each window of `length` tokens, in the order of their starts."""
        power = length.bit_length() - 1
        while len(self._doubled) <= power:
            half = 1 << (len(self._doubled) - 1)
            whole = self._doubled[-1]
            self._doubled.append(_mix(whole[: max(len(whole) - half, 0)], whole[half:]))
        windows = self._doubled[power]
        count = max(len(self.tokens) - length + 1, 0)
        start = length - (1 << power)
        return windows if start == 0 else _mix(windows[:count], windows[start : start + count])

    def has(self, window: Tokens, places: NDArray[np.intp]) -> bool:
        """Whether the window equals the text at one of these places, compared token by token."""
        return any(np.array_equal(self.tokens[place : place + len(window)], window) for place in places)


def _mix(left: Hashes, right: Hashes | np.uint64) -> Hashes:
    """A hash of two hashes, in order. Without the shift, ab·cd and ac·bd would have the same hash."""
    mixed = left * np.uint64(0x9E3779B97F4A7C15)
    mixed += right
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0xD6E8FEB86659FD93)
    return mixed


def _blocks(chunks: Iterable[ArrayLike], size: int, overlap: int) -> Iterator[Tokens]:
    """The chunks in blocks of about `size` tokens. Long chunks are cut so that neighbours share `overlap` tokens;
    short ones are joined with a number between them that is not a token."""
    held: list[Tokens] = []
    count = 0
    for chunk in chunks:
        tokens = np.asarray(chunk)
        for start in range(0, max(len(tokens) - overlap, 1), size):
            block = tokens[start : start + size + overlap].astype(np.int64)
            held += [block, np.array([_NO_TOKEN])]
            count += len(block) + 1
            if count >= size:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)


def _lengthen(sample_windows: _Windows, text: _Windows, first: int, longest: int) -> tuple[int, int]:
    """The start in the sample and the length of the longest run, given one of `longest` so far.

    A text that contains a run contains every shorter one: the length doubles, then is bisected.
    """
    too_long = len(sample_windows.tokens) + 1
    stride = 1
    while longest + 1 < too_long:
        length = min(longest + stride, (longest + too_long) // 2)
        place = next(_matches(sample_windows, text, length), None)
        if place is None:
            too_long = length
        else:
            first, longest, stride = place, length, 2 * stride
    return first, longest


def _mark(sample_windows: _Windows, text: _Windows, segment_length: int, copied_at: NDArray[np.bool_]) -> None:
    """Marks in `copied_at` the windows of the sample that occur in the text."""
    for place in _matches(sample_windows, text, segment_length, ~copied_at):
        copied_at[place] = True


def _matches(
    sample_windows: _Windows, text: _Windows, length: int, mask: NDArray[np.bool_] | None = None
) -> Iterator[int]:
    """Places in the sample whose window of `length` occurs in the text.

    `mask` selects the windows of the sample to look for (None: all). The first place costs one comparison of
    `length` tokens, however often a window is repeated on either side.
    """
    hashes = sample_windows.hashes(length)
    places = np.arange(len(hashes)) if mask is None else np.flatnonzero(mask)
    places = places[np.argsort(hashes[places], kind="stable")]  # equal windows are adjacent
    distinct, begins = np.unique(hashes[places], return_index=True)
    ends = np.r_[begins[1:], len(places)]
    found, index_of_found = _look_up(distinct, text.hashes(length))
    earliest = np.full(len(distinct), -1)
    earliest[index_of_found[::-1]] = found[::-1]
    for index in np.flatnonzero(earliest >= 0):
        for place in places[begins[index] : ends[index]].tolist():
            window = sample_windows.tokens[place : place + length]
            if text.has(window, earliest[[index]]) or text.has(window, found[index_of_found == index]):
                yield place


def _look_up(distinct: Hashes, hashes: Hashes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of a text whose hashes are among `distinct` (sorted, not empty), and the index of each there."""
    shift = np.uint64(64 - _BUCKET_BITS)
    taken = np.zeros(1 << _BUCKET_BITS, dtype=bool)
    taken[distinct >> shift] = True
    found = np.flatnonzero(taken[hashes >> shift])
    index = np.minimum(np.searchsorted(distinct, hashes[found]), len(distinct) - 1)
    real = distinct[index] == hashes[found]
    return found[real], index[real]
