"""Numbers as steps: vectors, the frames of a sound, the rows or patches of a picture; scaled by training statistics.

Mean and deviation of each number of a step, over the training part, travel with the run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.inputs import InputKind, PictureInput, SoundInput, VectorInput, input_from_json
from unrolled.data.intake import Intake
from unrolled.data.mel import bend_bands, frame_sizes, log_mel, mask_frames
from unrolled.data.pictures import patches_of, rows_of, shift_picture
from unrolled.data.sound import shake_sound
from unrolled.errors import DataError, RunError
from unrolled.threads import one_thread

MELS = 64  # bands of a sound's spectrum
TOGETHER = 4  # frames; silence fills a sound up to so many, so that there are fewer lengths to cut batches at
PATCH = 4  # pixels on a side of a patch
LOOKED_AT = 2_000  # items by which numbers are scaled, at most
ROUNDING = 8 * float(np.finfo(np.float64).eps)  # of a number: what deviates less never changes

Floats = NDArray[np.float32]
Wide = NDArray[np.floating[Any]]  # float64 where numbers are far from zero, else float32


class Moments:
    """Mean and deviation of each number of a step, of items that come one by one, by differences from the mean so
    far (Chan et al. 1979): so that what is far from zero and changes little keeps its digits."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(1)
        self._squares: NDArray[np.float64] = np.zeros(1)
        self._low: NDArray[np.float64] = np.full(1, np.inf)
        self._high: NDArray[np.float64] = np.full(1, -np.inf)

    def add(self, steps: Wide) -> None:
        """steps (T, D)."""
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
        """(D,) which numbers are the same throughout."""
        found: NDArray[np.bool_] = self._low >= self._high
        return found

    @property
    def deviation(self) -> NDArray[np.float64]:
        """(D,); of what never changes 1: it is left in its own unit."""
        deviation = np.sqrt(self._squares / max(1, self.count))
        still = self.constant | (deviation <= ROUNDING * np.abs(self.mean))
        return np.where(still, 1.0, deviation)


class Features(Intake):
    """Numbers of a step, each with mean 0 and deviation 1 over the training part. A subclass is final."""

    width: int
    takes: ClassVar[type[InputKind]]
    channels = 1  # of a step's numbers, the last axis of them; the others are places side by side
    exact: ClassVar[type[np.floating[Any]]] = np.float32  # in which numbers are centred and scaled
    constant: tuple[bool, ...] = ()  # (D,) which numbers were the same in all items that it was learnt from

    def __init__(self, input_kind: InputKind, mean: Wide | None = None, deviation: Wide | None = None) -> None:
        self.input = input_kind
        self.mean = np.zeros(1, self.exact) if mean is None else mean.astype(self.exact)
        self.deviation = np.ones(1, self.exact) if deviation is None else deviation.astype(self.exact)

    @abstractmethod
    def measure(self, item: Any) -> Wide:
        """An item's steps (T, D) as they are, not scaled."""

    def encode(self, item: Any) -> Floats:
        return self._scaled(self.measure(item))

    def _scaled(self, steps: Wide) -> Floats:
        scaled: Floats = ((steps - self.mean) / self.deviation).astype(np.float32)
        return scaled

    def learnt(self, items: Iterable[Any]) -> Self:
        """The same, scaled by what it measures of these items."""
        moments = Moments()
        for item in items:
            moments.add(self.measure(item))
        mean, deviation = moments.mean, moments.deviation
        if not (np.isfinite(mean) & np.isfinite(deviation)).all():
            raise DataError(
                "Numbers of the input are too far apart to be scaled: their squares are past what a number can be.\n"
                "Give them in another unit, or as logarithms."
            )
        if self._alike:
            mean, deviation = np.full_like(mean, mean.mean()), np.full_like(mean, np.sqrt((deviation**2).mean()))
        made = type(self)(self.input, mean, deviation)
        made.constant = tuple(moments.constant.tolist())
        return made

    @property
    def _alike(self) -> bool:
        """Whether all numbers of a step are of one unit, and are scaled as one."""
        return False

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "input": self.input.to_json(),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }


class Vectors(Features):
    """A vector a step, as it was given."""

    kind, takes, exact = "vectors", VectorInput, np.float64

    def __init__(self, input_kind: VectorInput, mean: Wide | None = None, deviation: Wide | None = None) -> None:
        super().__init__(input_kind, mean, deviation)
        self.width = input_kind.width
        self.read_as = f"{self.width} number{'s' * (self.width > 1)} a step"

    def measure(self, item: Any) -> Wide:
        return np.asarray(item)


