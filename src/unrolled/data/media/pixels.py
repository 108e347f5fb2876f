"""Images as arrays: as steps for a memory, and varied at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media.images import ImageArray


def image_rows(image: ImageArray) -> NDArray[np.float32]:
    """An image (H, W, C) or (H, W) as one step per row, from the top: (H, W * C), between 0 and 1."""
    return np.asarray(image.reshape(len(image), -1) / 255, np.float32)


def patches_of(image: ImageArray, side: int) -> NDArray[np.float32]:
    """An image (H, W, C) or (H, W) as patches, left to right, then down: (patches, side * side * C), between 0 and 1.

    There are ⌈H / side⌉ * ⌈W / side⌉ patches; the lower and right edges are padded with zeros where needed.
    """
    height, width = image.shape[:2]
    whole = image.reshape(height, width, -1)
    whole = np.pad(whole, ((0, -height % side), (0, -width % side), (0, 0)))
    down, across, channels = whole.shape[0] // side, whole.shape[1] // side, whole.shape[2]
    patches = whole.reshape(down, side, across, side, channels).swapaxes(1, 2)
    return np.asarray(patches.reshape(down * across, side * side * channels) / 255, np.float32)


def shift_image(image: ImageArray, generator: np.random.Generator, share: float = 0.07) -> ImageArray:
    """An image (H, W, C) or (H, W), shifted at random by up to `share` of each side, in whole pixels; the edge pixels
    fill the gap. Augmentation for training."""
    for axis in (0, 1):
        most = round(share * image.shape[axis])
        shift = int(generator.integers(-most, most + 1))
        places = np.clip(np.arange(image.shape[axis]) - shift, 0, image.shape[axis] - 1)
        image = image.take(places, axis)
    return image


def vary_images(images: ImageArray, generator: np.random.Generator, share: float, mirror: bool) -> ImageArray:
    """Images (B, H, W, C), each shifted as by `shift_image`, and with `mirror` half of them mirrored."""
    count, *sides = images.shape[:3]
    places = list[NDArray[np.int64]]()  # (B, H) and (B, W): the row and the column from which each pixel is taken
    for side in sides:
        most = round(share * side)
        shifts: NDArray[np.int64] = generator.integers(-most, most + 1, (count, 1))
        places.append(np.clip(np.arange(side) - shifts, 0, side - 1))
    rows, columns = places
    if mirror:
        columns = np.where(generator.integers(2, size=(count, 1)) == 1, columns[:, ::-1], columns)
    varied: ImageArray = images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return varied
