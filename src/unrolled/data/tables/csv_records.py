"""The records of a csv or tsv: rows of cells, numbered as an editor shows them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from unrolled.data.files.delimiters import DELIMITERS
from unrolled.data.tables.base import LONGEST_LINE, read_lines
from unrolled.errors import DataError

Entry = TypeVar("Entry")  # a line, or a record
FEWEST_ENCLOSED = {"\t": 2}  # lines in one quoted cell, from which they are rows if each has as many cells as a row
FEWEST_ENCLOSED_OTHER = 8  # with other delimiters, which also occur within texts


class Dialect(NamedTuple):
    """How the cells of a file are separated."""

    delimiter: str
    quoting: int  # a constant of the module csv
    skipped: int  # lines before the first record


def read_records(path: Path, encoding: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield (number, cells) of each record, numbered from 1; skipped lines are counted. Raises DataError for a quote
    without its partner, also if a later quote closes it, so that the rows between them become one cell."""
    csv.field_size_limit(LONGEST_LINE)  # a cell may hold a whole book
    number = last = start = dialect.skipped
    lines = islice(read_lines(path, encoding, newline=""), start, None)
    delimiter = dialect.delimiter
    reader = csv.reader(lines, delimiter=delimiter, quoting=dialect.quoting, strict=True)  # type: ignore[arg-type]
    fewest = FEWEST_ENCLOSED.get(delimiter, FEWEST_ENCLOSED_OTHER)
    try:
        for number, cells in enumerate(reader, start=start + 1):
            first, last = last + 1, start + reader.line_num
            if last - first >= fewest - 1 and _encloses_rows(cells, delimiter):
                raise _enclosed_rows(f"{path}, row {number:,}", first, last, len(cells), delimiter)
            yield number, cells
    except csv.Error as error:
        raise DataError(
            f"{path}, row {number + 1:,} (line {last + 1:,}): {error}.\n"
            'A cell that begins with a double quote must end with one; write a quote within it twice: "".'
        ) from None


def _encloses_rows(cells: Sequence[str], delimiter: str) -> bool:
    """Whether each line of a record has as many cells as the whole record, more than one."""
    lines = delimiter.join(cells).split("\n")
    return len(cells) > 1 and all(line.count(delimiter) == len(cells) - 1 for line in lines)


def _enclosed_rows(place: str, first: int, last: int, width: int, delimiter: str) -> DataError:
    return DataError(
        f"{place}: double quotes enclose lines {first:,} to {last:,}, although each of them has {width} cells, "
        f"separated by {DELIMITERS.get(delimiter, repr(delimiter))}.\nA quote may lack its partner. Remove it; or "
        'enclose its cell in quotes, and write each quote within it twice: """Yes"", she said"'
    )


def is_blank(cells: Sequence[str]) -> bool:
    """Whether a record is a line without any cell."""
    return len(cells) < 2 and not "".join(cells).strip()


def is_empty_line(line: str, delimiter: str) -> bool:
    """Whether a line, with its end, has no cell."""
    return line.isspace() and delimiter not in line


def without_trailing(
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
