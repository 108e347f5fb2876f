"""Advice for a cell that is not a number: what settles it in all columns of numbers, decided by all their cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from unrolled.data.cells.cell import Cell, InvalidCell
from unrolled.data.cells.written_numbers import PLAINLY, cure, decimal_marks, fitting_marks, is_missing, is_number
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema
from unrolled.data.modalities.numbers import OR_AS_TEXT, InvalidNumber, flatten
from unrolled.data.tables.base import SAMPLE_ROWS, TableFile
from unrolled.data.tables.columns import Columns, typed_columns
from unrolled.errors import DataError

LOOKED_CELLS = 1_000_000  # cells, about, that are read for the advice
MOST_NAMED = 3  # columns at fault that are named
LONGEST_OPTION = 1_200  # characters of the option that leaves columns out


class NumberColumn:
    """What is wrong in a column where numbers are expected. Numbers are checked with each decimal mark."""

    def __init__(self, name: str, skip_empty: bool) -> None:
        self.name, self._skip_empty = name, skip_empty
        self.marked = self.missing = self.other = 0  # cells that are no numbers: commas, nan and the like, others
        self.numbers = 0
        self.marks = decimal_marks(())

    def see(self, cell: Cell) -> None:
        """The next row's cell."""
        for one in flatten(cell):
            self._see(one)

    def _see(self, cell: Any) -> None:
        fitting = fitting_marks(cell) if isinstance(cell, str) else None
        if fitting is not None:
            self.marks &= fitting
        if cell is None or is_number(cell):
            self.numbers += cell is not None
        elif is_missing(cell):
            self.missing += not self._skip_empty
        elif fitting is not None:
            self.marked += 1
        else:
            self.other += 1

    @property
    def has_faults(self) -> bool:
        return self.marked + self.missing + self.other > 0


@contextmanager
def advice_for_numbers(
    table: TableFile, columns: Columns, options: DatasetOptions, known: DatasetSchema | None
) -> Iterator[None]:
    """Raise an error from within about a cell that is not a number with advice that settles the whole table, unless a
    run is given (`known`), whose options are fixed."""
    try:
        yield
    except InvalidNumber as fault:
        raise fault if known else explain_number(table, columns, fault, options.skip_empty) from None


def explain_number(table: TableFile, columns: Columns, fault: InvalidNumber, skip_empty: bool) -> DataError:
    """The error for a cell that is not a number: how many columns have such cells, and what settles all of them.
    skip_empty: rows without a number are left out anyway."""
    inputs = [NumberColumn(name, skip_empty) for name in columns.inputs]
    outputs = [NumberColumn(name, skip_empty) for name in columns.outputs]
    _look(table, [*inputs, *outputs])
    at_fault = next((one for one in inputs if one.name == fault.column), inputs[0])
    if not at_fault.has_faults:  # it is further below
        at_fault.see(fault.cell)
    faulty = [one for one in inputs if one.has_faults]
    deciding = [*faulty, *(one for one in outputs if one.marked and one.numbers + one.marked > one.other)]
    marks = frozenset.intersection(*(one.marks for one in deciding if one.marked or one is at_fault))
    advice = _advise(faulty, fault.cell, marks if table.takes_decimal else frozenset())
    if len(inputs) == 1:
        return InvalidCell(fault.said, f"{advice}\n{OR_AS_TEXT}")
    return InvalidCell(f"{fault.said}{_counted(faulty, len(inputs))}", f"{advice}{_leave_out(columns, faulty)}")


def _look(table: TableFile, columns: Sequence[NumberColumn]) -> None:
    """Let columns see their cells as they are written, as far as they can be read."""
    most = max(SAMPLE_ROWS, LOOKED_CELLS // len(columns))
    with suppress(DataError):
        for row in islice(table.as_written().rows([one.name for one in columns]), most):
            for column, cell in zip(columns, row.cells, strict=True):
                column.see(cell)


def _counted(faulty: Sequence[NumberColumn], count: int) -> str:
    """How many of the columns have such cells; "" for a single one."""
    if len(faulty) < 2:
        return ""
    named = ", ".join(one.name for one in faulty[:MOST_NAMED]) + (", …" if len(faulty) > MOST_NAMED else "")
    return f" {len(faulty):,} of {count:,} columns have such cells: {named}"


def _advise(faulty: Sequence[NumberColumn], cell: Any, marks: frozenset[str]) -> str:
    """How cells that are not numbers can be read in all of the columns."""
    marked, missing = any(one.marked for one in faulty), any(one.missing for one in faulty)
    if any(one.other for one in faulty):
        return cure(cell, marks=marks)
    if marked and missing and marks:
        options = " or ".join(f"--decimal {mark} --skip-empty" for mark in sorted(marks))
        return f"To read the commas, and to leave rows without a number out: {options}"
    if marked and missing:
        return f"{PLAINLY} Leave rows without a number out with --skip-empty."
    return cure(cell, marks=marks)


def _leave_out(columns: Columns, faulty: Sequence[NumberColumn]) -> str:
    """The line about leaving these columns out; "" if no others remain."""
    left = {one.name for one in faulty}
    kept = [name for name in columns.inputs if name not in left]
    if not kept:
        return ""
    what = "the column" if len(left) == 1 else "these columns"
    options = typed_columns(kept, columns.outputs)
    if len(options) > LONGEST_OPTION or any("," in name for name in kept):
        options = "name the others with --input"
    return f"\nOr leave {what} out: {options}"
