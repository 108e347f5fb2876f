"""Counting n-grams of every order in one pass over the text, into sorted arrays.

A node is an n-gram that was seen: node i of level k is the i-th k-gram in lexicographic order, counted from
1; node 0 means "never seen". A level keeps `node of the first k-1 tokens * V + last token`, sorted: a
look-up is one binary search per level, and the continuations of a context are contiguous.

Counting: every window of n tokens is packed into one 64-bit number (the oldest token is the most significant).
The numbers are sorted chunk by chunk and merged; shorter n-grams are prefixes of these windows. If V^n does not
fit into 64 bits, a further pass packs the node of a window's prefix with the tokens after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import DataError, OptionError
from unrolled.model.ngram.text import CHUNK, LARGEST_CODE, Array, CodeChunk, CodedText, make_blocks

KEEP = 12_000_000  # distinct n-grams of the highest order, at most
ROOT = 1  # the one context of level 1, which is empty


class Level(NamedTuple):
    """The N n-grams of one order; node i is entry i - 1."""

    keys: Array  # (N,) int64, sorted: node of the context * V + token
    occurrences: Array  # (N,) how often each was seen
    extensions: Array  # (N,) distinct tokens seen before it; its occurrences if no token can precede it


@dataclass(frozen=True)
class Counts:
    """All n-grams of 1 to `len(levels)` tokens. The extensions of the last level are not counted: zeros."""

    size: int  # V
    eos: int | None
    levels: tuple[Level, ...]
    counted: int  # tokens that were counted
    total: int  # tokens of the text
    why_lower: str = ""  # why the order is lower than requested; "" if it is not


class CountLimits(NamedTuple):
    """Limits of counting."""

    keep: int = KEEP  # distinct n-grams of the highest order, at most; if there are more, the order is lowered
    most: int | None = None  # tokens, about; None: all. A larger text is sampled in chunks from all over
    deadline: Deadline = UNLIMITED  # when it passes, counting stops

    def chunk_size(self) -> int:
        """Tokens per chunk: fewer if not all of the text may be counted."""
        if self.most is not None:
            return min(CHUNK, max(self.most // 8, 1))
        return CHUNK if self.deadline.unlimited else CHUNK // 4

    def reached(self, counted: int, chunk_size: int) -> bool:
        """Whether another chunk of so many tokens would pass a limit."""
        over = self.most is not None and counted + chunk_size > self.most
        return self.deadline.passed() or over


NO_LIMITS = CountLimits()


def count_ngrams(
    tokens: Array,
    size: int,
    order: int,
    segments: Array | None = None,
    eos: int | None = None,
    *,
    limits: CountLimits = NO_LIMITS,
    passes: int | None = None,
    onto: Counts | None = None,
) -> Counts:
    """Count the n-grams of up to `order` tokens within a segment; none crosses the EOS token.

    tokens (N,): integers below `size`, or a memory map. segments (M, 2): [start, stop) of each, None for all.
    limits: of tokens, n-grams and time; the result's `counted` and `why_lower` say which took effect. passes: over
    the text, at most, even if the order is not reached. onto: counts of the same text to extend. Raises DataError for
    a text without tokens, OptionError for an invalid order or size.
    """
    _check(tokens, size, order, eos)
    text = CodedText(tokens, make_blocks(tokens, segments, eos), eos, size, order)
    if not text.length:
        raise DataError("The text, or every segment of it, is empty: there are no n-grams to count.")
    if limits.most is not None and limits.most >= text.length:
        limits = limits._replace(most=None)
    counts = onto or Counts(size, eos, (), 0, text.length)
    while len(counts.levels) < order and passes != 0 and not counts.why_lower:
        counts, passes = _count_pass(text, counts, order, limits), passes and passes - 1
    return counts


def _check(tokens: Array, size: int, order: int, eos: int | None) -> None:
    if order < 1:
        raise OptionError(f"The n-gram order is {order}; it must be 1 or more (5 to 8 is usual for text).")
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise DataError(
            f"n-grams are counted in a 1-D array of integers; got {tokens.dtype} of shape {tokens.shape}."
        )
    if size < 1 or (eos is not None and not 0 <= eos < size):
        raise OptionError(
            f"The vocabulary size {size} or the EOS token {eos} is invalid; tokens range from 0 to size - 1."
        )


def find(keys: Array, contexts: Array, tokens: Array, size: int) -> Array:
    """The nodes of (context, token) pairs; 0 if there is none, and after context 0."""
    if not len(keys):
        return np.zeros_like(contexts)
    wanted = contexts * size + tokens
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at + 1, 0)


def walk(
    keys_by_level: Sequence[Array], size: int, eos: int | None, tokens: Array, carried: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """Look up tokens (B, T) int64, level by level; carried (B, n-1): the nodes of each row's history, 0 for none.

    Yields for levels k = 1, 2, … arrays (B, T): the node of the k-1 tokens before each token, the node of these
    with the token, and the latter as a context of the next token: 0 after an EOS token, which ends the history.
    """
    after = np.zeros_like(tokens)
    for k, keys in enumerate(keys_by_level):
        if k == 0:
            contexts = np.full_like(tokens, ROOT)
        else:
            contexts = np.concatenate([carried[:, k - 1 : k], after], axis=1)[:, : tokens.shape[1]]
        nodes = find(keys, contexts, tokens, size)
        after = nodes if k == 0 or eos is None else np.where(tokens == eos, 0, nodes)
        yield contexts, nodes, after


def _count_pass(text: CodedText, counts: Counts, order: int, limits: CountLimits) -> Counts:
    """One pass over the text, which adds as many levels as fit into a key."""
    depth = len(counts.levels)
    if depth and counts.counted < counts.total:
        return replace(counts, why_lower="only part of the text was counted")
    contexts = len(counts.levels[-1].keys) if depth else 0  # the largest node that may begin a key
    width = order - depth
    while width > 1 and (contexts + 1) * text.base**width > LARGEST_CODE:
        width -= 1
    wanted, counted, openings = width, 0, 0
    keys, times = np.zeros(0, np.int64), np.zeros(0, np.int64)  # (U,) sorted windows, and their counts
    chunk_size = limits.chunk_size()
    for chunk in text.chunks(depth + width, chunk_size):
        keys, times = _merge(keys, times, *_sorted_windows(text, counts, chunk, width))
        while len(keys) > limits.keep and width > (0 if depth else 1):
            keys, times = _shorten(keys, times, text.base)
            width -= 1
        counted += int(np.count_nonzero(chunk.codes[: chunk.starts]))
        openings += chunk.openings
        if not width or limits.reached(counted, chunk_size):
            break
    if not len(keys):
        return replace(counts, why_lower="no segment of the text is longer")
    why_lower = f"there are more than {limits.keep:,} distinct {depth + width + 1}-grams" if width < wanted else ""
    if depth and (counted < counts.counted or not width):  # counts of less text do not extend these
        return replace(counts, why_lower=why_lower or "the time for counting was used up")
    added = _levels(text, keys, times, depth, width, counts.size)
    if openings and not depth and text.eos is not None:  # the EOS token that opens a block follows nothing
        at = np.searchsorted(added[0].keys, ROOT * counts.size + text.eos)
        added[0].occurrences[at] -= openings
    if len(added) < width:
        why_lower = "no segment of the text is longer"
    levels = _with_extensions(text, [*counts.levels, *added], counts.size)
    return replace(counts, levels=tuple(levels), counted=counted, why_lower=why_lower)


def _sorted_windows(text: CodedText, counts: Counts, chunk: CodeChunk, width: int) -> tuple[Array, Array]:
    """The distinct windows (U,) of a chunk as sorted keys, and their counts."""
    depth, (codes, starts, _) = len(counts.levels), chunk
    begin = codes[:starts] > 0  # (M,)
    nodes = np.full(starts, ROOT)
    for k, level in enumerate(counts.levels):
        code = codes[k : k + starts]
        found = find(level.keys, nodes, text.token_of_code[code], counts.size)
        nodes = np.where(code > 0, found, 0)
    keys = nodes if depth else np.zeros(starts, np.int64)
    ends = text.eos_code > 0 and bool((codes == text.eos_code).any())
    alive = np.ones(starts, dtype=bool)
    for k in range(depth + width):
        code = codes[k : k + starts]
        if k >= depth:
            keys *= text.base
            keys += code * alive if ends else code
        if ends and k > 0:
            alive &= code != text.eos_code
    keys = keys[begin & (nodes > 0)]
    keys.sort()
    first = _first_of_each(keys)
    return keys[first], np.diff(first, append=len(keys))


def _first_of_each(keys: Array) -> Array:
    """The index of the first occurrence of each distinct key in sorted keys."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]]))


