"""Featurizers of numbers, scaled by statistics of the training split, which are saved with the run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import Featurizer, Modality
from unrolled.errors import DataError, RunError

MOST_ITEMS = 2_000  # items, at most, from which the scaling is computed
ROUNDING = 8 * float(np.finfo(np.float64).eps)  # relative; a smaller standard deviation counts as constant

Floats = NDArray[np.float32]
Wide = NDArray[np.floating[Any]]  # float64 where numbers may be far from zero, else float32


class Moments:
    """Streaming mean and standard deviation of each number of a step (Chan et al. 1979). Numbers far from zero that
    change little keep their digits."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(1)
        self._squares: NDArray[np.float64] = np.zeros(1)
        self._low: NDArray[np.float64] = np.full(1, np.inf)
        self._high: NDArray[np.float64] = np.full(1, -np.inf)

    def add(self, steps: Wide) -> None:
        """Add the steps (T, D) of an item."""
        exact = steps.astype(np.float64)
        count, whole = len(exact), self.count + len(exact)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = exact.mean(0)
            off = mean - self.mean
            self._squares = self._squares + ((exact - mean) ** 2).sum(0) + off**2 * (self.count * count / whole)
            self.mean = self.mean + off * (count / whole)
        self._low, self._high = np.minimum(self._low, exact.min(0)), np.maximum(self._high, exact.max(0))
        self.count = whole

    @property
    def constant(self) -> NDArray[np.bool_]:
        """(D,) which numbers are constant."""
        found: NDArray[np.bool_] = self._low >= self._high
        return found

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation (D,); 1 for constant numbers, which are not scaled."""
        std = np.sqrt(self._squares / max(1, self.count))
        still = self.constant | (std <= ROUNDING * np.abs(self.mean))
        return np.where(still, 1.0, std)


class NumericFeaturizer(Featurizer):
    """Numbers of a step, scaled to mean 0 and standard deviation 1 over the training split. A subclass is final."""

    width: int
    channels = 1  # last axis of a step's numbers; the other axis is positions in space
    exact: ClassVar[type[np.floating[Any]]] = np.float32  # dtype for centring and scaling
    constant: tuple[bool, ...] = ()  # (D,) which numbers were constant when the scaling was computed

    def __init__(self, modality: Modality, mean: Wide | None = None, std: Wide | None = None) -> None:
        self.input = modality
        self.mean = np.zeros(1, self.exact) if mean is None else mean.astype(self.exact)
        self.std = np.ones(1, self.exact) if std is None else std.astype(self.exact)

    @property
    def scales(self) -> int:
        """How many numbers have a mean and a standard deviation of their own: D of `unscaled`."""
        return self.width

    @abstractmethod
    def unscaled(self, item: Any) -> Wide:
        """An item's numbers (T, D), not scaled."""

    def encode(self, item: Any) -> Floats:
        return self._scaled(self.unscaled(item))

    @property
    def gives_features(self) -> bool:
        """Whether `steps` are features of a pretrained net, which have one unit."""
        return False

    @property
    def step_width(self) -> int:
        """D of `steps`."""
        return self.width

    def steps(self, items: Sequence[Any]) -> list[Floats]:
        """Items as steps (T, D), scaled, for models that read steps whatever `axes` are."""
        return list(self.encode_all(items))

    def _scaled(self, steps: Wide) -> Floats:
        scaled: Floats = ((steps - self.mean) / self.std).astype(np.float32)
        return scaled

    def fitted(self, items: Iterable[Any]) -> Self:
        """Return the same featurizer, scaled by the statistics of these items."""
        moments = Moments()
        for item in items:
            moments.add(self.unscaled(item))
        mean, std = moments.mean, moments.std
        if not (np.isfinite(mean) & np.isfinite(std)).all():
            raise DataError(
                "Numbers of the input are too far apart to be scaled: their squares are out of range for floats.\n"
                "Give them in another unit, or as logarithms."
            )
        if self._has_one_unit:
            mean, std = np.full_like(mean, mean.mean()), np.full_like(mean, np.sqrt((std**2).mean()))
        made = type(self)(self.input, mean, std)
        made.constant = tuple(moments.constant.tolist())
        return made

    @property
    def _has_one_unit(self) -> bool:
        """Whether all numbers of a step have one unit, and share one mean and standard deviation."""
        return False

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "input": self.input.to_json(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
        }

    @classmethod
    def learn(cls, modality: Modality, items: Sequence[Any]) -> Self:
        """Make the featurizer, scaled by the training items, or 2,000 of them spread evenly."""
        few = min(len(items), MOST_ITEMS)
        return cls(modality).fitted(items[place * len(items) // few] for place in range(few))

    @classmethod
    def from_json(cls, modality: Modality, value: Mapping[str, Any]) -> Self:
        """Load the featurizer of a modality that `to_json` wrote. Raises RunError if it is damaged."""
        try:
            mean, std = (np.array(value[key], cls.exact) for key in ("mean", "std"))
            made = cls(modality, mean, std)
            if (
                value["kind"] != cls.kind
                or not mean.shape == std.shape == (made.scales,)
                or not np.isfinite([mean, std]).all()
                or not (std > 0).all()
            ):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError("The run's vocabulary.json is damaged: it lacks the scaling of the numbers.") from None
        return made
