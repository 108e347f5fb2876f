"""A table with one row per step: consecutive rows with the same value in a column become one row of lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self

from unrolled.data.cells.cell import Cell
from unrolled.data.tables.base import DerivedTable, Row, TableFile
from unrolled.data.tables.columns import fill_down
from unrolled.errors import DataError


class SequenceTable(DerivedTable):
    """One row per sequence of a table. A column that is constant within every sequence gives a single cell, any other
    a list with one entry per step. The rows of a sequence must be consecutive, in step order. Made by `gather`."""

    format = "sequences"

    def __init__(self, table: TableFile, sequence: str, fixed: frozenset[str]) -> None:
        super().__init__(table.path, table.columns)
        self.table, self.sequence, self.fixed = table, sequence, fixed
        self.skipped, self.note = table.skipped, table.note
        self.label_column, self.takes_decimal = table.label_column, table.takes_decimal

    @classmethod
    def open(cls, path: Path) -> Self:
        raise DataError(f"{path}: no column says which sequence a row belongs to. Name one: --sequence COLUMN.")

    def as_written(self) -> TableFile:
        return SequenceTable(self.table.as_written(), self.sequence, self.fixed)

    @classmethod
    def gather(cls, table: TableFile, sequence: str, outputs: Sequence[str]) -> SequenceTable:
        """Read the table once, to find which of the `outputs` are constant within each sequence.

        Raises DataError where a sequence begins a second time.
        """
        varying: set[str] = set()
        seen: set[str] = set()
        last: tuple[Cell, ...] = ()
        for row in table.rows([sequence, *outputs]):
            if row.cells[0] is None:
                raise DataError(
                    f"{table.place(row.number)}: '{sequence}' is empty: the step has no sequence. Fill it in.\n"
                    f"{fill_down(sequence)}"
                )
            if not last or row.cells[0] != last[0]:
                if str(row.cells[0]) in seen:
                    raise DataError(
                        f"{table.place(row.number)}: '{sequence}' {row.cells[0]} begins again here. The rows of a "
                        "sequence must be consecutive, in step order;\nsort the table."
                    )
                seen.add(str(row.cells[0]))
            else:
                varying |= {name for name, a, b in zip(outputs, last[1:], row.cells[1:], strict=True) if a != b}
            last = row.cells
        return cls(table, sequence, frozenset(outputs) - varying)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for _, steps in groupby(self.table.rows([self.sequence, *columns]), key=lambda row: row.cells[0]):
            rows = list(steps)
            columns_of_cells = list(zip(*(row.cells for row in rows), strict=True))[1:]
            cells = [self._cell(name, found) for name, found in zip(columns, columns_of_cells, strict=True)]
            yield Row(rows[0].number, tuple(cells))

    def _cell(self, name: str, cells: tuple[Cell, ...]) -> Cell:
        """The cell of a sequence, from those of its steps; None if one of them is missing."""
        if any(cell is None for cell in cells):
            return None
        return cells[0] if name in self.fixed else list(cells)