def _merge(keys: Array, times: Array, more_keys: Array, more_times: Array) -> tuple[Array, Array]:
    """Merge two sorted sets of keys and add up their counts."""
    if not len(keys) or not len(more_keys):
        return (keys, times) if len(keys) else (more_keys, more_times)
    both = np.concatenate([keys, more_keys])
    both.sort(kind="stable")  # merges two sorted runs
    both = both[_first_of_each(both)]
    total = np.zeros(len(both), np.int64)
    total[np.searchsorted(both, keys)] = times
    total[np.searchsorted(both, more_keys)] += more_times
    return both, total


def _shorten(keys: Array, times: Array, base: int) -> tuple[Array, Array]:
    """The same windows without their last token."""
    keys = keys // base
    first = _first_of_each(keys)
    return keys[first], np.add.reduceat(times, first) if len(first) else times


def _levels(text: CodedText, keys: Array, times: Array, depth: int, width: int, size: int) -> list[Level]:
    """Make the levels depth + 1 … depth + width from windows; extensions are zero."""
    grams: list[Array] = []  # of width, width - 1, … 1 tokens
    how_often: list[Array] = []
    for _ in range(width):
        whole = keys % text.base > 0  # shorter windows hold no n-gram of this length
        grams.append(keys[whole])
        how_often.append(times[whole])
        keys, times = _shorten(keys, times, text.base)
    levels: list[Level] = []
    shorter = np.zeros(0, np.int64)
    while grams:
        longer, often = grams.pop(), how_often.pop()
        if not len(longer):  # no segment of the text is so long
            break
        before = longer // text.base
        tokens = text.token_of_code[longer - before * text.base]
        if levels:
            contexts = np.searchsorted(shorter, before) + 1
        else:
            contexts = before if depth else np.full_like(before, ROOT)
        kind = np.int32 if often.max() < 2**31 else np.int64
        levels.append(Level(contexts * size + tokens, often.astype(kind), np.zeros(len(often), kind)))
        shorter = longer
    return levels


