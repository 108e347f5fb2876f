"""Arrays as tables: what npz, npy and idx share. The first axis is the row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.table_file import HALVES, Cell, Row, TableFile, half_a_character
from unrolled.data.written_numbers import is_rounded, may_be_rounded, say_rounded
from unrolled.errors import DataError

AnyArray: TypeAlias = NDArray[Any]

MOST_BYTES = 8 << 30  # of the arrays of one packed file, unpacked


def check_array(path: object, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raises DataError for an array whose values are neither numbers nor text, or that has no rows by its shape."""
    if dtype.hasobject:
        raise DataError(
            f"{path}: '{name}' is an array of Python objects, which cannot be loaded without running what "
            f"the file says.\nSave numbers or text: {name}.astype(float), or {name}.astype(str)"
        )
    if dtype.kind not in "biufU":
        raise DataError(
            f"{path}: '{name}' is an array of {dtype}; numbers or text were expected.\n"
            f"Save numbers or text: {name}.astype(float), or {name}.astype(str)"
        )
    if not shape or (dtype.kind == "U" and prod(shape[1:]) > 1):
        what = f"an array of text of {len(shape)} axes" if shape else "a single value"
        raise DataError(f"{path}: '{name}' is {what}; an array with a row for each example was expected.")


def read_rows(table: TableFile, blocks: Iterable[Mapping[str, AnyArray]], columns: Sequence[str]) -> Iterator[Row]:
    """These columns of each row, numbered from 1: a plain value of an array with one a row, else an array.

    blocks: some rows of each array at a time.

    uint8 stays; all other numbers of more axes become float32, or float64 where that does not hold them. Raises
    DataError, with the row, for a number that is not finite, or that these do not hold.
    """
    before = 0
    for block in blocks:
        chosen = [flat(block[name]) for name in columns]
        for place in range(min(map(len, chosen), default=0)):
            cells = []
            for name, array in zip(columns, chosen, strict=True):
                cell = _cell(array[place])
                alone = isinstance(cell, float) and not math.isinf(cell)  # nan: is told of with the column's kind
                if (
                    isinstance(cell, np.ndarray | float)
                    and not alone
                    and array.dtype != np.uint8
                    and not np.isfinite(cell).all()
                ):
                    raise DataError(
                        f"{table.place(before + place + 1)}: '{name}' holds a number that is not finite: nan or "
                        "inf.\nMend it, or leave the row out."
                    )
                if isinstance(cell, np.ndarray) and array.dtype.kind in "iu" and may_be_rounded(cell):
                    _check_exact(array[place], f"{table.place(before + place + 1)}: '{name}'")
                if isinstance(cell, str) and not cell.isascii() and HALVES.search(cell):
                    raise half_a_character(table.place(before + place + 1), name)
                cells.append(cell)
            yield Row(before + place + 1, tuple(cells))
        before += max(map(len, block.values()), default=0)


def _check_exact(numbers: AnyArray, said: str) -> None:
    """Raises DataError for a whole number that loses digits as a float of 64 bits."""
    rounded = next((one for one in numbers.ravel().tolist() if is_rounded(one)), None)
    if rounded is not None:
        raise DataError(
            f"{said} holds {say_rounded(rounded)}.\n"
            "Leave ids out. Of amounts, subtract the same from all of them, or divide them, before they are saved."
        )


def flat(array: AnyArray) -> AnyArray:
    """An array of shape (N, 1) as (N)."""
    return array.reshape(-1) if array.ndim > 1 and prod(array.shape[1:]) == 1 else array


def _cell(value: Any) -> Cell:
    if np.ndim(value) == 0:
        plain: Cell = value.item()
        return None if plain == "" else plain
    if value.dtype == np.uint8:
        return np.asarray(value)
    return np.asarray(value, np.float32 if np.can_cast(value.dtype, np.float32) else np.float64)
