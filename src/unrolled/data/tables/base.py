"""The base class of tables: files of rows under named columns, read row by row and never held in memory.

Rows are numbered as an editor or a spreadsheet shows them: in a csv the header is row 1; in other formats the first
row of data is.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from unrolled.data.cells.cell import Cell
from unrolled.data.files.encodings import conversion_advice, describe_binary
from unrolled.data.files.fingerprints import digest_of
from unrolled.data.files.look import detect_encoding
from unrolled.errors import DataError

Picked = TypeVar("Picked")

SAMPLE_ROWS = 50  # rows at a table's beginning from which columns and delimiters are determined
MOST_LISTED = 20  # most columns named in a message
BLOCK = 1 << 20  # characters read at once, in formats without lines
LONGEST_LINE = 1 << 25  # most characters of a line, or of a cell, of a table in a text format
SURROGATES = re.compile("[\ud800-\udfff]")  # lone surrogates


class Row(NamedTuple):
    """Some cells of a row; a missing cell is None."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TableOptions:
    """How to read a table where the file alone does not decide it. A run keeps them for the tables it reads later."""

    header: bool = True  # csv and tsv: the first row names the columns; if not, they are called 1, 2, …
    decimal: str | None = None  # csv and tsv: the decimal mark, "," or "."; the other one separates thousands


DEFAULT_OPTIONS = TableOptions()  # a format that needs no options, or a csv with a header


class TableFile(ABC):
    """A table. Subclasses are final; `open` makes one by reading only the beginning of the file."""

    format: str  # the format's name in messages
    header = False  # whether the first line names the columns
    label_column: str | None = None  # the column that is always a label, whatever its cells: the names of folders
    text_column: str | None = None  # the column whose cells are always texts to generate
    names_without_header: tuple[str, ...] = ()  # column names with --no-header, if the first row may be data
    note: str = ""  # how the path was interpreted, printed with the description of the data
    ending = ""  # the ending of its files' names, where each file is a row
    skipped: tuple[Path, ...] = ()  # files of a folder that cannot be rows
    unnamed: int = 0  # columns without a name, not counting a first column of row numbers
    nested: frozenset[str] = frozenset()  # columns that cannot be read because their cells are objects
    split = "training"  # which split this table is
    arrays = ""  # the arrays, or folders, of this split, where one file or folder holds several splits
    splits: Mapping[str, TableFile] = {}  # "validation", "test": the other splits, if this is the training split
    takes_decimal = False  # whether --decimal says how its numbers are written
    targets: tuple[str, ...] = ()  # columns that a program gives as targets: the outputs, if none is named
    held_columns: frozenset[str] = frozenset()  # columns of arrays that a program holds as long as the table
    has_mixed_columns = True  # whether columns may be of any kind, dates included, and are quick to look through

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns

    @classmethod
    @abstractmethod
    def open(cls, path: Path) -> Self:
        """The table at an existing path. Raises DataError."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """These columns of each row, from the beginning. Raises DataError, with the row, where one cannot be read."""

    def count_rows(self, column: str) -> int:
        """The number of rows. column: any of its columns."""
        return sum(1 for _ in self.rows([column]))

    def rows_at(self, columns: Sequence[str], places: Sequence[int]) -> Iterator[Row]:
        """These columns of the rows at these places, from 0 and in order. Where the format allows, other rows are
        skipped without parsing, so errors in them are not reported."""
        return select_places(self.rows(columns), places)

    def as_written(self) -> TableFile:
        """The same table with its cells as they are written, whatever its options."""
        return self

    @property
    def listed(self) -> str:
        """The names of its columns for a message, at most the first 20."""
        more = len(self.columns) - MOST_LISTED
        names = ", ".join(self.columns[:MOST_LISTED]) or "none"
        return names + (f" … and {more:,} more" if more > 0 else "")

    @property
    def source(self) -> str:
        """Where its rows come from, for a message."""
        return f"{self.arrays} in {self.path}" if self.arrays else str(self.path)

    def missing_mark(self, column: str) -> str | None:
        """The mark for a missing entry in a column of lists; None where there is none."""
        return None

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes."""
        return digest_of(self.path)

    def place(self, number: int) -> str:
        """A row's place for a message: reviews.csv, row 17."""
        return f"{self.path}, row {number:,}"


class DerivedTable(TableFile):
    """A table whose rows are made of those of another one, `table`."""

    table: TableFile

    def missing_mark(self, column: str) -> str | None:
        return self.table.missing_mark(column)

    def fingerprint(self) -> str:
        return self.table.fingerprint()

    def place(self, number: int) -> str:
        return self.table.place(number)


def select_places(all_of_them: Iterable[Picked], places: Sequence[int]) -> Iterator[Picked]:
    """The elements at these places, from 0 and in order."""
    waiting = iter(places)
    following = next(waiting, -1)
    for place, one in enumerate(all_of_them):
        if place == following:
            yield one
            following = next(waiting, -1)
            if following < 0:
                return


def surrogate_error(place: str, name: str) -> DataError:
    """The error for a cell, or a column name, that contains a lone surrogate."""
    return DataError(
        f"{place}: '{SURROGATES.sub('?', name)}' holds half a character (a lone surrogate, \\ud800 to \\udfff), "
        "which is not valid text.\nThe file may be damaged. Leave the row out, or write it again."
    )


def encoding_of(path: Path, form: str) -> str:
    """The encoding of a table in a text format. Raises DataError where the file is not text."""
    encoding = detect_encoding(path)
    if encoding == "empty":
        raise DataError(f"{path} is empty. A table has a header and rows, or one row per line.")
    if encoding == "binary":
        raise DataError(f"{describe_binary(path)}\nA {form} file is UTF-8 text.")
    if encoding == "other text":
        raise DataError(f"{path} is not UTF-8 text, and a {form} file is.\n{conversion_advice(path)}")
    return encoding


def read_lines(path: Path, encoding: str, newline: str | None = None) -> Iterator[str]:
    """The lines of a file, with their ends. Raises DataError, with its number, for a line that is not text."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"  # so that the error names its line
    with path.open(encoding=encoding, errors=errors, newline=newline) as file:
        long = path.stat().st_size > LONGEST_LINE
        yield from _valid_lines(iter(lambda: file.readline(LONGEST_LINE + 1), "") if long else file, path)


def read_blocks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, about BLOCK characters at a time. Raises DataError as `read_lines`."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with path.open(encoding=encoding, errors=errors) as file:
        line = 1
        while block := file.read(BLOCK):
            _check_lines(block, path, line)
            yield block
            line += block.count("\n")


def _check_lines(block: str, path: Path, line: int) -> None:
    """Raise DataError, with the line number, where a block is not text. line: the line in which the block begins."""
    if "\0" in block or (not block.isascii() and SURROGATES.search(block)):
        for _ in _valid_lines(block.split("\n"), path, line):
            pass


def _valid_lines(lines: Iterable[str], path: Path, first: int = 1) -> Iterator[str]:
    for number, line in enumerate(lines, start=first):
        if len(line) > LONGEST_LINE:
            raise DataError(
                f"{path}, line {number:,}: longer than {LONGEST_LINE:,} characters, too long for a row of a table.\n"
                "Check that the file is a table and has line ends."
            )
        if "\0" in line:
            raise DataError(
                f"{path}, line {number:,}: a NUL character, which is not valid text. The file may be damaged."
            )
        if not line.isascii() and SURROGATES.search(line):
            raise DataError(f"{path}, line {number:,}: not valid UTF-8.\n{conversion_advice(path)}")
        yield line