def _with_extensions(text: CodedText, levels: list[Level], size: int) -> list[Level]:
    """The same levels with the extensions of all but the last.

    Every k-gram is one extension of its suffix of k - 1 tokens. At the beginning of a text or document no token
    can precede: there each occurrence counts as an extension.
    """
    extended = [level._replace(extensions=np.zeros_like(level.occurrences)) for level in levels]
    endings = np.full(len(levels[0].keys), ROOT)  # of each node of a level: the node of its suffix
    for shorter, longer in zip(extended, levels[1:], strict=False):
        contexts = longer.keys // size
        endings = find(shorter.keys, endings[contexts - 1], longer.keys - contexts * size, size)
        shorter.extensions[:] = np.bincount(endings, minlength=len(shorter.keys) + 1)[1:]
    if text.eos is not None:
        low = int(find(levels[0].keys, np.array([ROOT]), np.array([text.eos]), size)[0])
        low, high = low, low + 1  # the nodes that begin with the EOS token
        for level in extended[1:-1]:
            low, high = (int(i) + 1 for i in np.searchsorted(level.keys, [low * size, high * size]))
            level.extensions[low - 1 : high - 1] = level.occurrences[low - 1 : high - 1]
        return extended
    starts = np.array([block.start for block in text.blocks])
    stops = np.array([block.stop for block in text.blocks])
    nodes = np.full(len(starts), ROOT)
    for k, level in enumerate(extended[:-1]):
        inside = starts + k < stops
        tokens = np.asarray(text.tokens[np.where(inside, starts + k, starts)]).astype(np.int64)
        nodes = np.where(inside, find(level.keys, nodes, tokens, size), 0)
        np.add.at(level.extensions, nodes[nodes > 0] - 1, 1)
    return extended
