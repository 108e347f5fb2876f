"""csv and tsv: a header, then a row a record; delimiters are told apart, and whether a tsv has quotes."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

from unrolled.data.table_file import LOOKED_AT, USUAL, Row, TableFile, TableOptions, encoding_of, read_lines
from unrolled.errors import DataError

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class CsvTable(TableFile):
    """A csv, or a tsv. Cells may hold delimiters, line ends and quotes that are written twice.

    In a tsv a quote is a character like others, as in most files of this form, unless the whole file can be read with
    quotes that enclose cells.
    """

    def __init__(
        self, path: Path, form: str, encoding: str, delimiter: str, quoting: int, options: TableOptions
    ) -> None:
        self.form, self.encoding, self.delimiter, self.quoting = form, encoding, delimiter, quoting
        self.header = options.header
        _, first = next(read_records(path, encoding, delimiter, quoting), (1, []))
        columns = tuple(name.strip() for name in first) if self.header else numbered(len(first))
        if not any(columns) or len(set(columns)) < len(columns):
            twice = next((name for name in columns if columns.count(name) > 1), "")
            raise DataError(
                f"{path}, row 1: names of columns were expected, each another; '{twice}' stands there more than once."
                "\nGive the columns names in a first row, such as: text,label"
            )
        super().__init__(path, columns)

    @classmethod
    def open(cls, path: Path, options: TableOptions = USUAL) -> Self:
        form = path.suffix.lower()[1:]
        encoding = encoding_of(path, form)
        if form != "tsv":
            return cls(path, form, encoding, sniff_delimiter(path, encoding), csv.QUOTE_MINIMAL, options)
        quoting = csv.QUOTE_MINIMAL if has_quoting(path, encoding) else csv.QUOTE_NONE
        return cls(path, form, encoding, "\t", quoting, options)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Empty cells are missing, and lines without any cell are passed over."""
        places, width = [self.columns.index(name) for name in columns], len(self.columns)
        records = read_records(self.path, self.encoding, self.delimiter, self.quoting)
        for number, cells in islice(records, int(self.header), None):
            if not cells:
                continue
            if len(cells) != width:
                raise DataError(
                    f"{self.path}, row {number:,}: {len(cells)} cells, where the header names {width} columns.\n"
                    f"A cell with {DELIMITERS[self.delimiter]} in it is put in double quotes."
                )
            yield Row(number, tuple(cells[place] or None for place in places))


def numbered(count: int) -> tuple[str, ...]:
    """The names of columns that have none: their numbers, from 1."""
    return tuple(map(str, range(1, count + 1)))


def sniff_delimiter(path: Path, encoding: str) -> str:
    """The delimiter that cuts the first rows into the most cells, as many in each."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            records = islice(read_records(path, encoding, delimiter, csv.QUOTE_MINIMAL), LOOKED_AT)
            widths = {len(cells) for _, cells in records}
        except DataError:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    return best


def has_quoting(path: Path, encoding: str) -> bool:
    """Whether a tsv can be read with quotes that enclose cells, as many cells in each row."""
    widths = set()
    try:
        for _, cells in read_records(path, encoding, "\t", csv.QUOTE_MINIMAL):
            widths.add(len(cells) or None)
            if len(widths - {None}) > 1:
                return False
    except DataError:
        return False
    return True


def read_records(path: Path, encoding: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each record, the header's number being 1."""
    csv.field_size_limit(sys.maxsize)  # a cell may hold a whole book
    number = 0
    lines = read_lines(path, encoding, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, cells
    except csv.Error as error:
        raise DataError(
            f"{path}, row {number + 1:,} (line {reader.line_num:,}): {error}.\n"
            'A cell that begins with a double quote ends with one; a quote within it is written twice: "".'
        ) from None
