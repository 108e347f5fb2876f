"""Clips of videos, as a net for video reads them. K clips, C colours, T frames of H × W pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from unrolled.data.media.pixels import vary_images
from unrolled.data.modalities.base import STEP, Modality, Recipe, WholeImages
from unrolled.data.modalities.scaling import Floats, NumericFeaturizer, Wide

CLIPS = 10  # of a video, at most, whose predictions are averaged: as in the papers
MOST_CLIPS = 100
COLOURS = 3
MEASURED = 64  # videos, at most, from which the scaling is computed
EVERY = 4  # frame, row and column of which the scaling is computed
SHIFT = 0.1  # of a side, the largest shift of a clip
SQUARES = 8  # on a side of a frame, for the linear model
ROW_BYTES = 1 << 26  # of a batch in evaluation, about


class ClipFeaturizer(NumericFeaturizer):
    """A clip per step, (C, T, H, W), each colour scaled. In training one clip of a video is drawn each time, shifted
    as a whole, and half of them are mirrored."""

    kind, recipe = "clips", Recipe(1, 1, 1, 8, 2e-3, 0.0, 60, smoothing=0.1)  # the net has sizes of its own
    fine_tuning = Recipe(1, 1, 1, 8, 2e-4, 0.0, 12, smoothing=0.1)  # of pretrained weights
    axes: ClassVar[tuple[str, ...]] = (STEP, "channel", "frame", "height", "width")
    always_varies = True  # else an update would read all clips of its videos

    def __init__(self, modality: Modality, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        sizes: Any = modality  # a VideoInput, which imports this file
        self.frames, self.width = sizes.frames, sizes.side
        self.step_description = (
            f"videos, as up to {sizes.clips} clips of {self.frames} frames of {self.width} x {self.width}"
        )
        self.rows_at_once = max(1, ROW_BYTES // (4 * sizes.clips * COLOURS * self.frames * self.width**2))

    @classmethod
    def learn_from(cls, modality: Modality, whole: WholeImages | None, items: Sequence[Any]) -> Self:
        """Make the featurizer, scaled as pretrained weights expect, or else by some training items."""
        if whole is not None and whole.scaling is not None:
            return cls(modality, *(np.array(one, np.float32) for one in whole.scaling))
        few = min(len(items), MEASURED)
        return cls(modality).fitted(items[place * len(items) // few] for place in range(few))

    @property
    def scales(self) -> int:
        return COLOURS

    def unscaled(self, item: Any) -> Floats:
        pixels: Floats = np.asarray(item[:, ::EVERY, ::EVERY, ::EVERY].reshape(-1, COLOURS) / 255, np.float32)
        return pixels

    def encode(self, item: Any) -> Floats:
        clips = np.empty((len(item), COLOURS, *item.shape[1:4]), np.float32)
        levels = np.arange(256, dtype=np.float32)[:, None].repeat(COLOURS, 1) / 255
        table = self._scaled(levels)  # (256, C)
        for colour in range(COLOURS):
            np.take(table[:, colour], item[..., colour], out=clips[:, colour])
        return clips

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        clip = item[int(generator.integers(len(item)))]  # (T, H, W, C)
        frames, height, width, colours = clip.shape
        flat = clip.transpose(1, 2, 0, 3).reshape(1, height, width, frames * colours)  # frames shift together
        varied = vary_images(flat, generator, SHIFT, mirror=True)
        return self.encode(varied.reshape(height, width, frames, colours).transpose(2, 0, 1, 3)[None])

    @property
    def step_width(self) -> int:
        return 2 * SQUARES**2 * COLOURS

    def steps(self, items: Sequence[Any]) -> list[Floats]:
        """One step: the mean colour of each of 8 × 8 squares, and the mean size of its change from frame to frame."""
        found = []
        for item in items:
            squares = _squares(item)  # (K, T, 8, 8, C)
            change = np.abs(np.diff(squares, axis=1)).sum(1) / max(1, self.frames - 1)
            numbers = [one.reshape(len(item), -1).mean(0) for one in (squares.mean(1), change)]
            found.append(np.concatenate(numbers, dtype=np.float32)[None])
        return found


def _squares(item: Any) -> Floats:
    """Clips (K, T, H, W, C) -> the mean of each of 8 × 8 squares of their frames (K, T, 8, 8, C), from 0 to 1."""
    edges = [np.arange(SQUARES) * side // SQUARES for side in item.shape[2:4]]
    sums = np.add.reduceat(np.add.reduceat(item, edges[0], 2, np.float32), edges[1], 3)
    heights, widths = (np.diff(one, append=side) for one, side in zip(edges, item.shape[2:4], strict=True))
    means: Floats = (sums / (heights[:, None, None] * widths[:, None] * 255)).astype(np.float32)
    return means
