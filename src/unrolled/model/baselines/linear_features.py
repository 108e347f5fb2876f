"""Features of a linear model: bags of n-grams for texts; for numbers those of a row, statistics of its steps, or a
window around each step. R rows, F features, K numbers per output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.modalities.base import Featurizer, Item
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.model.baselines.ngram_features import BAGS, Bags

ROWS_AT_ONCE = 10_000  # rows whose features are computed together
MOST_FLAT = 4096  # numbers per row that are features of their own
LONGEST = 1_000  # steps of a row that are used
AROUND = 2  # steps on either side of a predicted step
LEAST_STD = 1e-4


class FeatureRows(Protocol):
    """The features of rows."""

    def apply(self, weights: Tensor, bias: Tensor) -> Tensor:
        """weights (F, K), bias (K,) -> (R, K)."""

    def cut(self, start: int, stop: int) -> FeatureRows:
        """Rows start to stop - 1."""

    @property
    def entry_count(self) -> int:
        """Number of n-grams or numbers of all rows."""


class FeatureExtractor(Protocol):
    """Computes the features of items; fitted on the training split."""

    size: int  # F

    def describe(self) -> str: ...

    def __call__(self, items: Sequence[Item]) -> FeatureRows: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def facts(self) -> dict[str, Any]: ...


class BagRows(NamedTuple):
    """Rows as bags of n-grams, given as indices into the known n-grams."""

    places: Tensor  # (N,)
    starts: Tensor  # (R,) where each row begins
    scale: Tensor  # (R, 1) one over the root of the number of n-grams

    def apply(self, weights: Tensor, bias: Tensor) -> Tensor:
        """The scaled sum of each row's weights, plus the bias."""
        if not len(self.places):
            return bias.expand(len(self.starts), -1)
        return F.embedding_bag(self.places, weights, self.starts, mode="sum") * self.scale + bias

    @property
    def entry_count(self) -> int:
        return len(self.places)

    def cut(self, start: int, stop: int) -> BagRows:
        """Rows start to stop - 1."""
        ends = torch.cat([self.starts, torch.tensor([len(self.places)])])
        first, last = int(ends[start]), int(ends[min(stop, len(self.starts))])
        return BagRows(self.places[first:last], self.starts[start:stop] - first, self.scale[start:stop])


class IndexedBagRows(NamedTuple):
    """The same rows, with a faster gradient: it is summed n-gram by n-gram over the rows of each, in a tenth of the
    time of scattering the rows over the n-grams."""

    bags: BagRows
    rows: Tensor  # (N,) the rows of the first n-gram, of the second, …
    starts: Tensor  # (F,) where the rows of each n-gram begin

    @classmethod
    def of(cls, bags: BagRows, size: int) -> IndexedBagRows:
        """size: F."""
        counts = torch.diff(bags.starts, append=torch.tensor([len(bags.places)]))
        rows = torch.repeat_interleave(torch.arange(len(bags.starts)), counts)
        places, order = torch.sort(bags.places, stable=True)
        each = torch.bincount(places, minlength=size)
        return cls(bags, rows[order], torch.cumsum(each, 0) - each)

    @property
    def entry_count(self) -> int:
        return self.bags.entry_count

    def cut(self, start: int, stop: int) -> IndexedBagRows:
        """Rows start to stop - 1."""
        return IndexedBagRows.of(self.bags.cut(start, stop), len(self.starts))

    def apply(self, weights: Tensor, bias: Tensor) -> Tensor:
        """The same as `BagRows.apply`."""
        found: Tensor = _Sum.apply(weights, self)  # type: ignore[no-untyped-call]
        return found + bias


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, rows: IndexedBagRows) -> Tensor:
        ctx.rows = rows
        return rows.bags.apply(weights, torch.zeros(weights.shape[1]))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows: IndexedBagRows = ctx.rows
        return F.embedding_bag(rows.rows, gradient * rows.bags.scale, rows.starts, mode="sum"), None


