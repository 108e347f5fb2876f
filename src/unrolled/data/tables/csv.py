"""csv and tsv: a header, then one row per record."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.cells.written_numbers import is_number
from unrolled.data.files.delimiters import DELIMITERS
from unrolled.data.tables.base import (
    BLOCK,
    DEFAULT_OPTIONS,
    LONGEST_LINE,
    SAMPLE_ROWS,
    Row,
    TableFile,
    TableOptions,
    encoding_of,
    read_lines,
    select_places,
)
from unrolled.data.tables.csv_dialect import FirstLines, find_dialect, first_records, read_head
from unrolled.data.tables.csv_records import Dialect, is_blank, is_empty_line, read_records, without_trailing
from unrolled.data.tables.decimal_marks import DecimalMarks
from unrolled.data.tables.headers import (
    are_numbers,
    check_first,
    check_other_rows,
    check_quotes,
    check_separators,
    check_shorter,
    usual_width,
)
from unrolled.data.tables.titles import TITLES, check_titles
from unrolled.errors import DataError

COMPARED = 1000  # columns, at most, by which a header is distinguished from data
MARK = "\ufeff"  # a byte order mark, left where files were joined


class CsvTable(TableFile):
    """A csv or tsv. Quoted cells may hold delimiters, line ends, and quotes written twice.

    In a tsv a quote is an ordinary character, as in most such files, unless the file can be read with quotes around
    cells; if it has no tabs, another delimiter may be used. A first line `sep=;` names the delimiter. A column
    without a name cannot be requested. In a file of one column a blank line is an empty cell, except at the end of
    the file; in a file of several columns it is skipped.
    """

    takes_decimal = True

    def __init__(
        self, path: Path, encoding: str, dialect: Dialect, first: list[str], beginning: list[list[str]],
        options: TableOptions, spaced: bool = False,
    ) -> None:  # fmt: skip
        """first: cells of the header, or of the first row. beginning: cells of the first rows. spaced: each line has
        two line ends."""
        self.format, self.encoding, self.dialect = path.suffix.lower()[1:], encoding, dialect
        self.header, self.decimal = options.header, options.decimal
        self.first, self.width = first, len(first)
        self.bare_numbers = self.header and are_numbers(first, beginning)
        self.names = [bare(name) for name in first] if self.header else numbered(usual_width(beginning))
        if not self.header:
            self.width = len(self.names)
        self.keeps_blank = self.width == 1 and not spaced
        named = Counter(name for name in self.names if name)
        if self.header and (not named or named.total() > len(named)):
            raise _no_names(path, next((name for name, count in named.items() if count > 1), ""))
        super().__init__(path, tuple(named))
        index = _is_index(beginning) and not self.names[0]
        self.unnamed = sum(not name for name in self.names) - index
        if self.header and _looks_like_data(first, beginning):
            self.note = f"the first row is taken as names ({', '.join(first)[:60]}); --no-header if it is data"
            bare_names = zip(numbered(len(self.names)), self.names, strict=True)
            self.names_without_header = tuple(number for number, name in bare_names if name)

    @classmethod
    def open(cls, path: Path, options: TableOptions = DEFAULT_OPTIONS) -> Self:
        encoding = encoding_of(path, path.suffix.lower()[1:])
        head = read_head(path, encoding)
        dialect, note = find_dialect(path, encoding, head)
        head = head.without(dialect.skipped)
        beginning = first_records(head, dialect.delimiter, dialect.quoting)
        if not beginning:
            _check_not_empty(path, encoding, dialect)
        first = next((cells for _, cells in read_records(path, encoding, dialect) if not is_blank(cells)), [])
        _check_delimiter(path, head, dialect, first, beginning, options)
        if options.header:
            check_titles(path, list(islice(read_records(path, encoding, dialect), TITLES)), beginning)
            check_shorter(path, first, beginning[1:], dialect.delimiter)
        spaced = len(head.lines) > 1 and head.lines[0][-1:] == "\r" and head.lines[1] == "\r\n"
        table = cls(path, encoding, dialect, first, beginning[1:] if options.header else beginning, options, spaced)
        table.note = "; ".join(filter(None, [note, table.note]))
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Empty cells are missing. Lines without any cell are skipped, except in a file of one column."""
        records = read_records(self.path, self.encoding, self.dialect)
        if self.header:
            next(cells for _, cells in records if not is_blank(cells))
        if self.keeps_blank:
            records = without_trailing(records, lambda cells: is_blank(cells) and cells != [""], [""])
        return self._rows_of(records, columns)

    def as_written(self) -> TableFile:
        plain = copy(self)
        plain.decimal = None
        return plain

    def count_rows(self, column: str) -> int:
        return sum(1 for _ in self._lines()) if self._is_plain else super().count_rows(column)

    def rows_at(self, columns: Sequence[str], places: Sequence[int]) -> Iterator[Row]:
        if not self._is_plain:
            return super().rows_at(columns, places)
        csv.field_size_limit(LONGEST_LINE)
        delimiter, quoting, _ = self.dialect
        picked = select_places(self._lines(), places)
        cut = ((number, next(csv.reader([line], delimiter=delimiter, quoting=quoting))) for number, line in picked)  # type: ignore[arg-type]
        return self._rows_of(((number, cells or [""]) for number, cells in cut), columns)

    @cached_property
    def _is_plain(self) -> bool:
        """Whether each line is a record: no cell is quoted, so none holds a line end."""
        if self.dialect.quoting == csv.QUOTE_NONE:
            return True
        with self.path.open("rb") as file:
            return not any(b'"' in block for block in iter(lambda: file.read(BLOCK), b""))

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yield (number, line) of each record of a plain file, without the header and lines without any cell."""
        delimiter, skipped = self.dialect.delimiter, self.dialect.skipped
        lines = enumerate(islice(read_lines(self.path, self.encoding, newline=""), skipped, None), start=skipped + 1)
        there = (one for one in lines if not is_empty_line(one[1], delimiter))
        if not self.keeps_blank:
            return islice(there, 1 if self.header else 0, None)
        if self.header:
            next(there)
        return without_trailing(lines, lambda line: is_empty_line(line, delimiter), "\n")

    def _rows_of(self, records: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Row]:
        """Yield these columns of the records below the header."""
        place_of = {name: place for place, name in enumerate(self.names)}
        places, width, first = [place_of[name] for name in columns], self.width, self.first
        marks = DecimalMarks(self.path, self.decimal, columns) if self.decimal is not None else None
        header_names = sorted(map(plain_name, first)) if self.header and width > 1 else []  # to find a second header
        begins = {name for name in header_names if len(name) > 1} | {
            plain_name(name) for name in first[:1] if header_names
        }
        for number, cells in records:
            if len(cells) != width:
                if is_blank(cells):
                    continue
                raise self._wrong_width(number, len(cells))
            if header_names and plain_name(cells[0]) in begins and sorted(map(plain_name, cells)) == header_names:
                raise self._repeated_header(number)
            chosen = [cells[place] or None for place in places]
            yield Row(number, tuple(chosen if marks is None else marks.plain(number, chosen)))

    def _repeated_header(self, number: int) -> DataError:
        """The error for a row that repeats the header."""
        if self.bare_numbers:
            message = f"{self.path}, row {number:,}: the first row, which looks like data, is repeated here."
            return InvalidCell(
                f"{message}\nIt is taken as the header; if it is an ordinary row: --no-header",
                by_run="The run was trained on a file with a header: write the columns' names into the first row.",
            )
        return DataError(
            f"{self.path}, row {number:,}: the header is repeated here. Were two files joined?\n"
            "Remove this line, if the rows below it have the same columns in the same order."
        )

    def _wrong_width(self, number: int, count: int) -> DataError:
        """The error for a row with another number of cells than there are columns."""
        wanted = f"the header names {self.width}" if self.header else f"the others have {self.width}"
        of, cells = ("column" if self.width == 1 else "columns"), ("cell" if count == 1 else "cells")
        delimiter = DELIMITERS.get(self.dialect.delimiter, f"'{self.dialect.delimiter}'")
        message = f"{self.path}, row {number:,}: {count} {cells}, where {wanted} {of}.\n"
        if count < self.width:
            return DataError(f"{message}Add the missing cells: each needs {delimiter} before it, except the first.")
        alone = "; a file of one text per line may be named .txt" if self.width == 1 else ""
        return DataError(f"{message}Put a cell that contains {delimiter} in double quotes{alone}.")


def bare(name: str) -> str:
    """Strip blanks and byte order marks from a column's name."""
    return name.strip().strip(MARK).strip()


