"""Arrays as tables: the code shared by npz, npy and idx. The first axis is the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.written_numbers import is_rounded, may_be_rounded, rounding_note
from unrolled.data.tables.base import SURROGATES, Row, TableFile, surrogate_error
from unrolled.errors import DataError

AnyArray: TypeAlias = NDArray[Any]

MOST_BYTES = 8 << 30  # unpacked bytes of the arrays of one packed file


def check_array(path: object, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise DataError for an array whose values are neither numbers nor text, or whose shape has no rows."""
    if dtype.hasobject:
        raise DataError(
            f"{path}: '{name}' is an array of Python objects, which cannot be loaded without running code "
            f"in the file.\nSave numbers or text: {name}.astype(float), or {name}.astype(str)"
        )
    if dtype.kind not in "biufU":
        raise DataError(
            f"{path}: '{name}' is an array of {dtype}; numbers or text were expected.\n"
            f"Save numbers or text: {name}.astype(float), or {name}.astype(str)"
        )
    if not shape or (dtype.kind == "U" and prod(shape[1:]) > 1):
        what = f"an array of text of {len(shape)} axes" if shape else "a single value"
        raise DataError(f"{path}: '{name}' is {what}; an array with a row for each example was expected.")


def read_array_rows(
    table: TableFile, blocks: Iterable[Mapping[str, AnyArray]], columns: Sequence[str]
) -> Iterator[Row]:
    """Yield these columns of each row, numbered from 1: a plain value if the array has one per row, else an array.

    blocks: some rows of each array at a time.

    uint8 stays; other arrays of numbers become float32, or float64 where float32 loses digits. Raises DataError, with
    the row, for a number that is not finite, or that neither of them holds.
    """
    before = 0
    for block in blocks:
        chosen = [flat(block[name]) for name in columns]
        for place in range(min(map(len, chosen), default=0)):
            cells = []
            for name, array in zip(columns, chosen, strict=True):
                cell = plain_cell(array[place])
                check_cell(cell, array[place], table, before + place + 1, name)
                cells.append(cell)
            yield Row(before + place + 1, tuple(cells))
        before += max(map(len, block.values()), default=0)


def check_cell(cell: Cell, value: Any, table: TableFile, number: int, name: str) -> None:
    """Raise DataError for a cell that cannot be used. value: as the array holds it. number: of the row. A nan that
    stands alone is reported later, with the column's kind."""
    if isinstance(cell, str) and not cell.isascii() and SURROGATES.search(cell):
        raise surrogate_error(table.place(number), name)
    infinite = math.isinf(cell) if isinstance(cell, float) else False
    if isinstance(cell, np.ndarray) and cell.dtype != np.uint8:
        infinite = not np.isfinite(cell).all()
        if value.dtype.kind in "iu" and may_be_rounded(cell):
            _check_exact(value, f"{table.place(number)}: '{name}'")
    if infinite:
        raise DataError(
            f"{table.place(number)}: '{name}' holds a number that is not finite: nan or inf.\n"
            "Correct it, or leave the row out."
        )


def _check_exact(numbers: AnyArray, cell: str) -> None:
    """Raise DataError for a whole number that loses digits as a 64-bit float. cell: the row and column."""
    rounded = next((one for one in numbers.ravel().tolist() if is_rounded(one)), None)
    if rounded is not None:
        raise DataError(
            f"{cell} holds {rounding_note(rounded)}.\n"
            "Leave ids out. For amounts: subtract the same number from all, or divide them, before you save them."
        )


def flat(array: AnyArray) -> AnyArray:
    """Reshape (N, 1) to (N)."""
    return array.reshape(-1) if array.ndim > 1 and prod(array.shape[1:]) == 1 else array


def plain_scalar(value: Any) -> Cell:
    """A scalar of numpy as a plain value. A float of under 64 bits is the shortest decimal that gives it, as a csv
    has it: a float32 0.1 is 0.1, not 0.10000000149."""
    narrow = value.dtype.kind == "f" and value.dtype.itemsize < np.dtype(np.float64).itemsize
    plain: Cell = float(str(value)) if narrow else value.item()
    return None if plain == "" else plain


def plain_cell(value: Any) -> Cell:
    """A value of an array as a cell: a plain value, or an array of bytes or floats."""
    if np.ndim(value) == 0:
        return plain_scalar(value)
    if value.dtype == np.uint8:
        return np.asarray(value)
    return np.asarray(value, np.float32 if np.can_cast(value.dtype, np.float32) else np.float64)
