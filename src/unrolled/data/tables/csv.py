"""csv and tsv: a header, then one row per record; finds the delimiter, and whether a tsv has quotes."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.cells.written_numbers import is_number, plain_number
from unrolled.data.files.delimiters import DELIMITERS, find_delimiter
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
from unrolled.data.tables.headers import (
    are_numbers,
    check_first,
    check_other_rows,
    check_separators,
    check_shorter,
    usual_width,
    wrong_sep_error,
)
from unrolled.data.tables.titles import TITLES, check_titles
from unrolled.errors import DataError

NAMED_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel writes and reads
LOOKED_LINES, LOOKED_CHARACTERS = 20 * SAMPLE_ROWS, 1 << 20  # at the beginning of a file, at most
COMPARED = 1000  # columns, at most, by which a header is distinguished from data
Entry = TypeVar("Entry")  # a line, or a record
MARK = "\ufeff"  # a byte order mark, left where files were joined


class Dialect(NamedTuple):
    """How the cells of a file are separated."""

    delimiter: str
    quoting: int  # a constant of the module csv
    skipped: int  # lines before the first record


class CsvTable(TableFile):
    """A csv or tsv. Quoted cells may hold delimiters, line ends, and quotes written twice.

    In a tsv a quote is an ordinary character, as in most such files, unless the file can be read with quotes around
    cells; if it has no tabs, another delimiter may be used. A first line `sep=;` names the delimiter. A column
    without a name cannot be requested. In a file of one column a blank line is an empty cell, except at the end of
    the file; in a file of several columns it is skipped.
    """

    def __init__(
        self, path: Path, form: str, encoding: str, dialect: Dialect, first: list[str], look: list[list[str]],
        options: TableOptions, spaced: bool = False,
    ) -> None:  # fmt: skip
        """first: cells of the header, or of the first row. look: cells of the first rows. spaced: each line has two
        line ends."""
        self.format, self.encoding, self.dialect, self.header = form, encoding, dialect, options.header
        self.decimal = options.decimal
        self.first, self.width = first, len(first)
        self.bare_numbers = self.header and are_numbers(first, look)
        self.names = [bare(name) for name in first] if self.header else numbered(usual_width(look))
        if not self.header:
            self.width = len(self.names)
        self.keeps_blank = self.width == 1 and not spaced
        named = Counter(name for name in self.names if name)
        if self.header and (not named or named.total() > len(named)):
            raise _no_names(path, next((name for name, count in named.items() if count > 1), ""))
        super().__init__(path, tuple(named))
        index = _is_index(look) and not self.names[0]
        self.unnamed = sum(not name for name in self.names) - index
        if self.header and _looks_like_data(first, look):
            self.note = f"the first row is taken as names ({', '.join(first)[:60]}); --no-header if it is data"
            bare_names = zip(numbered(len(self.names)), self.names, strict=True)
            self.names_without_header = tuple(number for number, name in bare_names if name)

    @classmethod
    def open(cls, path: Path, options: TableOptions = DEFAULT_OPTIONS) -> Self:
        form = path.suffix.lower()[1:]
        encoding = encoding_of(path, form)
        head, whole = _head(path, encoding)
        named = NAMED_DELIMITER.fullmatch(head[0]) if head else None
        skipped = int(named is not None)
        if named is not None:
            dialect = Dialect(named[1], csv.QUOTE_MINIMAL, skipped)
        elif form != "tsv":
            dialect = Dialect(sniff_delimiter(head, whole), csv.QUOTE_MINIMAL, skipped)
        else:
            dialect = Dialect("\t", csv.QUOTE_MINIMAL if has_quoting(path, encoding) else csv.QUOTE_NONE, skipped)
        note = ""
        look = _cut(head[skipped:], whole, dialect.delimiter, dialect.quoting)
        other = (
            find_delimiter(head[skipped : skipped + SAMPLE_ROWS], but=dialect.delimiter)
            if _have_one_cell(look)
            else None
        )
        if other is not None and named is not None:
            raise wrong_sep_error(path, dialect.delimiter, other)
        if other is not None and form == "tsv":
            dialect, note = (
                Dialect(other, csv.QUOTE_MINIMAL, skipped),
                f"its cells are separated by {DELIMITERS[other]}",
            )
            look = _cut(head, whole, dialect.delimiter, dialect.quoting)
        if not look:
            _check_not_empty(path, encoding, dialect)
        first = next((cells for _, cells in read_records(path, encoding, dialect) if not is_blank(cells)), [])
        there = [line for line in head[skipped:] if line.strip()][:SAMPLE_ROWS] or first
        if len(first) == 1:
            check_separators(path, there)
            check_first(path, first[0], dialect.delimiter, usual_width(look[1:]))
        elif options.header and dialect.delimiter in DELIMITERS:
            check_other_rows(path, there, dialect.delimiter)
        if options.header:
            check_titles(path, list(islice(read_records(path, encoding, dialect), TITLES)), look)
            check_shorter(path, first, look[1:], dialect.delimiter)
        spaced = len(head) > skipped + 1 and head[skipped][-1:] == "\r" and head[skipped + 1] == "\r\n"
        table = cls(path, form, encoding, dialect, first, look[1:] if options.header else look, options, spaced)
        table.note = "; ".join(filter(None, [note, table.note]))
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Empty cells are missing. Lines without any cell are skipped, except in a file of one column."""
        records = read_records(self.path, self.encoding, self.dialect)
        if self.header:
            next(cells for _, cells in records if not is_blank(cells))
        if self.keeps_blank:
            records = _but_trailing(records, lambda cells: is_blank(cells) and cells != [""], [""])
        return self._rows_of(records, columns)

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
        there = (one for one in lines if not _is_empty(one[1], delimiter))
        if not self.keeps_blank:
            return islice(there, 1 if self.header else 0, None)
        if self.header:
            next(there)
        return _but_trailing(lines, lambda line: _is_empty(line, delimiter), "\n")

    def _rows_of(self, records: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Row]:
        """Yield these columns of the records below the header."""
        place_of = {name: place for place, name in enumerate(self.names)}
        places, width, first = [place_of[name] for name in columns], self.width, self.first
        decimal = self.decimal
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
            if decimal is not None:
                cells = [plain_number(cell, decimal) for cell in cells]
            yield Row(number, tuple([cells[place] or None for place in places]))

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


