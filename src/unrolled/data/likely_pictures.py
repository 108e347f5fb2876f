"""Arrays that are read as vectors, a row of each a step, and look like pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.first_cells import first_cells
from unrolled.data.inputs import SMALLEST
from unrolled.data.table_file import Cell, TableFile

LEAST_SIDE = 8  # rows, and columns, of an array without colours from which it may be a picture


def say_pictures(table: TableFile, inputs: Sequence[str]) -> str:
    """What to say of a column of arrays whose shapes and values are those of pictures, and how these are had as such;
    "" for any other."""
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
        if values.ndim == 3:  # without colours: a series, as likely
            return ""
        cure = "save them as whole numbers from 0 to 255"
    elif high <= 1:
        cure = "save them as (255 * x).astype(numpy.uint8)"
    else:
        cure = "--read picture" if whole else "save them as numpy.rint(x).astype(numpy.uint8)"
    sides = " x ".join(map(str, arrays[0].shape))
    return (
        f"{inputs[0]}: arrays of {sides} may be pictures, and each row of one is read as a step; as pictures: {cure}"
    )


def _array(cell: Cell) -> NDArray[Any] | None:
    """A cell, an array or lists within a list, as numbers; None for another."""
    if not isinstance(cell, np.ndarray) and not (isinstance(cell, list) and cell and isinstance(cell[0], list)):
        return None
    try:
        array = np.asarray(cell)
    except ValueError:  # rows of several lengths
        return None
    return array if array.dtype.kind in "iuf" and np.isfinite(array).all() else None


def _is_shape(shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape are as high and wide as pictures: with colours first or last, or square."""
    if len(shape) == 2:
        return shape[0] == shape[1] >= LEAST_SIDE
    return len(shape) == 3 and any(
        colours in (1, 3) and min(sides) >= SMALLEST
        for colours, sides in ((shape[0], shape[1:]), (shape[2], shape[:2]))
    )
