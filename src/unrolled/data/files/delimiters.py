"""Find the delimiter of lines, for a file named as another form of table, or as a text."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
MOST_LINES = 0.9  # share of rows with as many cells as the first line, from which a delimiter is accepted
FEWEST_ROWS = 8  # rows below the first line, from which a text may look like a table
FASTTEXT = re.compile(r"__label__\S+\s+\S")
TAGGED = re.compile(r"\S+( \S+){0,4} (O|[BIESLU]-\S+)")  # a word, other columns, and its tag


def find_delimiter(head: Sequence[str], but: str = "") -> str | None:
    """Return the delimiter, not `but`, that cuts the first line and nearly all others into equally many cells."""
    found = [(cells, one) for one in DELIMITERS if one != but and (cells := _cells(head, one)) > 1]
    return max(found)[1] if found else None


def describe_table(head: Sequence[str]) -> str:
    """Describe the table that a text beginning with these lines looks like; "" if it does not look like one."""
    lines = [line for line in head if line.strip()]
    delimiter = find_delimiter(lines) if len(lines) > FEWEST_ROWS else None
    return f"a table whose cells are separated by {DELIMITERS[delimiter]}" if delimiter is not None else ""


def describe_labelled(head: Sequence[str]) -> str:
    """Describe a text that begins with these lines, and how to train on it: words with tags as in CoNLL-2003, lines
    with labels as in fastText; "" if it looks like neither."""
    lines = [line.strip() for line in head if line.strip()]
    if len(lines) <= FEWEST_ROWS:
        return ""
    if sum(FASTTEXT.match(line) is not None for line in lines) >= MOST_LINES * len(lines):
        return "lines with labels, as in fastText (to train on them, write a csv with the columns text and label)"
    words = [line for line in lines if not line.startswith("-DOCSTART-")]
    tagged = sum(TAGGED.fullmatch(line) is not None for line in words)
    if tagged == len(words) > FEWEST_ROWS and len({line.count(" ") for line in words}) == 1:
        advice = "write a csv with the columns sentence, word and tag, and name it with --sequence sentence"
        return f"words with tags, as in CoNLL-2003 (to train on them, {advice})"
    return ""


def _cells(head: Sequence[str], delimiter: str) -> int:
    """Count the cells of the first line; 0 if other lines have another number, or there are no other lines."""
    try:
        first, *rows = (len(cells) for cells in csv.reader(head, delimiter=delimiter) if "".join(cells).strip())
    except (csv.Error, ValueError):
        return 0
    return first if rows and Counter(rows)[first] >= MOST_LINES * len(rows) else 0
