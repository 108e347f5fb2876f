"""What parts the cells of a line, by lines alone: for a file that is named as another form of table, or as a text."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
PARTED = 0.9  # share of the rows that have as many cells as the first line, from which a delimiter parts them all
FEWEST_ROWS = 8  # below the first line of a text, by which it looks like a table
FASTTEXT = re.compile(r"__label__\S+\s+\S")
TAGGED = re.compile(r"\S+( \S+){0,4} (O|[BIESLU]-\S+)")  # a word, what else is known of it, and its tag


def parted_by(head: Sequence[str], but: str = "") -> str | None:
    """The delimiter, other than `but`, that cuts the first of these lines and nearly all others alike."""
    found = [(cells, one) for one in DELIMITERS if one != but and (cells := _cells(head, one)) > 1]
    return max(found)[1] if found else None


def looks_like_table(head: Sequence[str]) -> str:
    """What a text that begins with these lines looks like, "" where it looks like no table."""
    lines = [line for line in head if line.strip()]
    delimiter = parted_by(lines) if len(lines) > FEWEST_ROWS else None
    return f"a table whose cells are parted by {DELIMITERS[delimiter]}" if delimiter is not None else ""


def looks_labelled(head: Sequence[str]) -> str:
    """What a text that begins with these lines looks like, and how it is had as that: words with their tags as of
    CoNLL-2003, lines with labels as of fastText; "" where it looks like neither."""
    lines = [line.strip() for line in head if line.strip()]
    if len(lines) <= FEWEST_ROWS:
        return ""
    if sum(FASTTEXT.match(line) is not None for line in lines) >= PARTED * len(lines):
        return "lines with labels, as of fastText (to learn these, write a csv with the columns text and label)"
    words = [line for line in lines if not line.startswith("-DOCSTART-")]
    tagged = sum(TAGGED.fullmatch(line) is not None for line in words)
    if tagged == len(words) > FEWEST_ROWS and len({line.count(" ") for line in words}) == 1:
        advice = "write a csv with the columns sentence, word and tag, and name it with --sequence sentence"
        return f"words with tags, as of CoNLL-2003 (to learn these, {advice})"
    return ""


def _cells(head: Sequence[str], delimiter: str) -> int:
    """Into how many cells a delimiter cuts the first line; 0 where it cuts others otherwise, or there are none."""
    try:
        first, *rows = (len(cells) for cells in csv.reader(head, delimiter=delimiter) if "".join(cells).strip())
    except (csv.Error, ValueError):
        return 0
    return first if rows and Counter(rows)[first] >= PARTED * len(rows) else 0
