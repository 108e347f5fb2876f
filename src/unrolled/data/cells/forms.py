"""Check that the cells of a text column have one form: a list among texts, or a text among lists, is an error."""

from __future__ import annotations

import json
from collections.abc import Callable

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import Tally
from unrolled.data.cells.written_numbers import shortened
from unrolled.errors import DataError


class CellForms:
    """Counts of cells that are lists, that are true or false, and that are single texts or numbers."""

    def __init__(self) -> None:
        self.rows = 0
        self._lists, self._truths, self._texts = Tally(), Tally(), Tally()

    def add(self, cell: Cell) -> None:
        """Count the next row's cell."""
        if isinstance(cell, list):
            self._lists.see(self.rows, cell)
        else:
            (self._truths if isinstance(cell, bool) else self._texts).see(self.rows, cell)
        self.rows += 1

    def check(self, name: str, place: Callable[[int], str]) -> None:
        """Raise DataError for the first cell of another form than most. place: row -> its file and row number."""
        expected, odd = "a text", (self._lists, self._truths)
        if 2 * self._lists.count > self.rows:
            expected, odd = "a list", (self._truths, self._texts)
        elif 2 * self._truths.count > self.rows:
            expected, odd = "true or false", (self._lists, self._texts)
        found = min((one for one in odd if one.count), key=lambda one: one.row, default=None)
        if found is not None:
            written = shortened(json.dumps(found.cell, ensure_ascii=False, default=str))
            raise DataError(
                f"{place(found.row)}: '{name}' is {written}, where {expected} was expected, as in most rows.\n"
                "Correct it, or leave the row out; or read all cells as text: --input-type text"
            )
