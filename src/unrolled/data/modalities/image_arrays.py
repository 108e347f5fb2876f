"""Arrays that are images: which they are, and as (height, width, channels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

SMALLEST = 5  # least height and width of an image with channels first; more than the number of channels


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array has the shape of an image with channels first: (1 or 3, H, W)."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def are_images(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether arrays are images: bytes of shape (H, W), (H, W, C) or (C, H, W)."""
    return all(
        one.dtype == np.uint8
        and (one.ndim == 2 or (one.ndim == 3 and (one.shape[2] in (1, 3) or has_channels_first(one.shape))))
        for one in arrays
    )


def as_image(cell: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """An array as an image (height, width, channels) of bytes. Raises DataError."""
    image = cell[..., None] if cell.ndim == 2 else cell
    if has_channels_first(image.shape):
        image = np.moveaxis(image, 0, 2)
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise DataError(f"{place}: an array of shape {cell.shape}; an image has height, width and 1 or 3 channels.")
    if image.dtype != np.uint8 and not np.array_equal(image, np.clip(np.rint(image), 0, 255)):
        raise DataError(
            f"{place}: numbers that are not bytes; an image has whole numbers from 0 to 255.\n"
            "Save them as (255 * x).astype(numpy.uint8)"
        )
    return image.astype(np.uint8)
