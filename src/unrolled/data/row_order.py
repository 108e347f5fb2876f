"""What a table's other columns say of its rows: whether they stand in the order of time, and whether some are of one
source, a speaker or a patient, so that rows of it would stand in training and test part alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from unrolled.data.columns import first_cells, holds_dates
from unrolled.data.dates import PLAIN, date_readers
from unrolled.data.table_file import Cell, TableFile

MOST_CLOCKS = 4  # columns of dates that are looked at
SOURCES = re.compile(
    r"(.*[\W_])?(speaker|spk|patient|subject|participant|user|person|author|writer|customer|client|source|session|"
    r"donor|animal|recording|recordist|group)(_?id|_?name|_?no|s)?",
    re.IGNORECASE,
)
NAMED_PART = re.compile(r"(speaker|spkr?|patient|pat|subject|subj?|user|person|source|src|session|p|s|id)-?\d+",
                        re.IGNORECASE)  # fmt: skip
PART = re.compile(r"part\d+")
WORD = re.compile(r"[^\W\d_]+")
MOST_SOURCES = 100_000  # different ones that are counted
ROWS_A_SOURCE = 2  # on average, from which rows are said to share sources


class Clock:
    """Whether the dates of a column rise, or fall, from row to row, by each way of writing dates that serves all of
    them so far."""

    def __init__(self) -> None:
        self._ways = [_Way(reader) for reader in date_readers()]
        self._seen = False

    def see(self, cell: Cell) -> None:
        """The next row's cell."""
        kept = [way for way in self._ways if way.goes_on(cell)]
        self._ways = kept if self._seen else kept[:1] if kept and kept[0].reader in PLAIN else kept
        self._seen = True

    @property
    def direction(self) -> int:
        """1 where dates rise, -1 where they fall; 0 where they do neither, or are all of one moment."""
        return next((way.direction for way in self._ways if way.direction), 0) if self._seen else 0


class _Way:
    """One way of reading dates, and how they went on by it."""

    def __init__(self, reader: Callable[[Any], float | None]) -> None:
        self.reader, self.direction = reader, 0
        self._last: float | None = None

    def goes_on(self, cell: Cell) -> bool:
        time, last = self.reader(cell), self._last
        if time is None:
            return False
        self._last = time
        if last is None or time == last:
            return True
        way = 1 if time > last else -1
        self.direction = self.direction or way
        return way == self.direction


def clock_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns of dates that nothing else is done with."""
    if not table.mixed:
        return []
    used = set(taken)
    cells = first_cells(table, [name for name in table.columns if name not in used])
    return [name for name, found in cells.items() if found and holds_dates(found)][:MOST_CLOCKS]


def source_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns that may say of whom or of what a row is, by their names, or as parts of files' names."""
    used = set(taken)
    return [
        name for name in table.columns
        if name not in used and (SOURCES.fullmatch(name) or (PART.fullmatch(name) and not table.mixed))
    ]  # fmt: skip


class Sources:
    """What a column that may be of sources holds, with the answers that stand beside each."""

    def __init__(self, name: str) -> None:
        self.name, self.rows = name, 0
        self.beside: dict[str, set[str]] = {}  # source -> up to two answers beside it

    def see(self, cell: Cell, answer: str) -> None:
        """The next row's cell, and its answer."""
        self.rows += cell is not None
        if cell is None or (len(self.beside) >= MOST_SOURCES and str(cell) not in self.beside):
            return
        answers = self.beside.setdefault(str(cell), set())
        if len(answers) < 2:
            answers.add(answer)

    @property
    def said(self) -> str:
        """What is said where rows share sources; "" where they do not, or where the column is something else: the
        answer itself, or a running number."""
        count = len(self.beside)
        if not 2 <= count <= self.rows / ROWS_A_SOURCE or len(self.beside) >= MOST_SOURCES:
            return ""
        if PART.fullmatch(self.name) and not self._names_sources:
            return ""
        return (
            f"rows share '{self.name}' ({count:,} different, such as {sorted(self.beside)[0][:40]}), and stand in "
            f"training and test part alike; to keep each in one part: --group {self.name}"
        )

    @property
    def _names_sources(self) -> bool:
        """Of a part of files' names: patient7 and the like; or words, each beside several answers."""
        if all(NAMED_PART.fullmatch(source) for source in self.beside):
            return any(len(answers) > 1 for answers in self.beside.values()) or not self._is_answer
        return all(WORD.fullmatch(source) and len(answers) > 1 for source, answers in self.beside.items())

    @property
    def _is_answer(self) -> bool:
        """Whether each source stands beside one answer, and each answer beside one source."""
        answers = [next(iter(found)) for found in self.beside.values()]
        return len(set(answers)) == len(answers)


def split_words(
    group: str | None, time: str | None, fold: tuple[int, int] | None, shares: Sequence[str | float]
) -> str:
    """How the test part was made, or where there is none the validation part, for a line. shares: of validation and
    test part, or files with their rows. "" where there is neither."""
    asked = next((share for share in reversed(shares) if share), None)
    if fold is None and (asked is None or isinstance(asked, str)):
        return f"the rows of {asked}" if asked else ""
    drawn = f"fold {fold[0]} of {fold[1]}, drawn by chance" if fold else "drawn by chance"
    if group:
        return f"{drawn} in whole groups of '{group}'"
    return f"the last rows by '{time}'" if time else drawn