class DenseRows(NamedTuple):
    """Rows as numbers."""

    numbers: Tensor  # (R, F)

    def apply(self, weights: Tensor, bias: Tensor) -> Tensor:
        """W x + b."""
        return torch.addmm(bias, self.numbers, weights)

    @property
    def entry_count(self) -> int:
        return self.numbers.numel()

    def cut(self, start: int, stop: int) -> DenseRows:
        """Rows start to stop - 1."""
        return DenseRows(self.numbers[start:stop])


class NGramFeatures:
    """N-gram features, each counted once per row."""

    def __init__(self, units: str, known: NDArray[np.uint64]) -> None:
        self.units, self.known, self.size = units, known, len(known)  # known: sorted

    @classmethod
    def fit(cls, units: str, texts: Sequence[Any], most: int) -> tuple[NGramFeatures, BagRows]:
        """Find the `most` n-grams that occur in the most texts; also returns the features of the texts."""
        bags = bag_all(units, texts)
        features = cls(units, most_frequent(bags, most))
        return features, indices_in(features.known, bags)

    def describe(self) -> str:
        return f"linear on {self.size:,} n-grams of {self.units}"

    def __call__(self, items: Sequence[Any]) -> BagRows:
        return indices_in(self.known, bag_all(self.units, items))

    def tensors(self) -> dict[str, Tensor]:
        return {"known": torch.from_numpy(self.known.astype(np.int64))}

    def facts(self) -> dict[str, Any]:
        return {"units": self.units}


class NumberFeatures:
    """Number features, each with mean 0 and standard deviation 1 over the training split."""

    def __init__(self, units: str, featurizer: NumericFeaturizer, steps: int, mean: Tensor, std: Tensor) -> None:
        """units: numbers (of all `steps` steps of a row), summary (statistics of steps) or surroundings (windows)."""
        self.units, self.featurizer, self.steps = units, featurizer, steps
        self.mean, self.std, self.size = mean, std, len(mean)

    @classmethod
    def fit(cls, each: bool, items: Sequence[Any], featurizer: NumericFeaturizer) -> tuple[NumberFeatures, DenseRows]:
        """Choose features for these items: their numbers if all have equally many and not too many, else statistics;
        a window around each step if each step has a target."""
        lengths = {len(steps) for steps in featurizer.steps(items[:ROWS_AT_ONCE])}
        steps = max(lengths, default=1)
        flat = len(lengths) == 1 and steps * featurizer.step_width <= MOST_FLAT
        units = "numbers" if flat else "summary"
        if each:
            units = "surroundings"
        raw = cls(units, featurizer, steps, torch.zeros(1), torch.ones(1))(items).numbers
        mean, std = raw.mean(0), raw.std(0, correction=0)
        if featurizer.gives_features:  # one scale: that of each feature is not known from a few labelled images
            std = std.square().mean().sqrt().expand_as(std).clone()
        std = torch.where(std < LEAST_STD, 1.0, std)
        return cls(units, featurizer, steps, mean, std), DenseRows((raw - mean) / std)

    @property
    def of_vectors(self) -> bool:
        """Whether a row's features are a pretrained net's vector of its image."""
        return self.units == "numbers" and self.steps == 1 and getattr(self.featurizer, "frozen", None) is not None

    def describe(self) -> str:
        names = {
            "numbers": "numbers per row",
            "summary": "statistics of the steps",
            "surroundings": "numbers per window",
        }
        return f"linear on {self.size:,} {names[self.units]}"

    def __call__(self, items: Sequence[Any]) -> DenseRows:
        most = None if self.units == "surroundings" else LONGEST  # every step has a prediction
        found = [self._features(steps[:most]) for steps in self.featurizer.steps(items)]
        whole = torch.from_numpy(np.concatenate(found)) if found else torch.zeros(0, self.size)
        return DenseRows((whole - self.mean) / self.std)

    def _features(self, steps: NDArray[np.float32]) -> NDArray[np.float32]:
        """steps (T, D) -> features (1, F), or (T, F) with surroundings."""
        if self.units == "numbers":
            row = np.zeros((self.steps, steps.shape[1]), np.float32)
            row[: len(steps)] = steps[: self.steps]
            return row.reshape(1, -1)
        if self.units == "summary":
            figures = [steps.mean(0), steps.std(0), steps.min(0), steps.max(0), steps[0], steps[-1]]
            return np.concatenate([*figures, [len(steps) / 100]], dtype=np.float32)[None]
        padded = np.pad(steps, ((AROUND, AROUND), (0, 0)))
        return np.concatenate([padded[place : place + len(steps)] for place in range(2 * AROUND + 1)], 1)

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "std": self.std}

    def facts(self) -> dict[str, Any]:
        return {"units": self.units, "steps": self.steps}


