"""What is wrong with the first row of a csv beside those below it, said with what settles it: another delimiter, a
name too few, a comment."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.delimiters import DELIMITERS, PARTED
from unrolled.data.written_numbers import is_number, shortened
from unrolled.errors import DataError, typed

MARKS = ("::", "^", "~", "§", "¦", "¬", "\x01", "\x02", "\x1c", "\x1d", "\x1e", "\x1f")
"""What parts cells in files of other programs."""
COMMENT = re.compile("#|%|//|--")  # what begins a line that is no row
FEWEST = 2  # rows that a mark, or blanks, cut as the first
NAME = re.compile(r"\s*[^\W\d][\w .#/()%-]*")  # of a column


def check_marks(path: Path, lines: Sequence[str]) -> None:
    """Raises DataError where a mark that tells no cells apart here cuts the first of these lines and nearly all
    others alike; or where blanks do, and what stands between them are names and numbers."""
    lines = [line.strip("\r\n") for line in lines]
    listed = ", ".join(DELIMITERS.values())
    for mark in MARKS:
        if mark in lines[0] and _cut_alike([len(_split(line, mark)) for line in lines]):
            shown = escaped(mark)
            pattern = f"\\{mark}" if mark == "^" else shown  # which is the beginning of a line to sed
            raise DataError(
                f"{path}: '{shown}' stands as often in each row, as if it parted cells; what parts them are "
                f"{listed}.\nWrite one of these in its place, such as a tab, into a .tsv: "
                f"sed 's/{pattern}/\\t/g' {typed(path)} > "
                f"{typed(path.with_suffix('.tsv').name)}"
            )
    rows = [line.split() for line in lines]
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numbered = any(all(map(is_number, column)) for column in zip(*below, strict=True))
    if _cut_alike([len(row) for row in rows]) and numbered and all(map(NAME.fullmatch, first)):
        raise DataError(
            f"{path}: blanks stand between as many words and numbers in each row, as if they parted cells; what "
            f"parts them are {listed}.\nWrite a tab in their place, into a .tsv: "
            f"sed -E 's/ +/\\t/g' {typed(path)} > {typed(path.with_suffix('.tsv').name)}"
        )


def _split(line: str, mark: str) -> list[str]:
    """A line's cells; quotes enclose some of them where the mark is a single character."""
    if len(mark) > 1:
        return line.split(mark)
    try:
        return next(csv.reader([line], delimiter=mark))
    except (csv.Error, StopIteration):
        return [line]


def _cut_alike(counts: Sequence[int]) -> bool:
    """Whether a first line is cut into several cells, and nearly all others into as many."""
    first, *rows = counts
    return first > 1 and len(rows) >= FEWEST and rows.count(first) >= PARTED * len(rows)


def check_first(path: Path, first: str, delimiter: str, usual: int) -> None:
    """Raises DataError for a first line of one cell above rows of several, as many of which there are in `usual`:
    one that is cut by another delimiter than these, or a comment."""
    if usual < 2:
        return
    for one in DELIMITERS:
        if first.count(one) == usual - 1:
            raise _other_header(path, one, delimiter)
    if found := COMMENT.match(first):
        raise DataError(
            f"{path}, row 1: '{shortened(first)}' has no names for the {usual} cells that most rows have.\n"
            f"Is it a comment? Take such lines out: grep -v '^{found[0]}' {typed(path)} > NEW"
        )


def check_other_rows(path: Path, lines: Sequence[str], delimiter: str) -> None:
    """Raises DataError where this delimiter cuts the first line, and another, which is not in it, the others into as
    many cells: a tab, which stands in no text, or any where the first delimiter cuts none of them."""
    first, *rows = lines
    count = len(_split(first, delimiter))
    if count < 2 or not rows:
        return
    uncut = all(delimiter not in row for row in rows)
    for one in DELIMITERS:
        if one not in first and (uncut or one == "\t") and all(len(_split(row, one)) == count for row in rows):
            raise _other_header(path, delimiter, one)


def _other_header(path: Path, first: str, others: str) -> DataError:
    """What to say of a header that is cut by another delimiter than the rows."""
    return DataError(
        f"{path}, row 1: what parts its cells is {DELIMITERS[first]}, and in most other rows it is "
        f"{DELIMITERS.get(others, others)}.\nHave the same in all: write the first row anew."
    )


def check_shorter(path: Path, first: Sequence[str], look: Sequence[Sequence[str]], delimiter: str) -> None:
    """Raises DataError where all rows have one cell more than the header: an empty one behind a last delimiter, or
    in front the name of the row, for which R writes no name."""
    count = len(first) + 1
    if len(first) < 2 or len(look) < FEWEST or any(len(cells) != count for cells in look):
        return
    said = DELIMITERS.get(delimiter, f"'{delimiter}'")
    if not any(cells[-1] for cells in look):
        raise DataError(
            f"{path}: {said} ends every row, and not the header, so that each has {count} cells, the last of them "
            f"empty,\nwhere the header names {len(first)} columns. Take it out of the rows: "
            f"sed '2,$s/{escaped(delimiter)}\\r*$//' {typed(path)} > NEW"
        )
    kept = [cells[0] for cells in look]
    if len(set(kept)) == len(kept):
        raise DataError(
            f"{path}: every row has {count} cells, and the header names {len(first)} columns; the first cells "
            f"({shortened(', '.join(kept[:2]))}, …) seem\nto be names of rows, as R's write.table writes them. "
            f"Give them one: sed '1s/^/row{escaped(delimiter)}/' {typed(path)} > NEW"
        )


def wrongly_named(path: Path, named: str, other: str) -> DataError:
    """What to say of a first line sep= that names another delimiter than parts the cells."""
    return DataError(
        f"{path}: its first line says sep={named}, and what parts the cells of its rows is {DELIMITERS[other]}.\n"
        f"Write sep={other} there, or take this line out: tail -n +2 {typed(path)} > NEW"
    )


def are_numbers(first: Sequence[str], look: Sequence[Sequence[str]]) -> bool:
    """Whether a number stands in the first row above numbers, as no name of a column does."""
    for name, cells in zip(first, zip(*(row for row in look if len(row) == len(first)), strict=True), strict=False):
        if is_number(name) and all(is_number(cell) for cell in cells if cell):
            return True
    return False


def escaped(delimiter: str) -> str:
    """A delimiter as it is typed."""
    return delimiter if delimiter.isprintable() else f"\\x{ord(delimiter):02x}"


def usual_width(look: Sequence[Sequence[str]]) -> int:
    """How many cells most of these rows have; 0 where there are none."""
    return Counter(map(len, look)).most_common(1)[0][0] if look else 0
