"""Audio files, as log-mel spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.media.audio import AUDIO_ENDINGS, augment_audio, probe_audio, read_audio
from unrolled.data.media.mel import frame_sizes, log_mel, mask_frames, vary_voice
from unrolled.data.modalities.base import InputSample, Modality, Recipe, StepOptions, check_whole_rows
from unrolled.data.modalities.files import (
    CHECK_DECODING,
    MOST_EQUAL,
    TOLERANCE,
    are_paths,
    is_constant,
    path_of,
)
from unrolled.data.modalities.scaling import Floats, NumericFeaturizer, Wide
from unrolled.errors import MediaError
from unrolled.schema import Within
from unrolled.threads import single_thread

HIGHEST_RATE = 16_000  # samples per second, at most; speech needs no more
MELS = 64  # mel bands of a spectrum
FRAMES_MULTIPLE = 4  # frames; a recording is padded to a multiple, so that batches have fewer different lengths


class AudioFeaturizer(NumericFeaturizer):
    """A recording as log-mel spectra, one every 10 ms. Augmented by shifts, changes of speed,
    noise, another speaker's voice, and masks (Park et al. 2019)."""

    kind, spatial, recipe = "audio", True, Recipe(128, 1, 128, 32, 3e-3, 0.3, 60)

    def __init__(self, modality: AudioInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.rate, self.width = modality.rate, MELS
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


@dataclass(frozen=True)
class AudioInput(Modality):
    """A path to an audio file -> its samples (N,) as int16, mono, at `rate` per second."""

    rate: Annotated[int, Within(1, HIGHEST_RATE)]
    name, noun, endings = "audio", "audio files", AUDIO_ENDINGS
    stems = ("conv", "plain")
    most_equal, if_equal, blank = MOST_EQUAL, CHECK_DECODING, "silent"

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        return are_paths(cells, cls.endings)

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        rates = []
        for cells in sample.rows:
            with suppress(MediaError):
                rates.append(probe_audio(path_of(cells[0], str(sample.path)))[0])
        return cls(min(HIGHEST_RATE, int(np.median(rates)) if rates else HIGHEST_RATE))

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> AudioFeaturizer:
        check_whole_rows(self, options)
        return AudioFeaturizer.learn(self, items)

    def load_featurizer(self, value: Mapping[str, Any]) -> AudioFeaturizer:
        return AudioFeaturizer.from_json(self, value)

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        silent = sum(int(item.max()) - int(item.min()) <= TOLERANCE for item in items)
        same = sum(np.array_equal(item, items[0]) for item in items)
        return max(silent, same), "silent throughout" if silent >= same else "the same audio"

    def is_blank(self, item: Any) -> bool:
        return is_constant(item)

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.int16]:
        samples = read_audio(path_of(cells[0], place), self.rate)
        return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
