"""Featurizers of numbers: vectors, frames of a recording, rows or patches of an image; scaled by training statistics.

The mean and standard deviation of each number of a step, over the training split, are saved with the run.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dataset.featurizer import Featurizer
from unrolled.data.dataset.inputs import AudioInput, ImageInput, InputKind, VectorInput, input_from_json
from unrolled.data.media.audio import augment_audio
from unrolled.data.media.images import patches_of, rows_of, shift_image
from unrolled.data.media.mel import frame_sizes, log_mel, mask_frames, vary_voice
from unrolled.errors import DataError, RunError
from unrolled.threads import single_thread

MELS = 64  # mel bands of an audio spectrum
FRAMES_MULTIPLE = 4  # frames; a recording is padded to a multiple, so that batches have fewer different lengths
PATCH = 4  # pixels on a side of a patch
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
    input_type: ClassVar[type[InputKind]]
    channels = 1  # last axis of a step's numbers; the other axis is positions in space
    exact: ClassVar[type[np.floating[Any]]] = np.float32  # dtype for centring and scaling
    constant: tuple[bool, ...] = ()  # (D,) which numbers were constant when the scaling was computed

    def __init__(self, input_kind: InputKind, mean: Wide | None = None, std: Wide | None = None) -> None:
        self.input = input_kind
        self.mean = np.zeros(1, self.exact) if mean is None else mean.astype(self.exact)
        self.std = np.ones(1, self.exact) if std is None else std.astype(self.exact)

    @abstractmethod
    def unscaled(self, item: Any) -> Wide:
        """An item's steps (T, D), not scaled."""

    def encode(self, item: Any) -> Floats:
        return self._scaled(self.unscaled(item))

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


class VectorFeaturizer(NumericFeaturizer):
    """One vector per step, as given."""

    kind, input_type, exact = "vectors", VectorInput, np.float64

    def __init__(self, input_kind: VectorInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(input_kind, mean, std)
        self.width = input_kind.width
        self.step_description = f"{self.width} number{'s' * (self.width > 1)} per step"

    def unscaled(self, item: Any) -> Wide:
        return np.asarray(item)


class AudioFeaturizer(NumericFeaturizer):
    """A recording as log-mel spectra, one every 10 ms. Augmented by shifts, changes of speed,
    noise, another speaker's voice, and masks (Park et al. 2019)."""

    kind, input_type = "audio", AudioInput

    def __init__(self, input_kind: AudioInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(input_kind, mean, std)
        self.rate, self.width = input_kind.rate, MELS
        self.step_description = f"audio at {self.rate:,} Hz, {MELS} bands every 10 ms"

    def unscaled(self, item: Any) -> Floats:
        return self._mel(self._samples(item))

    def _samples(self, item: Any) -> Floats:
        samples: Floats = np.asarray(item, np.float32) / np.float32(32767)
        return samples

    def _mel(self, samples: Floats) -> Floats:
        import torch

        hop = frame_sizes(self.rate)[1]
        frames = -(-(1 + len(samples) // hop) // FRAMES_MULTIPLE) * FRAMES_MULTIPLE
        filled = np.pad(samples, (0, max(0, (frames - 1) * hop - len(samples))))
        with single_thread():
            found: Floats = log_mel(torch.from_numpy(filled), self.rate, MELS).numpy()
        return found

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        import torch

        shaken = augment_audio(self._samples(item), self.rate, generator)
        with single_thread():
            bent = self._scaled(vary_voice(self._mel(shaken), self.rate, generator))
            masked: Floats = mask_frames(torch.from_numpy(bent), generator).numpy()
        return masked


class PixelRowFeaturizer(NumericFeaturizer):
    """An image as its rows, from the top. Augmented by small shifts."""

    kind, input_type = "rows", ImageInput

    def __init__(self, input_kind: ImageInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(input_kind, mean, std)
        self.channels = 1 if input_kind.grey else 3
        self.width = input_kind.width * self.channels
        self.step_description = f"images of {input_kind.width} x {input_kind.height}, one row per step"

    @property
    def _has_one_unit(self) -> bool:
        return True

    def unscaled(self, item: Any) -> Floats:
        return rows_of(item)

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode(shift_image(item, generator))


class PatchFeaturizer(NumericFeaturizer):
    """An image as squares of four by four pixels, row by row. Augmented by small shifts."""

    kind, input_type = "patches", ImageInput

    def __init__(self, input_kind: ImageInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(input_kind, mean, std)
        self.width = PATCH * PATCH * (1 if input_kind.grey else 3)
        self.step_description = (
            f"images of {input_kind.width} x {input_kind.height}, one patch of {PATCH} x {PATCH} per step"
        )

    @property
    def _has_one_unit(self) -> bool:
        return True

    def unscaled(self, item: Any) -> Floats:
        return patches_of(item, PATCH)

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode(shift_image(item, generator))


NUMERIC_FEATURIZERS: dict[str, type[NumericFeaturizer]] = {
    one.kind: one for one in (VectorFeaturizer, AudioFeaturizer, PixelRowFeaturizer, PatchFeaturizer)
}


def learn_numeric_featurizer(input_kind: InputKind, items: Any, patches: bool) -> NumericFeaturizer:
    """Make the featurizer of a kind of input, scaled by the training items, or 2,000 of them spread evenly."""
    if isinstance(input_kind, ImageInput):
        made: NumericFeaturizer = PatchFeaturizer(input_kind) if patches else PixelRowFeaturizer(input_kind)
    elif isinstance(input_kind, AudioInput):
        made = AudioFeaturizer(input_kind)
    elif isinstance(input_kind, VectorInput):
        made = VectorFeaturizer(input_kind)
    else:
        raise TypeError(f"{input_kind.kind} has no numbers")
    few = min(len(items), MOST_ITEMS)
    return made.fitted(items[place * len(items) // few] for place in range(few))


def numeric_featurizer_from_json(value: Mapping[str, Any]) -> NumericFeaturizer:
    """Load the featurizer that `to_json` wrote. Raises RunError if it is damaged."""
    try:
        made = NUMERIC_FEATURIZERS[value["kind"]]
        mean, std = (np.array(value[key], made.exact) for key in ("mean", "std"))
        taken = input_from_json(value["input"])
        features = made(taken, mean, std)
        fits = made.input_type is type(taken) and mean.shape == std.shape == (features.width,)
        if not fits or not np.isfinite([mean, std]).all() or not (std > 0).all():
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunError("The run's vocabulary.json is damaged: it lacks the scaling of the numbers.") from None
    return features
