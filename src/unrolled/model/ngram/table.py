"""One order of a smoothed n-gram model: discounted probabilities and the back-off weight of each context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from unrolled.model.ngram.text import Array

SMOOTHINGS = {"kneser-ney": "Kneser–Ney", "witten-bell": "Witten–Bell"}
PACKED = ("tokens", "followers", "counts")  # arrays of a saved table
FALLBACK = (0.5, 1.0, 1.5)  # discounts if the counts of counts give none, as with a vocabulary of a few dozen tokens


class NGramTable(NamedTuple):
    """N n-grams of one order and their C contexts (row 0: an unseen context)."""

    keys: Array  # (N,) int64, sorted: context * V + token
    counts: Array  # (N,) integers
    first: Array  # (C + 2,) int64: the n-grams of context i are keys[first[i]:first[i + 1]]
    totals: Array  # (C + 1,) float64
    backoffs: Array  # (C + 1,) float64: the weight of the shorter context
    discounts: Array  # (4,) float64: of counts 0, 1, 2, 3 and more


def make_ngram_table(keys: Array, counts: Array, contexts: int, size: int, smoothing: str) -> NGramTable:
    """Make the table of sorted keys after contexts 1 … `contexts`.

    Kneser-Ney: backoff(h) = sum of the discounts of the tokens after h / sum of their counts. Witten-Bell: nothing
    is discounted, and backoff(h) = T(h) / (c(h) + T(h)), with T the number of distinct tokens seen after h.
    """
    first = np.searchsorted(keys, np.arange(contexts + 2) * size)
    discounted = np.array([0.0, 1.0, 1.0, 1.0])
    discounts = np.zeros(4)
    if smoothing == "kneser-ney":
        discounted = discounts = find_discounts(counts)
    shorter = _sum_by_context(discounted[np.minimum(counts, 3)], first)
    totals = _sum_by_context(counts, first)
    if smoothing == "witten-bell":
        totals = totals + shorter
    seen = totals > 0
    backoffs = np.where(seen, shorter, 1.0) / np.where(seen, totals, 1.0)
    return NGramTable(keys, counts, first, np.where(seen, totals, 1.0), backoffs, discounts)


def find_discounts(counts: Array) -> Array:
    """The discounts (4,) of counts 0, 1, 2, 3+ by Chen & Goodman's estimate from the counts of counts.

    If it is undefined or out of range (few n-grams, or many repetitions): 0.5, 1, 1.5.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        found = np.array([0.0, *(i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3))])
        if (found[1:] > 0).all():
            return found
    return np.array([0.0, *FALLBACK])


def _sum_by_context(values: Array, first: Array) -> Array:
    """Sums (C + 1,) over the n-grams of each context, float64."""
    followed = np.flatnonzero(first[1:] > first[:-1])
    sums = np.zeros(len(first) - 1)
    if len(followed):
        sums[followed] = np.add.reduceat(values, first[followed], dtype=np.float64)
    return sums


def interpolate(table: NGramTable, contexts: Array, nodes: Array, shorter: Array) -> Array:
    """The probability of the last token of each node (0: never seen), all arrays of one shape.

    `shorter`: their probabilities after the context without its oldest token.
    """
    if not len(table.keys):
        return shorter
    counts = np.where(nodes > 0, table.counts[nodes - 1], 0)
    own = (counts - table.discounts[np.minimum(counts, 3)]) / table.totals[contexts]
    probabilities: Array = own + table.backoffs[contexts] * shorter
    return probabilities


def interpolate_all(table: NGramTable, contexts: Array, shorter: Array, size: int) -> Array:
    """The same for every token: contexts (R,), shorter (R, V) -> (R, V)."""
    start = table.first[contexts]
    followers = table.first[contexts + 1] - start  # (R,)
    probabilities: Array = table.backoffs[contexts][:, None] * shorter
    if total := int(followers.sum()):
        rows = np.repeat(np.arange(len(contexts)), followers)
        ends = np.cumsum(followers)
        at = np.arange(total) + np.repeat(start - ends + followers, followers)  # n-grams of all rows' contexts
        counts = table.counts[at]
        own = (counts - table.discounts[np.minimum(counts, 3)]) / table.totals[contexts][rows]
        probabilities[rows, table.keys[at] - contexts[rows] * size] += own
    return probabilities


def pack_table(table: NGramTable, size: int) -> dict[str, Array]:
    """Arrays for `unpack_table`: the tokens (N,), their counts (N,), and the number of n-grams per context (C,)."""
    contexts = np.repeat(np.arange(len(table.first) - 1), np.diff(table.first))
    tokens = (table.keys - contexts * size).astype(np.uint8 if size <= 256 else np.int32)
    followers = np.diff(table.first[1:]).astype(np.int32)
    return {"tokens": tokens, "followers": followers, "counts": table.counts.copy()}


def unpack_table(arrays: Mapping[str, Array], contexts: int, size: int, smoothing: str) -> NGramTable:
    """Load a packed table. Raises ValueError if the arrays do not fit each other or the number of contexts."""
    tokens, followers, counts = (arrays[name] for name in PACKED)
    shapes = tokens.ndim == 1 and tokens.shape == counts.shape and followers.shape == (contexts,)
    kinds = all(np.issubdtype(array.dtype, np.integer) for array in (tokens, followers, counts))
    if not shapes or not kinds or (followers < 0).any() or followers.sum() != len(tokens):
        raise ValueError("sizes or dtypes do not fit together")
    keys = np.repeat(np.arange(1, contexts + 1), followers) * size + tokens
    if not len(tokens) or tokens.min() < 0 or tokens.max() >= size or counts.min() < 0 or (np.diff(keys) <= 0).any():
        raise ValueError("a token or a count is out of range")
    return make_ngram_table(keys, counts, contexts, size, smoothing)