NUMBERS = ("numbers", "summary", "surroundings")


def features_from_tensors(
    tensors: Mapping[str, Tensor], facts: Mapping[str, Any], featurizer: Featurizer
) -> FeatureExtractor:
    """Load features from `tensors` and `facts`. Raises KeyError, TypeError or ValueError if they do not fit."""
    units = facts["units"]
    if units in NUMBERS:
        mean, std = tensors["mean"], tensors["std"]
        if not (isinstance(featurizer, NumericFeaturizer) and mean.shape == std.shape and bool(mean.isfinite().all())
                and bool((std > 0).all()) and bool(std.isfinite().all())):  # fmt: skip
            raise ValueError("the feature statistics do not fit")
        features, steps = NumberFeatures(units, featurizer, int(facts["steps"]), mean, std), int(facts["steps"])
        sizes = {"numbers": steps, "summary": 6, "surroundings": 2 * AROUND + 1}
        if features.size != sizes[units] * featurizer.step_width + (units == "summary"):
            raise ValueError("the feature statistics do not fit")
        return features
    known = tensors["known"]
    if units not in BAGS or known.dtype != torch.int64 or not bool((known[1:] > known[:-1]).all()):
        raise ValueError("the n-grams do not fit")
    return NGramFeatures(units, known.numpy().astype(np.uint64))


def bag_all(units: str, texts: Sequence[Any]) -> Bags:
    """Compute the n-grams of all texts, some thousands of texts at a time."""
    chunks = [BAGS[units](texts[start : start + ROWS_AT_ONCE]) for start in range(0, len(texts), ROWS_AT_ONCE)]
    before = np.cumsum([0, *(len(chunk.hashes) for chunk in chunks)])
    starts = [chunk.starts[:-1] + first for chunk, first in zip(chunks, before, strict=False)]
    hashes = np.concatenate([np.zeros(0, np.uint64), *(chunk.hashes for chunk in chunks)])
    return Bags(hashes, np.concatenate([*starts, before[-1:]]))


def most_frequent(bags: Bags, most: int) -> NDArray[np.uint64]:
    """The `most` n-grams that occur in the most rows, sorted."""
    known, counts = np.unique(bags.hashes, return_counts=True)
    if len(known) <= most:
        return known
    return np.sort(known[np.argsort(-counts, kind="stable")[:most]])


def indices_in(known: NDArray[np.uint64], bags: Bags) -> BagRows:
    """Indices of the rows' n-grams among the known ones."""
    place = np.searchsorted(known, bags.hashes)
    there = np.zeros(len(place), np.bool_)
    if len(known):
        there = known[np.minimum(place, len(known) - 1)] == bags.hashes
    before = np.concatenate([[0], np.cumsum(there)])
    starts = before[bags.starts]  # (R + 1,)
    scale = 1 / np.sqrt(np.maximum(np.diff(bags.starts), 1))
    return BagRows(
        torch.from_numpy(place[there]),
        torch.from_numpy(starts[:-1]),
        torch.from_numpy(scale.astype(np.float32))[:, None],
    )
