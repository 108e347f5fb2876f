"""Finds in a table's unused columns whether its rows are in order of time, and whether several rows share a source (a
speaker, a patient), so that rows of one source would be in both the training and the test split."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import PurePath
from shlex import quote
from typing import Any

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.dates import (
    NUMBERED,
    PLAIN_FORMS,
    allowed_errors,
    date_readers,
    holds_years,
    is_year_name,
    read_year,
)
from unrolled.data.cells.written_numbers import is_missing
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.first_cells import first_cells, holds_dates

HOPELESS = 20  # rows out of order, besides a tenth of all, above which dates count as unordered
MOST_CLOCKS = 4  # columns of dates that are scanned
SOURCES = re.compile(
    r"(.*[\W_])?(speaker|spk|patient|subject|subj|participant|respondent|user|person|people|individual|author|writer|"
    r"customer|client|member|donor|student|pupil|teacher|worker|annotator|player|artist|singer|actor|reviewer|"
    r"household|family|animal|cell_?line|source|origin|domain|site|website|host|hostname|publisher|newspaper|journal|"
    r"session|visit|encounter|conversation|dialog|dialogue|thread|meeting|call|recording|recordist|document|doc|"
    r"article|paper|book|page|movie|film|video|youtube|clip|channel|song|album|product|item|asin|store|shop|hospital|clinic|"
    r"center|centre|school|device|machine|sensor|station|camera|scanner|vehicle|batch|plate|slide|specimen|sample|"
    r"experiment|trial|cohort|group|cluster|fold|engine|pid|uid|sid|sprecher|proband|kunde|nutzer|benutzer|autor|"
    r"quelle|locuteur|sujet|auteur|utilisateur|hablante|paciente|usuario|sujeto)"
    r"[\W_]?(id|ids|name|no|nr|num|number|key|code|hash|s)?",
    re.IGNORECASE,
)
NAMED_PART = re.compile(r"(speaker|spkr?|patient|pat|subject|subj?|user|person|source|src|session|p|s|id)-?\d+",
                        re.IGNORECASE)  # fmt: skip
PART = re.compile(r"(part|folder)\d+")  # parts of file names, and folders below the label's
CODE = re.compile(r"(?=.*\d)(?=.*[a-z])[a-z\d]{4,}", re.IGNORECASE)  # 0a1f3c in Speech Commands, fcjf0 in TIMIT
NUMBERED_TAKE = re.compile(
    r"(take|aug|fold|rep|repeat|trial|copy|crop|ver|version|part|split|step|frame)\d+", re.IGNORECASE
)
COUNTED = re.compile(r"([a-z]+)\d+", re.IGNORECASE)
CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])")
HOST = re.compile(r"[a-z][a-z\d+.-]*://(?:[^/@\s]*@)?(?:www\.)?([^/:?#\s]+)", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")
MOST_SOURCES = 100_000  # distinct sources that are counted
ROWS_PER_SOURCE = 2  # average from which rows are reported to share sources


class DateOrder:
    """Detects whether the dates of a column ascend or descend over the rows, in the date format that fits best. Up to
    `allowed_errors` rows may be without a date or out of order. Empty cells are skipped, unless most are empty."""

    def __init__(self, name: str = "") -> None:
        """name: of the column."""
        years = [read_year] if is_year_name(name) else []
        self._ways = [_Way(reader) for reader in (*date_readers(name), *years)]
        self._dated = self._seen = self._empty = 0

    def see(self, cell: Cell) -> None:
        """The next row's cell."""
        if cell is None or is_missing(cell):
            self._empty += 1
            return
        self._seen += 1
        read = [way for way in self._ways if way.see(cell)]
        if read and not self._dated:  # after the first date: a single format, or all that read it
            self._ways = read[:1] if read[0].reader in (*PLAIN_FORMS, *NUMBERED) else read
        self._dated += bool(read)
        if self._dated and len(self._ways) > 1:
            self._ways = [way for way in self._ways if way.unread <= HOPELESS + self._seen // 10] or self._ways[:1]

    @property
    def _best(self) -> _Way | None:
        """The format with the fewest odd rows, if these are few enough."""
        ways = [way for way in self._ways if way.direction]
        best = min(ways, key=lambda way: self._odd(way), default=None)
        return best if best and self._odd(best) <= allowed_errors(self._seen) and self._empty < self._seen else None

    def _odd(self, way: _Way) -> int:
        """Rows without a date in this format, also before the first date, and rows out of order."""
        return self._seen - way.ordered

    @property
    def direction(self) -> int:
        """1 if dates ascend, -1 if they descend; 0 if neither, or if all are equal."""
        return self._best.direction if self._best else 0

    @property
    def odd(self) -> int:
        """Rows without a date, or out of order."""
        return self._empty + self._odd(self._best) if self._best else 0


class _Way:
    """One date format, and the longest ordered runs of the dates that it has read."""

    def __init__(self, reader: Callable[[Any], float | None]) -> None:
        self.reader, self.unread, self._read = reader, 0, 0
        self._runs = {1: array("d"), -1: array("d")}  # direction -> least last date of ordered runs, by length

    def see(self, cell: Cell) -> bool:
        """Add the next cell; whether it is a date in this format."""
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
        """Length of the longest ordered subsequence of rows."""
        return max(map(len, self._runs.values()), default=0)

    @property
    def direction(self) -> int:
        """Direction of that subsequence; 0 if all its dates are equal."""
        direction = max(self._runs, key=lambda one: len(self._runs[one]), default=0)
        return direction if direction and self._runs[direction][0] < self._runs[direction][-1] else 0


def date_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns of dates or years that are not used otherwise."""
    if not table.has_mixed_columns:
        return []
    used = set(taken)
    cells = first_cells(table, [name for name in table.columns if name not in used])
    dated = [
        name for name, found in cells.items() if found and (holds_dates(found, name) or holds_years(found, name))
    ]
    return dated[:MOST_CLOCKS]


def source_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns that may name the source of a row, by the column's name, or as parts of file names."""
    used = table.nested.union(taken)
    return [
        name for name in table.columns
        if name not in used and (_names_source(name) or (PART.fullmatch(name) and not table.has_mixed_columns))
    ]  # fmt: skip


def _names_source(name: str) -> bool:
    """Whether a column has a name for sources: patient_id, patientId, anonPatientId."""
    return any(SOURCES.fullmatch(one) for one in (name, CAMEL.sub("_", name)))


def address_columns(table: TableFile, taken: Sequence[str]) -> list[str]:
    """Columns of URLs, whose hosts may recur."""
    used = set(taken)
    cells = (
        first_cells(table, [name for name in table.columns if name not in used]) if table.has_mixed_columns else {}
    )
    return [name for name, found in cells.items() if found and all(HOST.match(str(cell)) for cell in found)]


class Sources:
    """The values of a column that may hold sources, and the targets that occur with each."""

    def __init__(self, name: str) -> None:
        self.name, self.rows = name, 0
        self.targets: dict[str, set[str]] = {}  # source -> up to two targets of its rows

    def see(self, cell: Cell, target: str) -> None:
        """Add the next row's cell and its target."""
        self.rows += cell is not None
        if cell is None or (len(self.targets) >= MOST_SOURCES and str(cell) not in self.targets):
            return
        targets = self.targets.setdefault(str(cell), set())
        if len(targets) < 2:
            targets.add(target)

    @property
    def note(self) -> str:
        """The note if rows share sources; "" if not, or if the column is something else: the target itself, or a
        running number."""
        if not self.recur:
            return ""
        return f"rows share '{self.name}' {self.shared}; to keep each in one split: --group {quote(self.name)}"

    @property
    def recur(self) -> bool:
        """Whether rows share sources."""
        count = len(self.targets)
        if not 2 <= count <= self.rows / ROWS_PER_SOURCE or count >= MOST_SOURCES:
            return False
        return PART.fullmatch(self.name) is None or self._names_sources

    @property
    def shared(self) -> str:
        """The part of a note that describes recurring sources."""
        example = sorted(self.targets)[0][:40]
        return f"({len(self.targets):,} different, such as {example}), which are in both training and test"

    @property
    def _names_sources(self) -> bool:
        """Whether parts of file names are sources: patient7 and the like; codes, most of them with several targets;
        or words, all with several targets."""
        if all(NAMED_PART.fullmatch(source) for source in self.targets):
            return any(len(targets) > 1 for targets in self.targets.values()) or not self._is_target
        several = sum(len(targets) > 1 for targets in self.targets.values())
        if 2 * several > len(self.targets) and all(map(self._is_code, self.targets)) and not self._is_counted:
            return True
        return all(WORD.fullmatch(source) and len(targets) > 1 for source, targets in self.targets.items())

    @property
    def _is_counted(self) -> bool:
        """Whether all sources are one word with a number, cv000 and cv001, and the word is not one for sources: such
        files are numbered within each label."""
        found = [COUNTED.fullmatch(source) for source in self.targets]
        words = {one[1] for one in found if one}
        return all(found) and len(words) == 1 and not any(map(SOURCES.fullmatch, words))

    def _is_code(self, source: str) -> bool:
        """Whether a part may be the code of a source; a number may be one only as the name of a folder."""
        coded = CODE.fullmatch(source) is not None and NUMBERED_TAKE.fullmatch(source) is None
        return coded or (self.name.startswith("folder") and source.isdecimal())

    @property
    def _is_target(self) -> bool:
        """Whether sources and targets correspond one to one."""
        targets = [next(iter(found)) for found in self.targets.values()]
        return len(set(targets)) == len(targets)


class Hosts:
    """The hosts in a column of URLs: rows of one host are from one source."""

    def __init__(self, name: str) -> None:
        self._hosts = Sources(name)

    def see(self, cell: Cell, target: str) -> None:
        """Add the next row's cell and its target."""
        found = HOST.match(str(cell))
        self._hosts.see(found[1].lower() if found else None, target)

    @property
    def note(self) -> str:
        """The note if rows share hosts; "" if not."""
        if not self._hosts.recur:
            return ""
        return (
            f"rows share the host in '{self._hosts.name}' {self._hosts.shared}; to keep each in one split, write it "
            "into a separate column and name that: --group COLUMN"
        )


class NameParts:
    """The parts of file names in a column, split at `_`, or else at `-`: 7_jackson_32.wav has three. They are not
    columns, so `--group` cannot name them."""

    def __init__(self, column: str) -> None:
        self.column, self._seen = column, False
        self._parts: dict[str, list[Sources]] = {
            "_": [],
            "-": [],
        }  # mark -> parts, as long as all names have equally many

    def see(self, cell: str, target: str) -> None:
        """Add the next row's file name and its target."""
        stem = PurePath(cell.replace("\\", "/")).stem
        for mark, sources in list(self._parts.items()):
            parts = stem.split(mark)
            if not self._seen:
                sources += [Sources(f"part{place}") for place in range(1, len(parts) + 1)]
            if len(parts) < 2 or len(parts) != len(sources):
                del self._parts[mark]
                continue
            for source, part in zip(sources, parts, strict=True):
                source.see(part or None, target)
        self._seen = True

    @property
    def note(self) -> str:
        """The note if file names share a part that may be the source of a row; "" if not."""
        sources = next(iter(self._parts.values()), [])
        place, found = next(((place, one) for place, one in enumerate(sources, 1) if one.recur), (0, None))
        if found is None:
            return ""
        return (
            f"file names in '{self.column}' share part {place} {found.shared}; to keep each in one split, write it "
            "into a separate column and name that: --group COLUMN"
        )


def describe_split(
    group: str | None, time: str | None, fold: tuple[int, int] | None, shares: Sequence[str | float]
) -> str:
    """How the test split was made, or else the validation split, as part of a printed line. shares: of validation and
    test, or files with their rows. "" if there is neither."""
    options = next((share for share in reversed(shares) if share), None)
    if fold is None and (options is None or isinstance(options, str)):
        return f"the rows of {options}" if options else ""
    drawn = f"fold {fold[0]} of {fold[1]}, drawn at random" if fold else "drawn at random"
    if group:
        return f"{drawn} in whole groups of '{group}'"
    return f"the last rows by '{time}'" if time else drawn
