"""What every table is: a file of rows under named columns, read row by row and never held.

Rows are numbered as an editor or a spreadsheet shows them: the header of a csv is row 1; the first row of the other
forms is row 1.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

from numpy.typing import NDArray

from unrolled.data.encodings import cure, describe_binary
from unrolled.data.fingerprints import digest_of
from unrolled.data.text import judge
from unrolled.errors import DataError

Cell: TypeAlias = str | int | float | bool | list[Any] | NDArray[Any] | None

Picked = TypeVar("Picked")

LOOKED_AT = 50  # rows of a table's beginning by which columns and delimiters are found
MOST_LISTED = 20  # columns named in a message
BLOCK = 1 << 20  # characters read together, where lines say nothing
LONGEST_LINE = 1 << 25  # characters of a line, or of a cell, of a table that is text
HALVES = re.compile("[\ud800-\udfff]")  # of characters: lone surrogates


class Row(NamedTuple):
    """Some cells of a row; a cell that is missing is None."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TableOptions:
    """How a table is read where its bytes leave it open. A run keeps them, and reads other tables by them."""

    header: bool = True  # of csv and tsv: the first row names the columns; if not, they are called 1, 2, …
    decimal: str | None = None  # of csv and tsv: what stands before a number's decimals; the other parts thousands


USUAL = TableOptions()  # a form that says all of itself, or a csv with a header


class TableFile(ABC):
    """A table. A subclass is final, and `open` makes it from a look at the file's beginning."""

    form: str  # as a person calls it
    header = False  # whether the first line names the columns
    label_column: str | None = None  # the column that is a label whatever it looks like: the names of folders
    bare_names: tuple[str, ...] = ()  # of its columns with --no-header, where the first row may be data
    note: str = ""  # how the path was understood, to be said with the data
    ending = ""  # of the names of its files, where each of them is a row
    skipped: tuple[Path, ...] = ()  # files of a folder that could not be rows
    unnamed: int = 0  # columns that have no name; a first one that holds the numbers of the rows is not counted
    nested: frozenset[str] = frozenset()  # columns that cannot be read, for objects stand in their cells
    split = "training"  # which one this is of those that came together
    arrays = ""  # those, or the folders, that a split is which stands in one file, or folder, with others
    splits: Mapping[str, TableFile] = {}  # "validation", "test": tables that came with this one, which is training
    mixed = True  # whether columns are of all kinds, dates among them, and can be looked through in no time

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self.columns = path, columns

    @classmethod
    @abstractmethod
    def open(cls, path: Path) -> Self:
        """The table at a path that is there. Raises DataError."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """These columns of each row, from the beginning. Raises DataError, with the row, where one cannot be read."""

    def count_rows(self, column: str) -> int:
        """How many rows it has. column: one of its columns."""
        return sum(1 for _ in self.rows([column]))

    def rows_at(self, columns: Sequence[str], places: Sequence[int]) -> Iterator[Row]:
        """These columns of the rows at these places, from 0 and in order. Where a row can be passed over without
        being cut into cells, it is: what is wrong with one that is not read is not told."""
        return pick(self.rows(columns), places)

    @property
    def listed(self) -> str:
        """The names of its columns for a message, the first of very many."""
        more = len(self.columns) - MOST_LISTED
        names = ", ".join(self.columns[:MOST_LISTED]) or "none"
        return names + (f" … and {more:,} more" if more > 0 else "")

    @property
    def whence(self) -> str:
        """Where its rows stand, for a line."""
        return f"{self.arrays} in {self.path}" if self.arrays else str(self.path)

    def blank(self, column: str) -> str | None:
        """What stands in a column's list where there is no entry; None where nothing does."""
        return None

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes."""
        return digest_of(self.path)

    def place(self, number: int) -> str:
        """Where a row stands: reviews.csv, row 17."""
        return f"{self.path}, row {number:,}"


class Unfit(DataError):
    """A cell that is not of its column's kind, or a header that is none. cure: what settles it while a model is made
    of the table; by_run: what does where a run, whose columns are settled, is given it."""

    def __init__(self, said: str, cure: str = "", by_run: str = "") -> None:
        super().__init__(f"{said}\n{cure}" if cure else said)
        self.for_run = DataError(f"{said}\n{by_run}" if by_run else said)


def pick(all_of_them: Iterable[Picked], places: Sequence[int]) -> Iterator[Picked]:
    """Those that stand at these places, from 0 and in order."""
    waiting = iter(places)
    following = next(waiting, -1)
    for place, one in enumerate(all_of_them):
        if place == following:
            yield one
            following = next(waiting, -1)
            if following < 0:
                return


def half_a_character(place: str, name: str) -> DataError:
    """What to say of a cell, or a name, with a lone surrogate in it."""
    return DataError(
        f"{place}: '{HALVES.sub('?', name)}' holds half a character (a lone surrogate, \\ud800 to \\udfff), which no "
        "text can.\nIs the file damaged? Leave the row out, or write it anew."
    )


def encoding_of(path: Path, form: str) -> str:
    """The encoding of a table that is text. Raises DataError where it is none."""
    encoding = judge(path)
    if encoding == "empty":
        raise DataError(f"{path} is empty. A table has a header and rows, or a row a line.")
    if encoding == "binary":
        raise DataError(f"{describe_binary(path)}\nA {form} file is UTF-8 text.")
    if encoding == "other text":
        raise DataError(f"{path} is not UTF-8 text, and a {form} file is.\n{cure(path)}")
    return encoding


def read_lines(path: Path, encoding: str, newline: str | None = None) -> Iterator[str]:
    """The lines of a file, with their ends. Raises DataError, with the line, for one that is no text."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"  # so that the line of a fault is known
    with path.open(encoding=encoding, errors=errors, newline=newline) as file:
        long = path.stat().st_size > LONGEST_LINE
        yield from _sound(iter(lambda: file.readline(LONGEST_LINE + 1), "") if long else file, path)


def read_blocks(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, about BLOCK characters at a time. Raises DataError as `read_lines`."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with path.open(encoding=encoding, errors=errors) as file:
        line = 1
        while block := file.read(BLOCK):
            _check_sound(block, path, line)
            yield block
            line += block.count("\n")


def _check_sound(block: str, path: Path, line: int) -> None:
    """Raises DataError for what is no text, with its line; the block begins in this one."""
    if "\0" in block or (not block.isascii() and HALVES.search(block)):
        for _ in _sound(block.split("\n"), path, line):
            pass


def _sound(lines: Iterable[str], path: Path, first: int = 1) -> Iterator[str]:
    for number, line in enumerate(lines, start=first):
        if len(line) > LONGEST_LINE:
            raise DataError(
                f"{path}, line {number:,}: longer than {LONGEST_LINE:,} characters, which no row of a table is.\n"
                "Is it a table, with line ends in it?"
            )
        if "\0" in line:
            raise DataError(f"{path}, line {number:,}: a NUL character, which no text holds. Is the file damaged?")
        if not line.isascii() and HALVES.search(line):
            raise DataError(f"{path}, line {number:,}: not valid UTF-8.\n{cure(path)}")
        yield line
