"""Cells that name or hold image files, and the size at which images are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.media.images import EncodedImage, ImageSource, inspect_image
from unrolled.data.modalities.base import WholeImages
from unrolled.data.modalities.files import path_of
from unrolled.data.modalities.image_arrays import is_image_file, shape_of
from unrolled.errors import MediaError

LARGEST = 64  # height and width of an image, at most
SPREAD = 100  # files of a table, spread evenly, from which bit depth and background are measured

T = TypeVar("T")


def is_array(cell: Cell) -> bool:
    """Whether a cell holds pixels: an array or a nested list, but not the bytes of an image file."""
    return isinstance(cell, list | np.ndarray) and not is_image_file(cell)


def image_file(cell: Cell, place: str) -> ImageSource:
    """The image file that a cell names or holds. Raises MediaError if there is no file of its name."""
    return EncodedImage(place, cell.tobytes()) if isinstance(cell, np.ndarray) else path_of(cell, place)


def measure_size(cells: Sequence[Cell], path: str, whole: WholeImages | None) -> tuple[int, int, bool]:
    """(height, width, grey) of images; grey if all of them are. The size of arrays is theirs. Files get the median
    size, at most 64 on a side; or, for a net that reads them whole, a square of at most the size for which the net
    was made."""
    sizes, grey = [], whole is None or whole.scaling is None
    for cell in cells:
        if is_array(cell):
            *size, channels = shape_of(cell, path)
            sizes.append(tuple(size))
            grey &= channels == 1
            continue
        with suppress(MediaError):
            width, height, without_colour = inspect_image(image_file(cell, path))
            sizes.append((height, width))
            grey &= without_colour
    if not sizes:
        return LARGEST, LARGEST, False
    high, wide = (float(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    if is_array(cells[0]):
        return round(high), round(wide), bool(grey)
    if whole is not None:
        side = min(whole.size, max(1, round(max(high, wide))))
        return side, side, bool(grey)
    if (scale := LARGEST / max(high, wide)) < 1:
        high, wide = high * scale, wide * scale
    return max(1, round(high)), max(1, round(wide)), bool(grey)


def spread_evenly(entries: Iterable[T]) -> list[T]:
    """Some of these entries, spread evenly: SPREAD / 2 to SPREAD, or all of them if there are fewer."""
    kept, every = list[T](), 1
    for number, entry in enumerate(entries):
        if number % every == 0:
            kept.append(entry)
        if len(kept) == SPREAD:
            kept, every = kept[::2], 2 * every
    return kept
