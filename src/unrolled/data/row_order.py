"""What a table's other columns say of its rows: whether they stand in the order of time, and whether some are of one
source, a speaker or a patient, so that rows of it would stand in training and test part alike."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import PurePath
from shlex import quote
from typing import Any

from unrolled.data.dates import NUMBERED, PLAIN, YEAR_NAMED, date_readers, holds_years, most_odd, read_year
from unrolled.data.first_cells import first_cells, holds_dates
from unrolled.data.table_file import Cell, TableFile
from unrolled.data.written_numbers import is_undefined

HOPELESS = 20  # rows out of order, beside a tenth, with which dates are in none
MOST_CLOCKS = 4  # columns of dates that are looked at
SOURCES = re.compile(
    r"(.*[\W_])?(speaker|spk|patient|subject|subj|participant|respondent|user|person|people|individual|author|writer|"
    r"customer|client|member|donor|student|pupil|teacher|worker|annotator|player|artist|singer|actor|reviewer|"
    r"household|family|animal|cell_?line|source|origin|domain|site|website|host|hostname|publisher|newspaper|journal|"
    r"session|visit|encounter|conversation|dialog|dialogue|thread|meeting|call|recording|recordist|document|doc|"
    r"article|paper|book|page|movie|film|video|clip|channel|song|album|product|item|asin|store|shop|hospital|clinic|"
    r"center|centre|school|device|machine|sensor|station|camera|scanner|vehicle|batch|plate|slide|specimen|sample|"
    r"experiment|trial|cohort|group|cluster|pid|uid|sid)"
    r"[\W_]?(id|ids|name|no|nr|num|number|key|code|hash|s)?",
    re.IGNORECASE,
)
NAMED_PART = re.compile(r"(speaker|spkr?|patient|pat|subject|subj?|user|person|source|src|session|p|s|id)-?\d+",
                        re.IGNORECASE)  # fmt: skip
PART = re.compile(r"(part|folder)\d+")  # of a file's name, or of the folders that it stands in below its label's
CODE = re.compile(r"(?=.*\d)(?=.*[a-z])[a-z\d]{4,}", re.IGNORECASE)  # 0a1f3c of Speech Commands, fcjf0 of TIMIT
NUMBERED_TAKE = re.compile(
    r"(take|aug|fold|rep|repeat|trial|copy|crop|ver|version|part|split|step|frame)\d+", re.IGNORECASE
)
COUNTED = re.compile(r"([a-z]+)\d+", re.IGNORECASE)
CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])")
HOST = re.compile(r"[a-z][a-z\d+.-]*://(?:[^/@\s]*@)?(?:www\.)?([^/:?#\s]+)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")
MOST_SOURCES = 100_000  # different ones that are counted
ROWS_A_SOURCE = 2  # on average, from which rows are said to share sources


class Clock:
    """Whether the dates of a column rise, or fall, from row to row, by the way of writing them that serves most: all
    but `most_odd`, so that a cell that is no date, or a row in another place, changes nothing. Empty cells are passed
    over, as long as most are not."""

    def __init__(self, name: str = "") -> None:
        """name: the column's."""
        years = [read_year] if YEAR_NAMED.fullmatch(name) else []
        self._ways = [_Way(reader) for reader in (*date_readers(name), *years)]
        self._dated = self._seen = self._empty = 0

    def see(self, cell: Cell) -> None:
        """The next row's cell."""
        if cell is None or is_undefined(cell):
            self._empty += 1
            return
        self._seen += 1
        read = [way for way in self._ways if way.see(cell)]
        if read and not self._dated:  # by the first date: one way alone can be meant, or any that reads it
            self._ways = read[:1] if read[0].reader in (*PLAIN, *NUMBERED) else read
        self._dated += bool(read)
        if self._dated and len(self._ways) > 1:
            self._ways = [way for way in self._ways if way.unread <= HOPELESS + self._seen // 10] or self._ways[:1]

    @property
    def _best(self) -> _Way | None:
        """The way with the fewest odd rows, where these are few enough."""
        ways = [way for way in self._ways if way.direction]
        best = min(ways, key=lambda way: self._odd(way), default=None)
        return best if best and self._odd(best) <= most_odd(self._seen) and self._empty < self._seen else None

    def _odd(self, way: _Way) -> int:
        """Rows that are no dates by this way, or out of order; what stood before the first date among them."""
        return self._seen - way.ordered

    @property
    def direction(self) -> int:
        """1 where dates rise, -1 where they fall; 0 where they do neither, or are all of one moment."""
        return self._best.direction if self._best else 0

    @property
    def odd(self) -> int:
        """Rows without a date, or out of the order of the others."""
        return self._empty + self._odd(self._best) if self._best else 0


class _Way:
    """One way of reading dates, and how they went on by it."""

    def __init__(self, reader: Callable[[Any], float | None]) -> None:
        self.reader, self.unread, self._read = reader, 0, 0
        self._runs = {1: array("d"), -1: array("d")}  # direction -> the least last dates of runs in order, by length

    def see(self, cell: Cell) -> bool:
        """Whether the next cell is a date by it."""
        time = self.reader(cell)
        if time is None:
            self.unread += 1
            return False
        self._read += 1
        for direction, ends in list(self._runs.items()):
            place = bisect_right(ends, direction * time)
            if place == len(ends):
                ends.append(direction * time)
            else:
                ends[place] = direction * time
            if self._read - len(ends) > HOPELESS + self._read // 10:
                del self._runs[direction]
        return True

    @property
    def ordered(self) -> int:
        """Rows of the longest run in order, others left out."""
        return max(map(len, self._runs.values()), default=0)

    @property
    def direction(self) -> int:
        """That of this run; 0 where it is of one moment."""
        direction = max(self._runs, key=lambda one: len(self._runs[one]), default=0)
        return direction if direction and self._runs[direction][0] < self._runs[direction][-1] else 0


def clock_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns of dates, or of years, that nothing else is done with."""
    if not table.mixed:
        return []
    used = set(taken)
    cells = first_cells(table, [name for name in table.columns if name not in used])
    dated = [
        name for name, found in cells.items() if found and (holds_dates(found, name) or holds_years(found, name))
    ]
    return dated[:MOST_CLOCKS]


def source_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns that may say of whom or of what a row is, by their names, or as parts of files' names."""
    used = table.nested.union(taken)
    return [
        name for name in table.columns
        if name not in used and (_says_source(name) or (PART.fullmatch(name) and not table.mixed))
    ]  # fmt: skip


def _says_source(name: str) -> bool:
    """Whether a column is called so that it may be of sources: patient_id, patientId, anonPatientId."""
    return any(SOURCES.fullmatch(one) for one in (name, CAMEL.sub("_", name)))


def address_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns of addresses in the web, whose hosts may recur."""
    used = set(taken)
    cells = first_cells(table, [name for name in table.columns if name not in used]) if table.mixed else {}
    return [name for name, found in cells.items() if found and all(HOST.match(str(cell)) for cell in found)]


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
        if not self.recur:
            return ""
        return f"rows share '{self.name}' {self.alike}; to keep each in one part: --group {quote(self.name)}"

    @property
    def recur(self) -> bool:
        """Whether rows share sources."""
        count = len(self.beside)
        if not 2 <= count <= self.rows / ROWS_A_SOURCE or count >= MOST_SOURCES:
            return False
        return PART.fullmatch(self.name) is None or self._names_sources

    @property
    def alike(self) -> str:
        """What is said of sources that recur."""
        example = sorted(self.beside)[0][:40]
        return f"({len(self.beside):,} different, such as {example}), and stand in training and test part alike"

    @property
    def _names_sources(self) -> bool:
        """Of a part of files' names: patient7 and the like; codes, most beside several answers; or words, each so."""
        if all(NAMED_PART.fullmatch(source) for source in self.beside):
            return any(len(answers) > 1 for answers in self.beside.values()) or not self._is_answer
        several = sum(len(answers) > 1 for answers in self.beside.values())
        if 2 * several > len(self.beside) and all(map(self._is_code, self.beside)) and not self._is_counted:
            return True
        return all(WORD.fullmatch(source) and len(answers) > 1 for source, answers in self.beside.items())

    @property
    def _is_counted(self) -> bool:
        """Whether each source is one word and a number, cv000 and cv001, and the word is not of sources: files that
        are counted within each label."""
        found = [COUNTED.fullmatch(source) for source in self.beside]
        words = {one[1] for one in found if one}
        return all(found) and len(words) == 1 and not any(map(SOURCES.fullmatch, words))

    def _is_code(self, source: str) -> bool:
        """Whether a part may stand for somebody; a number does so as the name of a folder alone."""
        coded = CODE.fullmatch(source) is not None and NUMBERED_TAKE.fullmatch(source) is None
        return coded or (self.name.startswith("folder") and source.isdecimal())

    @property
    def _is_answer(self) -> bool:
        """Whether each source stands beside one answer, and each answer beside one source."""
        answers = [next(iter(found)) for found in self.beside.values()]
        return len(set(answers)) == len(answers)


class Hosts:
    """What a column of addresses in the web holds: rows of one host are of one source."""

    def __init__(self, name: str) -> None:
        self._hosts = Sources(name)

    def see(self, cell: Cell, answer: str) -> None:
        """The next row's cell, and its answer."""
        found = HOST.match(str(cell))
        self._hosts.see(found[1].lower() if found else None, answer)

    @property
    def said(self) -> str:
        """What is said where rows share hosts; "" where they do not."""
        if not self._hosts.recur:
            return ""
        return (
            f"rows share the host in '{self._hosts.name}' {self._hosts.alike}; to keep each in one part, write it "
            "into a column of its own and name that: --group COLUMN"
        )


class NameParts:
    """What the parts of file names hold in a column of such names: 7_jackson_32.wav has three, between `_`, or else
    between `-`. They are no columns, so that `--group` takes none of them."""

    def __init__(self, column: str) -> None:
        self.column, self._seen = column, False
        self._parts: dict[str, list[Sources]] = {"_": [], "-": []}  # mark -> parts, as long as all names have as many

    def see(self, cell: str, answer: str) -> None:
        """The next row's file name, and its answer."""
        stem = PurePath(cell.replace("\\", "/")).stem
        for mark, sources in list(self._parts.items()):
            parts = stem.split(mark)
            if not self._seen:
                sources += [Sources(f"part{place}") for place in range(1, len(parts) + 1)]
            if len(parts) < 2 or len(parts) != len(sources):
                del self._parts[mark]
                continue
            for source, part in zip(sources, parts, strict=True):
                source.see(part or None, answer)
        self._seen = True

    @property
    def said(self) -> str:
        """What is said where file names share a part that may be of whom a row is; "" where they do not."""
        sources = next(iter(self._parts.values()), [])
        place, found = next(((place, one) for place, one in enumerate(sources, 1) if one.recur), (0, None))
        if found is None:
            return ""
        return (
            f"names in '{self.column}' share their part {place} {found.alike}; to keep each in one part, write it "
            "into a column of its own and name that: --group COLUMN"
        )


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
