"""Cells as numbers, with an error for each fault."""

from __future__ import annotations

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
from unrolled.errors import DataError, shell_quote

OR_AS_TEXT = "Or read the column as text: --input-type text."
MOST_LISTED = 20  # columns listed at most in a suggested --input option


class MissingNumber(InvalidCell):
    """A cell with a marker for a missing number (nan, n/a); `--skip-empty` leaves its row out."""


def as_numbers(cells: Sequence[Cell], place: str, names: tuple[str, ...]) -> list[NDArray[np.floating[Any]]]:
    """Each cell as numbers, by `_numbers`. Raises DataError; for several columns it names the one at fault."""
    if len(cells) < 2 or len(names) != len(cells):
        return [_numbers(cell, place) for cell in cells]
    found, listed = [], len(names) <= MOST_LISTED and not any("," in name for name in names)
    for at, cell in enumerate(cells):
        others = ",".join(names[:at] + names[at + 1 :]) if listed else ""
        option = f"--input {shell_quote(others)}" if others else "name the others with --input"
        found.append(_numbers(cell, f"{place}, column '{names[at]}'", f"Or leave the column out: {option}"))
    return found


def _numbers(cell: Cell, place: str, instead: str = OR_AS_TEXT) -> NDArray[np.floating[Any]]:
    """A cell as numbers: one of shape (), or a list or an array (T,) or (T, …). instead: the alternative that the
    error suggests, with its option. Raises DataError."""
    if isinstance(cell, str | float | int) and not isinstance(cell, bool) and not is_number(cell):
        raise no_number(place, cell, instead)
    try:
        small = isinstance(cell, np.ndarray) and np.can_cast(cell.dtype, np.float32)
        found: NDArray[np.floating[Any]] = np.asarray(cell, np.float32 if small else np.float64)
    except (ValueError, TypeError, OverflowError):
        flat = [one for one in flatten(cell) if not is_number(one)]
        if flat:
            raise no_number(place, flat[0], instead) from None
        raise InvalidCell(
            f"{place}: '{shortened(cell)}' where numbers were expected, the same count in each step.",
            f"Correct it. {instead}",
            "Correct it.",
        ) from None
    if found.dtype == np.float64 and not isinstance(cell, np.ndarray) and may_be_rounded(found):
        _check_exact(cell, place)
    if not found.size:
        raise DataError(f"{place}: an empty list; a row needs at least one step. Correct it, or leave the row out.")
    if not np.isfinite(found).all():
        fault = MissingNumber if not np.isinf(found).any() else InvalidCell
        raise fault(
            f"{place}: a number that is not finite. Correct it, or leave the row out (for nan: --skip-empty)."
        )
    return found


def _check_exact(cell: Cell, place: str) -> None:
    """Raises DataError for an integer that loses digits as a float."""
    rounded = next((one for one in flatten(cell) if is_rounded(one)), None)
    if rounded is not None:
        raise InvalidCell(
            f"{place}: {rounding_note(rounded)}.",
            "If it is an id, leave the column out, or read it as a category: --input-type category.\n"
            "If it is an amount, subtract a constant from the whole column, or divide the column by one, first.",
            "Subtract or divide as was done for the data that the run was trained on.",
        )


def no_number(place: str, cell: Any, instead: str) -> InvalidCell:
    fault = MissingNumber if is_missing(cell) else InvalidCell
    return fault(
        f"{place}: '{shortened(cell)}' where numbers were expected.",
        f"{cure(cell)} {instead}",
        cure(cell, by_run=True),
    )


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
