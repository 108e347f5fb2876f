"""Cells as numbers, with an error for each fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell, InvalidCell
from unrolled.data.cells.written_numbers import (
    cure,
    is_missing,
    is_number,
    is_rounded,
    may_be_rounded,
    rounding_note,
    shortened,
)
from unrolled.errors import DataError

OR_AS_TEXT = "Or read the column as text: --input-type text."
LEFT_OUT = "Or leave the column out: name the others with --input."


class InvalidNumber(InvalidCell):
    """A cell that is not a number where numbers are expected. column: its name, if there are several."""

    def __init__(self, place: str, cell: Any, column: str = "") -> None:
        self.cell, self.column = cell, column
        self.said = f"{_where(place, column)}: '{shortened(cell)}' where numbers were expected."
        super().__init__(self.said, f"{cure(cell)} {_instead(column)}", cure(cell, by_run=True))


class MissingNumber(InvalidNumber):
    """A cell with a marker for a missing number (nan, n/a); `--skip-empty` leaves its row out."""


def _where(place: str, column: str) -> str:
    return f"{place}, column '{column}'" if column else place


def _instead(column: str) -> str:
    """The alternative to correcting a cell."""
    return LEFT_OUT if column else OR_AS_TEXT


def as_numbers(cells: Sequence[Cell], place: str, names: tuple[str, ...]) -> list[NDArray[np.floating[Any]]]:
    """Each cell as numbers, by `_numbers`. Raises DataError; for several columns it names the one at fault."""
    columns = names if len(cells) > 1 and len(names) == len(cells) else [""] * len(cells)
    return [_numbers(cell, place, column) for cell, column in zip(cells, columns, strict=True)]


def _numbers(cell: Cell, place: str, column: str) -> NDArray[np.floating[Any]]:
    """A cell as numbers: one of shape (), or a list or an array (T,) or (T, …). Raises DataError."""
    if isinstance(cell, str | float | int) and not isinstance(cell, bool) and not is_number(cell):
        raise no_number(place, cell, column)
    try:
        small = isinstance(cell, np.ndarray) and np.can_cast(cell.dtype, np.float32)
        found: NDArray[np.floating[Any]] = np.asarray(cell, np.float32 if small else np.float64)
    except (ValueError, TypeError, OverflowError):
        wrong = [one for one in flatten(cell) if not is_number(one)]
        if wrong:
            raise no_number(place, wrong[0], column) from None
        raise InvalidCell(
            f"{_where(place, column)}: '{shortened(cell)}' where numbers were expected, the same count in each step.",
            f"Correct it. {_instead(column)}",
            "Correct it.",
        ) from None
    where = _where(place, column)
    if found.dtype == np.float64 and not isinstance(cell, np.ndarray) and may_be_rounded(found):
        _check_exact(cell, where)
    if not found.size:
        raise DataError(f"{where}: an empty list; a row needs at least one step. Correct it, or leave the row out.")
    if np.isinf(found).any():
        raise InvalidCell(f"{where}: a number that is not finite. Correct it, or leave the row out.")
    if np.isnan(found).any():
        raise MissingNumber(place, math.nan, column)
    return found


def _check_exact(cell: Cell, where: str) -> None:
    """Raises DataError for an integer that loses digits as a float."""
    rounded = next((one for one in flatten(cell) if is_rounded(one)), None)
    if rounded is not None:
        raise InvalidCell(
            f"{where}: {rounding_note(rounded)}.",
            "If it is an id, leave the column out, or read it as a category: --input-type category.\n"
            "If it is an amount, subtract a constant from the whole column, or divide the column by one, first.",
            "Subtract or divide as was done for the data that the run was trained on.",
        )


def no_number(place: str, cell: Any, column: str = "") -> InvalidNumber:
    """The error for a cell that is not a number."""
    return (MissingNumber if is_missing(cell) else InvalidNumber)(place, cell, column)


def flatten(cell: Any) -> list[Any]:
    """The entries of nested lists, in order."""
    found, waiting = [], [cell]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        else:
            found.append(entry)
    return found
