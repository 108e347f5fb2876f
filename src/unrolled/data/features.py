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
from unrolled.errors import RunError
from unrolled.threads import one_thread

MELS = 64  # bands of a sound's spectrum
TOGETHER = 4  # frames; silence fills a sound up to so many, so that there are fewer lengths to cut batches at
PATCH = 4  # pixels on a side of a patch
LOOKED_AT = 2_000  # items by which numbers are scaled, at most
LEAST_DEVIATION = 1e-6

Floats = NDArray[np.float32]


class Features(Intake):
    """Numbers of a step, each with mean 0 and deviation 1 over the training part. A subclass is final."""

    width: int
    takes: ClassVar[type[InputKind]]
    channels = 1  # of a step's numbers, the last axis of them; the others are places side by side

    def __init__(self, input_kind: InputKind, mean: Floats | None = None, deviation: Floats | None = None) -> None:
        self.input = input_kind
        self.mean = np.zeros(1, np.float32) if mean is None else mean
        self.deviation = np.ones(1, np.float32) if deviation is None else deviation

    @abstractmethod
    def measure(self, item: Any) -> Floats:
        """An item's steps (T, D) as they are, not scaled."""

    def encode(self, item: Any) -> Floats:
        return self._scaled(self.measure(item))

    def _scaled(self, steps: Floats) -> Floats:
        scaled: Floats = (steps - self.mean) / self.deviation
        return scaled

    def learnt(self, items: Iterable[Any]) -> Self:
        """The same, scaled by what it measures of these items."""
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for item in items:
            steps = self.measure(item).astype(np.float64)
            count, total, squares = count + len(steps), total + steps.sum(0), squares + (steps**2).sum(0)
        mean = total / max(1, count)
        deviation = np.sqrt(np.maximum(squares / max(1, count) - mean**2, 0.0))
        deviation[deviation <= LEAST_DEVIATION * np.abs(mean)] = 1.0  # what never changes is left in its own unit
        if self._alike:
            mean, deviation = np.full_like(mean, mean.mean()), np.full_like(mean, np.sqrt((deviation**2).mean()))
        return type(self)(self.input, mean.astype(np.float32), deviation.astype(np.float32))

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

    kind, takes = "vectors", VectorInput

    def __init__(self, input_kind: VectorInput, mean: Floats | None = None, deviation: Floats | None = None) -> None:
        super().__init__(input_kind, mean, deviation)
        self.width = input_kind.width
        self.read_as = f"{self.width} number{'s' * (self.width > 1)} a step"

    def measure(self, item: Any) -> Floats:
        return np.asarray(item, np.float32)


class Frames(Features):
    """A sound as log-mel spectra, one each 10 ms. Varied by moving, stretching, noise, another throat, and
    masks (Park et al. 2019)."""

    kind, takes = "sound", SoundInput

    def __init__(self, input_kind: SoundInput, mean: Floats | None = None, deviation: Floats | None = None) -> None:
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

    def __init__(self, input_kind: PictureInput, mean: Floats | None = None, deviation: Floats | None = None) -> None:
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

    def __init__(self, input_kind: PictureInput, mean: Floats | None = None, deviation: Floats | None = None) -> None:
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
        mean, deviation = (np.array(value[key], np.float32) for key in ("mean", "deviation"))
        taken = input_from_json(value["input"])
        features = made(taken, mean, deviation)
        fits = made.takes is type(taken) and mean.shape == deviation.shape == (features.width,)
        if not fits or not np.isfinite([mean, deviation]).all() or not (deviation > 0).all():
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError("The run's symbols.json is damaged: how its numbers are scaled is not said there.") from None
    return features
