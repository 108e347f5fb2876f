"""What parts the cells of a line, by lines alone: for a file that is named as another form of table, or as a text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
PARTED = 0.9  # share of the rows that have as many cells as the first line, from which a delimiter parts them all
FEWEST_ROWS = 8  # below the first line of a text, by which it looks like a table


def parted_by(head: Sequence[str], but: str = "") -> str | None:
    """The delimiter, other than `but`, that cuts the first of these lines and nearly all others alike."""
    found = [(cells, one) for one in DELIMITERS if one != but and (cells := _cells(head, one)) > 1]
    return max(found)[1] if found else None


def looks_like_table(head: Sequence[str]) -> str:
    """What a text that begins with these lines looks like, "" where it looks like no table."""
    lines = [line for line in head if line.strip()]
    delimiter = parted_by(lines) if len(lines) > FEWEST_ROWS else None
    return f"a table whose cells are parted by {DELIMITERS[delimiter]}" if delimiter is not None else ""


def _cells(head: Sequence[str], delimiter: str) -> int:
    """Into how many cells a delimiter cuts the first line; 0 where it cuts others otherwise, or there are none."""
    try:
        first, *rows = (len(cells) for cells in csv.reader(head, delimiter=delimiter) if "".join(cells).strip())
    except (csv.Error, ValueError):
        return 0
    return first if rows and Counter(rows)[first] >= PARTED * len(rows) else 0