def _have_one_cell(look: Sequence[Sequence[str]]) -> bool:
    return all(len(cells) == 1 for cells in look)


def bare(name: str) -> str:
    """Strip blanks and byte order marks from a column's name."""
    return name.strip().strip(MARK).strip()


def plain_name(name: str) -> str:
    """Normalise a column's name for comparison with another header: in small letters."""
    return bare(name).casefold()


def is_blank(cells: Sequence[str]) -> bool:
    """Whether a record is a line without any cell."""
    return len(cells) < 2 and not "".join(cells).strip()


def _is_empty(line: str, delimiter: str) -> bool:
    """Whether a line, with its end, has no cell."""
    return line.isspace() and delimiter not in line


def _but_trailing(
    found: Iterable[tuple[int, Entry]], is_empty: Callable[[Entry], bool], empty: Entry
) -> Iterator[tuple[int, Entry]]:
    """Yield numbered lines, or records, up to the last one that is not empty; empty ones become `empty`."""
    waiting = 0
    for number, one in found:
        if is_empty(one):
            waiting += 1
            continue
        yield from ((number - place, empty) for place in range(waiting, 0, -1))
        waiting = 0
        yield number, one


def numbered(count: int) -> list[str]:
    """Names for columns without names: their numbers, from 1."""
    return [str(number) for number in range(1, count + 1)]


def sniff_delimiter(head: Sequence[str], whole: bool) -> str:
    """Find a file's delimiter by its first lines: the one that splits most rows into as many cells as the header,
    then the one with more cells. One that only the rows have is taken if most have it, so that the file is refused.

    whole: the file has no more lines.
    """
    best, delimiter = (0.0, 1), ","
    for one in DELIMITERS:
        first, *rows = [len(cells) for cells in _cut(head, whole, one, csv.QUOTE_MINIMAL)] or [0]
        if first > 1:
            best, delimiter = max((best, delimiter), ((1 + rows.count(first) / max(1, len(rows)), first), one))
        elif rows:
            width, count = Counter(rows).most_common(1)[0]
            if width > 1 and 2 * count > len(rows):
                best, delimiter = max((best, delimiter), ((count / len(rows), width), one))
    return delimiter


def has_quoting(path: Path, encoding: str) -> bool:
    """Whether quotes enclose cells in a tsv: they can be read so, and then no more rows have another number of cells
    than if quotes are ordinary characters."""
    if not any('"' in line for line in read_lines(path, encoding)):
        return False
    odd = {}
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        try:
            widths = Counter(
                len(cells) for _, cells in read_records(path, encoding, Dialect("\t", quoting, 0)) if cells
            )
        except DataError:
            return False
        odd[quoting] = widths.total() - max(widths.values(), default=0)
    return odd[csv.QUOTE_MINIMAL] <= odd[csv.QUOTE_NONE]


def read_records(path: Path, encoding: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, cells) of each record, numbered from 1; skipped lines are counted."""
    csv.field_size_limit(LONGEST_LINE)  # a cell may hold a whole book
    number = line = start = dialect.skipped
    lines = islice(read_lines(path, encoding, newline=""), start, None)
    reader = csv.reader(lines, delimiter=dialect.delimiter, quoting=dialect.quoting, strict=True)  # type: ignore[arg-type]
    try:
        for number, cells in enumerate(reader, start=start + 1):
            yield number, cells
            line = start + reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path}, row {number + 1:,} (line {line + 1:,}): {error}.\n"
            'A cell that begins with a double quote must end with one; write a quote within it twice: "".'
        ) from None


def _head(path: Path, encoding: str) -> tuple[list[str], bool]:
    """Read the first lines of a file; also return whether these are all."""
    head, characters = list[str](), 0
    lines = read_lines(path, encoding, newline="")
    for line in lines:
        head.append(line)
        characters += len(line)
        if len(head) == LOOKED_LINES or characters > LOOKED_CHARACTERS:
            return head, next(lines, None) is None
    return head, True


def _cut(head: Sequence[str], whole: bool, delimiter: str, quoting: int) -> list[list[str]]:
    """Parse the first records of these lines that are not blank. Errors in quotes are not raised here, and the last
    record counts only if it is complete."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(head, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    records = [cells for cells in islice(reader, SAMPLE_ROWS + 1) if not is_blank(cells)]
    return records if whole or len(records) > SAMPLE_ROWS or len(records) < 2 else records[:-1]


def _is_index(look: Sequence[Sequence[str]]) -> bool:
    """Whether the first column holds row numbers, which pandas writes without a name."""
    return all(row[0].isdecimal() for row in look)


def _looks_like_data(first: Sequence[str], look: Sequence[Sequence[str]]) -> bool:
    """Whether a first row looks like those below: a number above numbers, or a cell that is repeated below."""
    for place, name in enumerate(first[:COMPARED]):
        below = [row[place] for row in look if len(row) == len(first) and row[place]]
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
