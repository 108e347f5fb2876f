"""Pictures for people: upright, small, in their own aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unrolled.data.media.images import (
    DEEPEST,
    WHITE,
    ImageArray,
    ImageSource,
    inspect_image,
    read_image,
    require_pillow,
)

ACROSS, GAP = 8, 2  # frames in a row of a film strip, and pixels between them

if TYPE_CHECKING:
    from PIL.Image import Image


def read_thumbnail(
    path: ImageSource, side: int, depth: tuple[int, int] = (0, DEEPEST), ground: int = WHITE
) -> ImageArray:
    """An image file as (height, width, 1 or 3) bytes, at most `side` pixels on its longer side, turned upright by its
    EXIF. depth, ground: as for `read_image`. Raises as `read_image`."""
    width, height, grey = inspect_image(path)
    height, width = fitting_size(height, width, side)
    return read_image(path, height, width, grey, depth, ground)


def fit_image(image: ImageArray, side: int) -> ImageArray:
    """An image (H, W, 1 or 3), reduced to at most `side` pixels on its longer side. A smaller one stays as it is.
    Raises MissingExtra without Pillow."""
    height, width = fitting_size(image.shape[0], image.shape[1], side)
    if (height, width) == image.shape[:2]:
        return image
    resampling = require_pillow().Resampling.BILINEAR
    return np.asarray(to_pillow(image).resize((width, height), resampling)).reshape(height, width, image.shape[2])


def fitting_size(height: int, width: int, side: int) -> tuple[int, int]:
    """(height, width) in the same ratio, with at most `side` pixels on the longer side; never larger than before."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def film_strip(frames: Sequence[ImageArray], side: int) -> ImageArray:
    """Frames (H, W, 3) of one size side by side, `ACROSS` in a row, each with `side` pixels on its longer side.
    Raises MissingExtra without Pillow."""
    height, width = frames[0].shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    across = min(len(frames), ACROSS)
    down = -(-len(frames) // across)
    made = require_pillow().new("RGB", (across * (size[0] + GAP) - GAP, down * (size[1] + GAP) - GAP), "white")
    for number, frame in enumerate(frames):
        place = (number % across) * (size[0] + GAP), (number // across) * (size[1] + GAP)
        made.paste(to_pillow(frame).resize(size, require_pillow().Resampling.BILINEAR), place)
    return np.asarray(made)


def to_pillow(image: ImageArray) -> Image:
    """An image (H, W, 1 or 3) as Pillow's. Raises MissingExtra."""
    made: Image = require_pillow().fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
    return made
