"""Arrays and nested lists that are images: which they are, and as (height, width, channels) of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.media.images import DEEPEST, WHITE, background_of, is_encoded_image
from unrolled.errors import DataError

SMALLEST = 5  # least height and width of an image with channels first; more than the number of channels
COLOURS = (1, 3)  # channels of an image: grey, or red, green and blue
LONGEST_SIGNATURE = 12  # bytes
GREY_ALPHA = 2
TRANSPARENT = (GREY_ALPHA, 4)  # with an alpha channel after them
LEAST_SHARP = 0.5  # share of an alpha channel's values that are 0 or all: fewer are another kind of channel
BYTES = (0, DEEPEST)  # the depth of arrays of bytes, as they are
SLACK = 0.01  # share of the range by which a number may be outside of it, by rounding


def has_channels_first(shape: tuple[int, ...], channels: Sequence[int] = COLOURS) -> bool:
    """Whether an array has the shape of an image with channels first: (C, H, W). channels: the numbers that C may
    be."""
    return len(shape) == 3 and shape[0] in channels and min(shape[1:]) >= SMALLEST


def are_images(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether arrays are images: bytes of shape (H, W), (H, W, C) or (C, H, W), C = 1, 3 or 4. The last of four
    channels must look like alpha; it may be infrared, say. Or the bytes of image files."""
    if all(map(is_image_file, arrays)):
        return True
    images = [_channels_last(one) if one.dtype == np.uint8 else None for one in arrays]
    return all(one is not None and one.shape[2] != GREY_ALPHA for one in images) and _have_alpha(arrays)


def is_image_file(cell: Cell) -> bool:
    """Whether a cell holds the bytes of an image file."""
    if not isinstance(cell, np.ndarray) or cell.ndim != 1 or cell.dtype != np.uint8:
        return False
    return is_encoded_image(cell[:LONGEST_SIGNATURE].tobytes())


def could_be_images(cells: Sequence[Cell]) -> bool:
    """Whether cells, arrays or nested lists of numbers, could be images for someone who asked for images."""
    arrays = [array for cell in cells if (array := numbers_of(cell)) is not None]
    return len(arrays) == len(cells) > 0 and all(_is_shape(one.shape) for one in arrays) and _have_alpha(arrays)


def numbers_of(cell: Cell) -> NDArray[Any] | None:
    """A cell, an array or a nested list, as an array of finite numbers; None for any other."""
    if not isinstance(cell, np.ndarray) and not (isinstance(cell, list) and cell and isinstance(cell[0], list)):
        return None
    try:
        array = np.asarray(cell)
    except ValueError:  # rows of several lengths
        return None
    return array if array.dtype.kind in "biuf" and np.isfinite(array).all() else None


def measure_arrays(arrays: Sequence[NDArray[Any]]) -> tuple[tuple[int, int], int]:
    """(least and greatest value of images, background for transparent images), as `as_image` takes them.

    Whole numbers up to 255 are bytes. Other numbers up to 1 or 255 go from 0 to that. The range of larger ones is
    that of their values, as of 16-bit files.
    """
    low, high = min(float(one.min()) for one in arrays), max(float(one.max()) for one in arrays)
    whole = all(one.dtype == np.uint8 or bool((one == np.rint(one)).all()) for one in arrays)
    if all(one.dtype == np.uint8 for one in arrays) or low < 0 or (whole and 1 < high <= WHITE):
        depth = BYTES
    elif high <= WHITE:
        depth = (0, 1 if high <= 1 else WHITE)
    else:
        depth = (int(low), min(int(np.ceil(high)), DEEPEST - 1))  # not all 16 bits, which would be BYTES
    bright = list[float]()
    for one in arrays:
        image = _channels_last(one)
        if image is not None and image.shape[2] in TRANSPARENT:
            alpha = _scaled(image[..., -1], depth).astype(np.float64)
            light = _scaled(image[..., :-1], depth).mean(2)
            if alpha.any() and not alpha.all():
                bright.append(float((light * alpha).sum() / alpha.sum()))
    return depth, background_of(bright)


def as_image(cell: Cell, place: str, depth: tuple[int, int] = BYTES, ground: int = WHITE) -> NDArray[np.uint8]:
    """An array or nested list as an image (height, width, 1 or 3 channels) of bytes, transparent pixels laid on
    `ground`. The values of `depth` become 0 to 255. Raises DataError."""
    image = _image_of(cell, place)
    levels = _levels(image, place, depth)
    if image.shape[2] in COLOURS:
        return levels
    alpha = levels[..., -1:].astype(np.float32) / WHITE
    laid: NDArray[np.uint8] = np.rint(levels[..., :-1] * alpha + ground * (1 - alpha)).astype(np.uint8)
    return laid


