"""Check the first row of a csv against the rows below it: another delimiter, a missing name, a comment."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.cells.written_numbers import is_number, shortened
from unrolled.data.files.delimiters import DELIMITERS, MOST_LINES
from unrolled.errors import DataError, new_name, shell_quote

SEPARATORS = ("::", "^", "~", "§", "¦", "¬", "\x01", "\x02", "\x1c", "\x1d", "\x1e", "\x1f")
"""Separators of cells in files of other programs."""
MARKS = (":", "#", "$", "@", "/", "\\", " -> ", " => ", " - ", "，", "；", "、", "،")
"""Marks that separate cells too, but are common in texts: only below a header whose names they separate."""
COMMENT = re.compile("#|%|//|--")  # beginnings of a line that is a comment
FEWEST = 2  # rows, at least, that a mark, or blanks, split like the first
NAME = re.compile(r"\s*[^\W\d][\w .#/()%-]*")  # of a column


def check_separators(path: Path, lines: Sequence[str]) -> None:
    """Raise DataError if an unsupported separator splits the first line and nearly all others into as many cells, or
    if blanks do, and the cells are names and numbers."""
    lines = [line.strip("\r\n") for line in lines]
    listed = ", ".join(DELIMITERS.values())
    for mark in (*SEPARATORS, *MARKS):
        rows = [_split(line, mark) for line in lines] if mark in lines[0] else []
        if rows and _are_alike([len(row) for row in rows]) and (mark in SEPARATORS or _has_names(rows)):
            plain = "" if mark in SEPARATORS else "\nTo train on the lines as text: --task language-modeling"
            raise DataError(
                f"{path}: each row has the same number of '{escaped(mark)}', as if it separated cells; supported "
                f"separators are {listed}.\nReplace it by one of these, such as a tab, and save that as .tsv: "
                f"sed 's/{_pattern(mark)}/\\t/g' {shell_quote(path)} > NEW.tsv{plain}"
            )
    rows = [line.split() for line in lines]
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numbered = any(all(map(is_number, column)) for column in zip(*below, strict=True))
    if _are_alike([len(row) for row in rows]) and numbered and all(map(NAME.fullmatch, first)):
        raise DataError(
            f"{path}: each row has the same number of words and numbers, as if the blanks separated cells; "
            f"supported separators are {listed}.\nReplace them by tabs, and save that as .tsv: "
            f"sed -E 's/^ +| +$//g; s/ +/\\t/g' {shell_quote(path)} > NEW.tsv"
        )


def _has_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first row has names of columns above cells: none of them is repeated below, and a column holds
    numbers or the same few cells."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    columns = list(zip(*below, strict=True))
    named = all(NAME.fullmatch(name) and name not in cells for name, cells in zip(first, columns, strict=True))
    few = any(all(map(is_number, cells)) or 2 * len(set(cells)) <= len(cells) for cells in columns)
    return named and few and len(set(first)) == len(first)


def check_quotes(path: Path, lines: Sequence[str], delimiter: str) -> None:
    """Raise DataError if rows have more cells than the first only because single quotes enclose their cells, or
    because a backslash is in front of each delimiter that belongs to a cell."""
    count = len(_split(lines[0], delimiter))
    if count < 2 or all(len(_split(line, delimiter)) <= count for line in lines):
        return
    named = DELIMITERS.get(delimiter, f"'{delimiter}'")
    for found, options, typed in (
        (f"{named} in single quotes", {"quotechar": "'"}, "quotechar=chr(39)"),
        (
            f"{named} after a backslash",
            {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
            "quoting=3, escapechar=chr(92)",
        ),
    ):
        try:
            rows = list(csv.reader(lines, delimiter=delimiter, **options))
        except csv.Error:
            continue
        if all(len(cells) == count for cells in rows if cells):
            raise DataError(
                f"{path}: cells contain {found}; expected: double quotes around such a cell.\n"
                f'Convert it: python -c "import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, '
                f"delimiter='{escaped(delimiter)}', {typed}))\" < {shell_quote(path)} > NEW.csv"
            )


def _pattern(mark: str) -> str:
    """A pattern of sed that matches a mark."""
    return re.sub(r"[][\\/.*^$]", r"\\\g<0>", mark) if mark.isprintable() else escaped(mark)


def _split(line: str, mark: str) -> list[str]:
    """Split a line into cells; these may be quoted if the mark is a single character."""
    if len(mark) > 1:
        return line.split(mark)
    try:
        return next(csv.reader([line], delimiter=mark))
    except (csv.Error, StopIteration):
        return [line]


def _are_alike(counts: Sequence[int]) -> bool:
    """Whether a first line has several cells, and nearly all others have equally many."""
    first, *rows = counts
    return first > 1 and len(rows) >= FEWEST and rows.count(first) >= MOST_LINES * len(rows)


def check_first(path: Path, first: str, delimiter: str, usual: int) -> None:
    """Raise DataError for a first line of one cell above rows of `usual` cells: it has another delimiter, or is a
    comment."""
    if usual < 2:
        return
    for one in DELIMITERS:
        if first.count(one) == usual - 1:
            raise _other_header(path, one, delimiter)
    if found := COMMENT.match(first):
        raise DataError(
            f"{path}, row 1: '{shortened(first)}' has no names for the {usual} cells that most rows have.\n"
            f"Is it a comment? Remove such lines: grep -v '^{found[0]}' {shell_quote(path)} > {new_name(path)}"
        )


def check_other_rows(path: Path, lines: Sequence[str], delimiter: str) -> None:
    """Raise DataError if this delimiter splits the first line, and another, which is not in it, the others into as
    many cells: a tab, or any delimiter if none of the others contains the first one."""
    first, *rows = lines
    count = len(_split(first, delimiter))
    if count < 2 or not rows:
        return
    uncut = all(delimiter not in row for row in rows)
    for one in DELIMITERS:
        if one not in first and (uncut or one == "\t") and all(len(_split(row, one)) == count for row in rows):
            raise _other_header(path, delimiter, one)


def _other_header(path: Path, first: str, others: str) -> DataError:
    """The error for a header with another delimiter than the rows."""
    return DataError(
        f"{path}, row 1: its cells are separated by {DELIMITERS[first]}, and those of most other rows by "
        f"{DELIMITERS.get(others, others)}.\nUse the same in all rows: correct the first row."
    )


def check_shorter(path: Path, first: Sequence[str], beginning: Sequence[Sequence[str]], delimiter: str) -> None:
    """Raise DataError if all rows have one cell more than the header: an empty last one, or the row's name in front,
    for which R writes no column name."""
    count = len(first) + 1
    if len(first) < 2 or len(beginning) < FEWEST or any(len(cells) != count for cells in beginning):
        return
    delimited = DELIMITERS.get(delimiter, f"'{delimiter}'")
    if not any(cells[-1] for cells in beginning):
        raise DataError(
            f"{path}: every row ends with {delimited}, but the header does not, so that each row has {count} cells, "
            f"the last one\nempty, where the header names {len(first)} columns. Remove it from the rows: "
            f"sed '2,$s/{escaped(delimiter)}\\r*$//' {shell_quote(path)} > {new_name(path)}"
        )
    kept = [cells[0] for cells in beginning]
    if len(set(kept)) == len(kept):
        raise DataError(
            f"{path}: every row has {count} cells, and the header names {len(first)} columns; the first cells "
            f"({shortened(', '.join(kept[:2]))}, …) seem\nto be names of rows, as R's write.table writes them. "
            f"Name their column: sed '1s/^/row{escaped(delimiter)}/' {shell_quote(path)} > {new_name(path)}"
        )


def wrong_sep_error(path: Path, named: str, other: str) -> DataError:
    """The error for a first line sep= that names another delimiter than the rows have."""
    return DataError(
        f"{path}: its first line says sep={named}, but the cells of its rows are separated by {DELIMITERS[other]}.\n"
        f"Write sep={other} there, or remove this line: tail -n +2 {shell_quote(path)} > {new_name(path)}"
    )


def are_numbers(first: Sequence[str], beginning: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has a number above numbers, which no column's name is."""
    for name, cells in zip(
        first, zip(*(row for row in beginning if len(row) == len(first)), strict=True), strict=False
    ):
        if is_number(name) and all(is_number(cell) for cell in cells if cell):
            return True
    return False


def escaped(delimiter: str) -> str:
    """Return a delimiter as it is typed."""
    return delimiter if delimiter.isprintable() else f"\\x{ord(delimiter):02x}"


def usual_width(beginning: Sequence[Sequence[str]]) -> int:
    """Return the number of cells that most of these rows have; 0 if there are no rows."""
    return Counter(map(len, beginning)).most_common(1)[0][0] if beginning else 0
