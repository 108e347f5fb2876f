"""Tables whose rows are parts of videos: a column of files beside columns of start and end times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.times import seconds_of
from unrolled.data.cells.written_numbers import shortened
from unrolled.data.media.clips import Clip
from unrolled.data.media.video import VIDEO_ENDINGS
from unrolled.data.tables.base import DerivedTable, Row, TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.first_cells import first_cells
from unrolled.errors import DataError

STARTS = ("start", "begin", "time_start", "start_time", "start_timestamp", "start_seconds", "start_sec", "t_start")
ENDS = (
    "end", "stop", "time_end", "end_time", "stop_time", "end_timestamp", "stop_timestamp", "end_seconds", "end_sec",
    "t_end",
)  # fmt: skip
KEPT = (
    "format", "header", "label_column", "text_column", "note", "ending", "skipped", "unnamed", "nested", "split",
    "arrays", "splits", "takes_decimal", "targets", "has_mixed_columns", "names_without_header",
)  # fmt: skip
"""What a table of clips has from the table that it is made of."""


class Times(NamedTuple):
    """The columns of the beginning and the end of a clip."""

    start: str
    end: str


class ClipTable(DerivedTable):
    """The rows of a table, with the times of a clip in the name of its file: film.mp4#t=12.5,20. Its columns of times
    are gone. An empty start is the beginning of the file, and an empty end its end. Made by `with_clips`."""

    def __init__(self, table: TableFile, files: str, times: Times) -> None:
        """files: the column of videos."""
        super().__init__(table.path, tuple(name for name in table.columns if name not in times))
        for name in KEPT:
            setattr(self, name, getattr(table, name))
        self.table, self.files, self.times = table, files, times
        found = f"each clip is from '{times.start}' to '{times.end}' of its file"
        self.note = "; ".join(filter(None, [table.note, found]))

    @classmethod
    def open(cls, path: Path) -> Self:
        raise DataError(f"{path}: which of its columns are times is decided once its columns are chosen.")

    def as_written(self) -> TableFile:
        return ClipTable(self.table.as_written(), self.files, self.times)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        if self.files not in columns:
            yield from self.table.rows(columns)
            return
        at = list(columns).index(self.files)
        for number, (start, end, *cells) in self.table.rows([*self.times, *columns]):
            if cells[at] is not None:
                cells[at] = self._clip(number, cells[at], start, end)
            yield Row(number, tuple(cells))

    def _clip(self, number: int, file: Cell, start: Cell, end: Cell) -> str:
        place, named = self.place(number), self.times
        begins, ends = read_seconds(place, named.start, start), read_seconds(place, named.end, end)
        return Clip(str(file), begins or 0.0, ends).name


def read_seconds(place: str, name: str, cell: Cell) -> float | None:
    """A time in a cell in seconds; None for an empty cell. place: file and row. Raises DataError for another cell."""
    if cell is None:
        return None
    seconds = seconds_of(cell)
    if seconds is None:
        raise DataError(
            f"{place}: '{name}' is '{shortened(cell)}'; a time was expected, in seconds (62.5) or as 00:01:02.5.\n"
            "Correct it, or leave it empty: then the clip begins, or ends, with its file."
        )
    return seconds


def with_clips(table: TableFile, columns: Columns) -> TableFile:
    """The table with its columns of times in the names of its videos; itself where it has no such columns, or its
    input is no column of videos. Columns that are used otherwise are no times."""
    times = find_times(table, columns.needed)
    if times is None or len(columns.inputs) > 1 or columns.sequence:
        return table
    cells = first_cells(table, [columns.input])[columns.input]
    named = sum(isinstance(cell, str) and cell.lower().endswith(VIDEO_ENDINGS) for cell in cells)
    return ClipTable(table, columns.input, times) if 2 * named > len(cells) else table


def find_times(table: TableFile, taken: Sequence[str]) -> Times | None:
    """The columns of start and end times, by their names; None unless there are both."""
    free = {name.lower(): name for name in table.columns if name not in taken}
    start = next((free[name] for name in STARTS if name in free), None)
    end = next((free[name] for name in ENDS if name in free), None)
    return None if start is None or end is None else Times(start, end)