def shape_of(cell: Cell, place: str) -> tuple[int, int, int]:
    """(height, width, 1 or 3 channels) of the image that `as_image` makes. Raises DataError."""
    height, width, channels = _image_of(cell, place).shape
    return height, width, channels - (channels in TRANSPARENT)


def _image_of(cell: Cell, place: str) -> NDArray[Any]:
    """The numbers of an array or nested list as (H, W, C), with any alpha channel. Raises DataError."""
    numbers = numbers_of(cell)
    image = None if numbers is None else _channels_last(numbers)
    if image is None:
        what = "a list" if isinstance(cell, list) else "an array"
        if _holds_nan(cell):
            raise DataError(
                f"{place}: {what} with a number that is not finite: nan or inf.\nCorrect it, or leave the row out."
            )
        shape = "that is no rectangle of numbers" if numbers is None else f"of shape {numbers.shape}"
        raise DataError(f"{place}: {what} {shape}; an image has height, width and 1 to 4 channels.")
    return image


def _holds_nan(cell: Cell) -> bool:
    """Whether a cell is an array, or a nested list, of floats that are not all finite."""
    try:
        array = np.asarray(cell)
    except ValueError:  # rows of several lengths
        return False
    return array.dtype.kind == "f" and not np.isfinite(array).all()


def shares_as_bytes(cell: Cell) -> Cell:
    """An image of numbers from 0 to 1, not all of them whole, as bytes; any other cell as it is."""
    numbers = numbers_of(cell)
    if numbers is None or numbers.dtype.kind != "f" or not numbers.size or numbers.min() < 0 or numbers.max() > 1:
        return cell
    return cell if (numbers == np.rint(numbers)).all() else _scaled(numbers, (0, 1))


def _levels(image: NDArray[Any], place: str, depth: tuple[int, int]) -> NDArray[np.uint8]:
    if depth == BYTES or image.dtype == np.uint8:
        if image.dtype != np.uint8 and not np.array_equal(image, np.clip(np.rint(image), 0, 255)):
            raise DataError(
                f"{place}: numbers that are not bytes; an image has whole numbers from 0 to 255.\n"
                "Save them as (255 * x).astype(numpy.uint8), where x is from 0 to 1."
            )
        return image.astype(np.uint8)
    low, high = depth
    outside = max(low - float(image.min()), float(image.max()) - high)
    if high <= WHITE and outside > SLACK * high:
        raise DataError(
            f"{place}: an image with numbers from {image.min():g} to {image.max():g}; in other rows they are from 0 "
            f"to {high}.\nSave all images with the same range."
        )
    return _scaled(image, depth)


def _scaled(image: NDArray[Any], depth: tuple[int, int]) -> NDArray[np.uint8]:
    """The values of `depth` as 0 to 255; bytes as they are."""
    if image.dtype == np.uint8 or depth == BYTES:
        same: NDArray[np.uint8] = np.clip(image, 0, WHITE).astype(np.uint8)
        return same
    low, high = depth
    scaled: NDArray[np.float64] = np.rint((image.astype(np.float64) - low) * (255 / (high - low)))
    bounded: NDArray[np.uint8] = np.clip(scaled, 0, WHITE).astype(np.uint8)
    return bounded


def _channels_last(array: NDArray[Any]) -> NDArray[Any] | None:
    """An array of an image as (H, W, C); None if it has another shape."""
    if not _is_shape(array.shape) or not array.size:
        return None
    if array.ndim == 2:
        return array[..., None]
    first = has_channels_first(array.shape) or (array.shape[2] not in COLOURS and _has_alpha_first(array.shape))
    return np.moveaxis(array, 0, 2) if first else array


def _has_alpha_first(shape: tuple[int, ...]) -> bool:
    return has_channels_first(shape, TRANSPARENT) and shape[2] not in TRANSPARENT


def _is_shape(shape: tuple[int, ...]) -> bool:
    if len(shape) == 2:
        return True
    last = len(shape) == 3 and shape[2] in COLOURS + TRANSPARENT
    return last or has_channels_first(shape, COLOURS + TRANSPARENT)


def _have_alpha(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether the last of two or four channels looks like alpha: most values are 0 or the largest, and some are
    visible."""
    images = [image for one in arrays if (image := _channels_last(one)) is not None]
    last = [image[..., -1] for image in images if image.shape[2] in TRANSPARENT]
    if not last:
        return True
    most = max(float(one.max()) for one in arrays)
    sharp = sum(int(((alpha == 0) | (alpha == most)).sum()) for alpha in last)
    return any(alpha.any() for alpha in last) and sharp >= LEAST_SHARP * sum(alpha.size for alpha in last)
