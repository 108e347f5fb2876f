"""Estimates how long reading a table takes on this machine, from its first rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.modalities.base import Modality
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.columns import Columns

LARGE = 4_000_000  # bytes of a file from which the time matters
TIMED = 10_000  # rows that are timed, after the warm-up
WARM = 500  # rows of the warm-up
REST = 1.6  # factor on the time for reading rows: splitting, encoding and counting targets come on top
BLOCK = 1 << 22  # bytes


@dataclass(frozen=True)
class ReadingTime:
    """Approximate number of rows in a table, and the time that each takes on this machine."""

    rows: int
    seconds_per_row: float  # seconds to read a row
    seconds_per_skip: float  # seconds to skip a row

    def seconds(self, rows: int | None) -> float:
        """Time to read `rows` rows drawn evenly over the table (None: all), which takes two passes over it."""
        if rows is None or rows >= self.rows:
            return self.rows * self.seconds_per_row
        return 2 * self.rows * self.seconds_per_skip + rows * self.seconds_per_row

    def rows_within(self, seconds: float) -> int:
        """How many rows drawn evenly can be read in `seconds`, rounded down to two digits; 0 if none."""
        found = int((seconds - 2 * self.rows * self.seconds_per_skip) / self.seconds_per_row)
        if found < 1:
            return 0
        unit: int = 10 ** max(0, len(str(found)) - 2)
        return found // unit * unit


def time_reading(table: TableFile, columns: Columns, modality: Modality) -> ReadingTime | None:
    """The reading time of a table; None if it is small, or not a file with one row per line."""
    if table.format not in ("csv", "tsv", "jsonl") or table.path.stat().st_size < LARGE:
        return None
    lines = count_lines(table.path) - table.header
    if lines < 2 * (WARM + TIMED):
        return None
    some = FirstRows(table)
    each, passing = [], []
    for count in (WARM, TIMED):
        some.count = count
        started = time.perf_counter()
        RowReader(columns, modality).read(some, 0, skip_empty=True)
        each.append(time.perf_counter() - started)
        started = time.perf_counter()
        for _ in table.rows_at(columns.needed, [count - 1]):
            pass
        passing.append(time.perf_counter() - started)
    return ReadingTime(lines, REST * each[-1] / TIMED, min(passing[-1], each[-1]) / TIMED)


def count_lines(path: Path) -> int:
    """Line feeds in a file."""
    lines = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            lines += block.count(b"\n")
    return lines


class FirstRows(TableFile):
    """The first rows of another table."""

    def __init__(self, table: TableFile) -> None:
        super().__init__(table.path, table.columns)
        self.format, self.count, self._table = table.format, 0, table

    @classmethod
    def open(cls, path: Path) -> FirstRows:
        raise TypeError("FirstRows is made from another table")

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        return islice(self._table.rows(columns), self.count)
