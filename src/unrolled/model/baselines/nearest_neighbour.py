"""Nearest-neighbour baseline of an encoder-decoder: the target text of the most similar training row.

Similarity of texts is the cosine of their n-grams, weighted by inverse document frequency (Salton & Buckley 1988).
For a label the baseline is its most frequent text; for numbers, the nearest row. R training rows, Q queries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.modalities.base import Featurizer, Ids, Item
from unrolled.data.modalities.category import CategoryFeaturizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.model.baselines.linear_features import ROWS_AT_ONCE, NumberFeatures, bag_all
from unrolled.model.baselines.ngram_features import text_units

MOST_ROWS = 100_000  # of the training split, evenly spaced
MOST_OF_AN_N_GRAM = 2_000  # rows that have it; more frequent n-grams are not looked up
MOST_NUMBERS = 1 << 24  # of rows of numbers, in all


class Nearest(ABC):
    """Finds the most similar training row. A subclass is final."""

    name: str  # description for a summary

    @abstractmethod
    def find(self, items: Sequence[Item]) -> list[int]:
        """The index of the most similar training row for each item."""


class NearestText(Nearest):
    """Similarity by shared n-grams. If nothing is shared, the first row."""

    def __init__(self, units: str, texts: Sequence[Any]) -> None:
        self.units, self.name = units, f"nearest neighbour by n-grams of {units}"
        bags = bag_all(units, texts)
        rows = np.repeat(np.arange(len(texts), dtype=np.int32), np.diff(bags.starts))
        order = np.argsort(bags.hashes, kind="stable")
        self._known, first, counts = np.unique(bags.hashes[order], return_index=True, return_counts=True)
        self._rows, self._first, self._counts = rows[order], first, counts  # an n-gram's rows, one after the other
        self._weight = np.log((1 + len(texts)) / counts) ** 2  # for both texts
        squares = np.bincount(self._rows, np.repeat(self._weight, counts), minlength=len(texts))
        self._norm = np.sqrt(np.maximum(squares, 1e-9))  # (R,)

    def find(self, items: Sequence[Any]) -> list[int]:
        found = []
        for start in range(0, len(items), ROWS_AT_ONCE):
            bags = bag_all(self.units, items[start : start + ROWS_AT_ONCE])
            for first, after in zip(bags.starts[:-1].tolist(), bags.starts[1:].tolist(), strict=True):
                found.append(self._most_similar(bags.hashes[first:after]))
        return found

    def _most_similar(self, hashes: NDArray[np.uint64]) -> int:
        if not len(self._known):
            return 0
        place = np.minimum(np.searchsorted(self._known, hashes), len(self._known) - 1)
        known = place[self._known[place] == hashes]
        known = known[self._counts[known] <= MOST_OF_AN_N_GRAM]
        if not len(known):
            return 0
        rows = np.concatenate([self._rows[self._first[one] :][: self._counts[one]] for one in known.tolist()])
        weights = np.repeat(self._weight[known], self._counts[known])
        some, inverse = np.unique(rows, return_inverse=True)
        similarity = np.bincount(inverse, weights) / self._norm[some]
        return int(some[int(similarity.argmax())])


class NearestLabel(Nearest):
    """The first row with the label's most frequent text."""

    name = "most frequent text of the label"

    def __init__(self, featurizer: CategoryFeaturizer, labels: Sequence[Any], texts: Sequence[str]) -> None:
        self._featurizer = featurizer
        counts = Counter(zip(labels, texts, strict=True))
        self._row: dict[str, int] = {}
        best: dict[str, int] = {}
        for row, pair in enumerate(zip(labels, texts, strict=True)):
            if counts[pair] > best.get(pair[0], 0):
                best[pair[0]], self._row[pair[0]] = counts[pair], row

    def find(self, items: Sequence[Any]) -> list[int]:
        return [self._row.get(self._featurizer.nearest_label(item), 0) for item in items]


class NearestNumbers(Nearest):
    """By the distance of the rows' numbers, or of statistics of their steps, scaled to standard deviation 1."""

    name = "nearest neighbour by numbers"

    def __init__(self, featurizer: NumericFeaturizer, items: Sequence[Any]) -> None:
        most = max(1, MOST_NUMBERS // _width(featurizer, items))
        self._features, rows = NumberFeatures.fit(False, items[:most], featurizer)
        self._numbers = rows.numbers  # (R, F)
        self._squares = (self._numbers**2).sum(1)

    def find(self, items: Sequence[Any]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(items), 100):
            queries = self._features(items[start : start + 100]).numbers  # (Q, F)
            # (Q, R), without the squared norm of the query
            distance: torch.Tensor = self._squares - 2 * queries @ self._numbers.T
            found += distance.argmin(1).tolist()
        return found


def _width(featurizer: NumericFeaturizer, items: Sequence[Any]) -> int:
    """The number of numbers of the first row."""
    return max(1, featurizer.steps(items[:1])[0].size)


def make_nearest(featurizer: Featurizer, items: Sequence[Any], texts: Sequence[str]) -> Nearest:
    """Make the baseline for inputs of this kind. items: of the training split; texts: their targets."""
    if isinstance(featurizer, CategoryFeaturizer):
        return NearestLabel(featurizer, items, texts)
    if isinstance(featurizer, NumericFeaturizer):
        return NearestNumbers(featurizer, items)
    return NearestText(text_units(featurizer), items)


def sample_rows(rows: Ids, most: int = MOST_ROWS) -> Ids:
    """At most `most` of these rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]
