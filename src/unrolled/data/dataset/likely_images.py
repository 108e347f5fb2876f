"""A note about arrays that are read as vectors, one step per row, but look like images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unrolled.data.media.images import DEEPEST
from unrolled.data.modalities.image_arrays import SMALLEST, numbers_of
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.first_cells import first_cells

COLOURS_OR_ALPHA = (1, 3, 4)  # channels; the last of four is alpha, or something else: then its values are no alpha's
LEAST_SIDE = 8  # least height and width of an array without a channel axis that may be an image


def images_note(table: TableFile, inputs: Sequence[str]) -> str:
    """The note about a column of arrays with the shapes and values of images, and how to read them as images; ""
    for other columns."""
    if len(inputs) != 1:
        return ""
    cells = first_cells(table, inputs)[inputs[0]]
    arrays = [array for cell in cells if (array := numbers_of(cell)) is not None]
    shapes = {array.shape for array in arrays}
    if not arrays or len(arrays) < len(cells) or len(shapes) > 1 or not _is_shape(arrays[0].shape):
        return ""
    values = np.stack(arrays)
    low, high = values.min(), values.max()
    if (low < 0 or high > 255) and values.ndim == 3:  # without a channel axis a series is as likely
        return ""
    cure = "save them as whole numbers from 0 to 255" if low < 0 or high > DEEPEST else "--input-type image"
    sides = " x ".join(map(str, arrays[0].shape))
    return (
        f"{inputs[0]}: arrays of {sides} may be images, but each of their rows is read as a step; as images: {cure}"
    )


def _is_shape(shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape may be images: with channels first or last, or square without channels."""
    if len(shape) == 2:
        return shape[0] == shape[1] >= LEAST_SIDE
    return len(shape) == 3 and any(
        channels in COLOURS_OR_ALPHA and min(sides) >= SMALLEST
        for channels, sides in ((shape[0], shape[1:]), (shape[2], shape[:2]))
    )
