"""A note about arrays that are read as vectors, one step per row, but look like images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.modalities.image_arrays import SMALLEST
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.first_cells import first_cells

LEAST_SIDE = 8  # least height and width of an array without a channel axis that may be an image


def images_note(table: TableFile, inputs: Sequence[str]) -> str:
    """The note about a column of arrays with the shapes and values of images, and how to read them as images; ""
    for other columns."""
    if len(inputs) != 1:
        return ""
    cells = first_cells(table, inputs)[inputs[0]]
    arrays = [array for cell in cells if (array := _array(cell)) is not None]
    shapes = {array.shape for array in arrays}
    if not arrays or len(arrays) < len(cells) or len(shapes) > 1 or not _is_shape(arrays[0].shape):
        return ""
    values = np.stack(arrays)
    low, high, whole = values.min(), values.max(), bool((values == np.rint(values)).all())
    if low < 0 or high > 255:
        if values.ndim == 3:  # without a channel axis a series is as likely
            return ""
        cure = "save them as whole numbers from 0 to 255"
    elif high <= 1:
        cure = "save them as (255 * x).astype(numpy.uint8)"
    else:
        cure = "--input-type image" if whole else "save them as numpy.rint(x).astype(numpy.uint8)"
    sides = " x ".join(map(str, arrays[0].shape))
    return (
        f"{inputs[0]}: arrays of {sides} may be images, but each of their rows is read as a step; as images: {cure}"
    )


def _array(cell: Cell) -> NDArray[Any] | None:
    """A cell, an array or a nested list, as numbers; None for any other."""
    if not isinstance(cell, np.ndarray) and not (isinstance(cell, list) and cell and isinstance(cell[0], list)):
        return None
    try:
        array = np.asarray(cell)
    except ValueError:  # rows of several lengths
        return None
    return array if array.dtype.kind in "iuf" and np.isfinite(array).all() else None


def _is_shape(shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape may be images: with channels first or last, or square without channels."""
    if len(shape) == 2:
        return shape[0] == shape[1] >= LEAST_SIDE
    return len(shape) == 3 and any(
        channels in (1, 3) and min(sides) >= SMALLEST
        for channels, sides in ((shape[0], shape[1:]), (shape[2], shape[:2]))
    )