class Frames(Features):
    """A sound as log-mel spectra, one each 10 ms. Varied by moving, stretching, noise, another throat, and
    masks (Park et al. 2019)."""

    kind, takes = "sound", SoundInput

    def __init__(self, input_kind: SoundInput, mean: Wide | None = None, deviation: Wide | None = None) -> None:
        super().__init__(input_kind, mean, deviation)
        self.rate, self.width = input_kind.rate, MELS
        self.read_as = f"sounds at {self.rate:,} Hz, {MELS} bands each 10 ms"

    def measure(self, item: Any) -> Floats:
        return self._mel(self._samples(item))

    def _samples(self, item: Any) -> Floats:
        samples: Floats = np.asarray(item, np.float32) / np.float32(32767)
        return samples

    def _mel(self, samples: Floats) -> Floats:
        import torch

        hop = frame_sizes(self.rate)[1]
        frames = -(-(1 + len(samples) // hop) // TOGETHER) * TOGETHER
        filled = np.pad(samples, (0, max(0, (frames - 1) * hop - len(samples))))
        with one_thread():
            found: Floats = log_mel(torch.from_numpy(filled), self.rate, MELS).numpy()
        return found

    def vary(self, item: Any, dice: np.random.Generator) -> Floats:
        import torch

        shaken = shake_sound(self._samples(item), self.rate, dice)
        with one_thread():
            bent = self._scaled(bend_bands(self._mel(shaken), self.rate, dice))
            masked: Floats = mask_frames(torch.from_numpy(bent), dice).numpy()
        return masked


class Rows(Features):
    """A picture as its rows, from the top. Varied by moving it a little."""

    kind, takes = "rows", PictureInput

    def __init__(self, input_kind: PictureInput, mean: Wide | None = None, deviation: Wide | None = None) -> None:
        super().__init__(input_kind, mean, deviation)
        self.channels = 1 if input_kind.grey else 3
        self.width = input_kind.width * self.channels
        self.read_as = f"pictures of {input_kind.width} x {input_kind.height}, a row a step"

    @property
    def _alike(self) -> bool:
        return True

    def measure(self, item: Any) -> Floats:
        return rows_of(item)

    def vary(self, item: Any, dice: np.random.Generator) -> Floats:
        return self.encode(shift_picture(item, dice))


class Patches(Features):
    """A picture as squares of four pixels a side, row by row. Varied by moving it a little."""

    kind, takes = "patches", PictureInput

    def __init__(self, input_kind: PictureInput, mean: Wide | None = None, deviation: Wide | None = None) -> None:
        super().__init__(input_kind, mean, deviation)
        self.width = PATCH * PATCH * (1 if input_kind.grey else 3)
        self.read_as = f"pictures of {input_kind.width} x {input_kind.height}, a patch of {PATCH} x {PATCH} a step"

    @property
    def _alike(self) -> bool:
        return True

    def measure(self, item: Any) -> Floats:
        return patches_of(item, PATCH)

    def vary(self, item: Any, dice: np.random.Generator) -> Floats:
        return self.encode(shift_picture(item, dice))


FEATURES: dict[str, type[Features]] = {one.kind: one for one in (Vectors, Frames, Rows, Patches)}


def learn_features(input_kind: InputKind, items: Any, patches: bool) -> Features:
    """The features of a kind of input, scaled by a training part's items, or 2,000 of them spread evenly."""
    if isinstance(input_kind, PictureInput):
        made: Features = Patches(input_kind) if patches else Rows(input_kind)
    elif isinstance(input_kind, SoundInput):
        made = Frames(input_kind)
    elif isinstance(input_kind, VectorInput):
        made = Vectors(input_kind)
    else:
        raise TypeError(f"{input_kind.kind} has no numbers")
    few = min(len(items), LOOKED_AT)
    return made.learnt(items[place * len(items) // few] for place in range(few))


def features_from_json(value: Mapping[str, Any]) -> Features:
    """The features that `to_json` wrote. Raises RunError where they are damaged."""
    try:
        made = FEATURES[value["kind"]]
        mean, deviation = (np.array(value[key], made.exact) for key in ("mean", "deviation"))
        taken = input_from_json(value["input"])
        features = made(taken, mean, deviation)
        fits = made.takes is type(taken) and mean.shape == deviation.shape == (features.width,)
        if not fits or not np.isfinite([mean, deviation]).all() or not (deviation > 0).all():
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError("The run's symbols.json is damaged: how its numbers are scaled is not said there.") from None
    return features