def plain_name(name: str) -> str:
    """Normalise a column's name for comparison with another header: in small letters."""
    return bare(name).casefold()


def numbered(count: int) -> list[str]:
    """Names for columns without names: their numbers, from 1."""
    return [str(number) for number in range(1, count + 1)]


def _check_delimiter(
    path: Path,
    head: FirstLines,
    dialect: Dialect,
    first: list[str],
    beginning: list[list[str]],
    options: TableOptions,
) -> None:
    """Raise DataError if the cells of a file's first row, or of the others, have another delimiter. head: its first
    lines; first, beginning: cells of its first row, and of its first rows."""
    lines = [line for line in head.lines if line.strip()][:SAMPLE_ROWS] or first
    if len(first) == 1:
        check_separators(path, lines)
        check_first(path, first[0], dialect.delimiter, usual_width(beginning[1:]))
    elif options.header and dialect.delimiter in DELIMITERS:
        check_other_rows(path, lines, dialect.delimiter)
        check_quotes(path, lines, dialect.delimiter)


def _is_index(beginning: Sequence[Sequence[str]]) -> bool:
    """Whether the first column holds row numbers, which pandas writes without a name."""
    return all(row[0].isdecimal() for row in beginning)


def _looks_like_data(first: Sequence[str], beginning: Sequence[Sequence[str]]) -> bool:
    """Whether a first row looks like those below: a number above numbers, or a cell that is repeated below."""
    for place, name in enumerate(first[:COMPARED]):
        below = [row[place] for row in beginning if len(row) == len(first) and row[place]]
        if name and below and (name in below or (is_number(name) and all(map(is_number, below)))):
            return True
    return False


def _no_names(path: Path, twice: str) -> DataError:
    found = f"'{twice}' is there more than once" if twice else "there are none"
    names = "Give the columns names in a first row, such as: text,label"
    return InvalidCell(
        f"{path}, row 1: different names of columns were expected; {found}.",
        f"{names}; or if the first row is data: --no-header",
        "Give the columns names in a first row, as in the run's training data.",
    )


def _check_not_empty(path: Path, encoding: str, dialect: Dialect) -> None:
    """Raise DataError for a file of blank lines, or of quotes that enclose nothing."""
    lines = islice(read_lines(path, encoding), dialect.skipped, None)
    if not any(line.strip(f'"{MARK} \t\r\n') for line in lines):
        raise DataError(f"{path} holds only blanks. A table needs a header and rows.")
