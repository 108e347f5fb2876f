"""Find how the cells of a csv or tsv are separated: the delimiter, and whether quotes enclose cells."""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from unrolled.data.files.delimiters import DELIMITERS, find_delimiter
from unrolled.data.tables.base import SAMPLE_ROWS, read_lines
from unrolled.data.tables.csv_records import Dialect, is_blank, read_records
from unrolled.data.tables.headers import wrong_sep_error
from unrolled.errors import DataError

NAMED_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel writes and reads
LOOKED_LINES, LOOKED_CHARACTERS = 20 * SAMPLE_ROWS, 1 << 20  # at the beginning of a file, at most
QUOTED = re.compile(r'"[^"]*"')


class FirstLines(NamedTuple):
    """The first lines of a file."""

    lines: list[str]
    whole: bool  # the file has no more lines

    def without(self, skipped: int) -> FirstLines:
        """The same without its first lines."""
        return self._replace(lines=self.lines[skipped:])


def read_head(path: Path, encoding: str) -> FirstLines:
    """Read the first lines of a file."""
    head, characters = list[str](), 0
    lines = read_lines(path, encoding, newline="")
    for line in lines:
        head.append(line)
        characters += len(line)
        if len(head) == LOOKED_LINES or characters > LOOKED_CHARACTERS:
            return FirstLines(head, next(lines, None) is None)
    return FirstLines(head, whole=True)


def first_records(head: FirstLines, delimiter: str, quoting: int) -> list[list[str]]:
    """Parse the first records of these lines that are not blank. Errors in quotes are not raised here, and the last
    record counts only if it is complete."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(head.lines, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    records = [cells for cells in islice(reader, SAMPLE_ROWS + 1) if not is_blank(cells)]
    return records if head.whole or len(records) > SAMPLE_ROWS or len(records) < 2 else records[:-1]


def find_dialect(path: Path, encoding: str, head: FirstLines) -> tuple[Dialect, str]:
    """Find how a file's cells are separated. Also return a note if that is not as its name says. head: its first
    lines. Raises DataError if its first line names another delimiter than the rows have."""
    named = NAMED_DELIMITER.fullmatch(head.lines[0]) if head.lines else None
    skipped = int(named is not None)
    below = head.without(skipped)
    is_tsv, note = path.suffix.lower() == ".tsv", ""
    if named is not None:
        dialect = Dialect(named[1], csv.QUOTE_MINIMAL, skipped)
    elif is_tsv:
        quoting, note = find_quoting(path, encoding)
        dialect = Dialect("\t", quoting, skipped)
    else:
        dialect = Dialect(sniff_delimiter(below), csv.QUOTE_MINIMAL, skipped)
    if any(len(cells) > 1 for cells in first_records(below, dialect.delimiter, dialect.quoting)):
        return dialect, note
    other = find_delimiter(below.lines[:SAMPLE_ROWS], but=dialect.delimiter)
    if other is not None and named is not None:
        raise wrong_sep_error(path, dialect.delimiter, other)
    if other is not None and is_tsv:
        return Dialect(other, csv.QUOTE_MINIMAL, skipped), f"its cells are separated by {DELIMITERS[other]}"
    return dialect, note


def sniff_delimiter(head: FirstLines) -> str:
    """Find a file's delimiter by its first lines: the one that splits most rows into as many cells as the header,
    then the one with more cells. One that only the rows have is taken if most have it, so that the file is
    refused."""
    best, delimiter = (0.0, 1), ","
    for one in DELIMITERS:
        first, *rows = [len(cells) for cells in first_records(head, one, csv.QUOTE_MINIMAL)] or [0]
        if first > 1:
            best, delimiter = max((best, delimiter), ((1 + rows.count(first) / max(1, len(rows)), first), one))
        elif rows:
            width, count = Counter(rows).most_common(1)[0]
            if width > 1 and 2 * count > len(rows):
                best, delimiter = max((best, delimiter), ((count / len(rows), width), one))
    return delimiter


def find_quoting(path: Path, encoding: str) -> tuple[int, str]:
    """Find whether quotes enclose cells in a tsv: they can be read so, and then no more rows have another number of
    cells than if quotes are ordinary characters. Return a constant of the module csv, and a note if single cells look
    otherwise."""
    if not any('"' in line for line in read_lines(path, encoding)):
        return csv.QUOTE_NONE, ""
    bare, quoted = Counter[int](), 0
    for _, cells in read_records(path, encoding, Dialect("\t", csv.QUOTE_NONE, 0)):
        bare[len(cells)] += bool(cells)
        quoted += any(map(QUOTED.fullmatch, cells))
    enclosed, several = Counter[int](), 0
    try:
        for number, cells in read_records(path, encoding, Dialect("\t", csv.QUOTE_MINIMAL, 0)):
            enclosed[len(cells)] += bool(cells)
            several = several or (number if any("\n" in cell for cell in cells) else 0)
    except DataError as error:
        place = str(error).removeprefix(f"{path}, ").partition(": ")[0]
        note = f"quotes are taken as ordinary characters, because one in {place} has no partner" if quoted else ""
        return csv.QUOTE_NONE, note
    if _odd(enclosed) > _odd(bare):
        return csv.QUOTE_NONE, ""
    only = max(enclosed, default=0) == 1
    return csv.QUOTE_MINIMAL, f"quotes enclose several lines, first in row {several:,}" if several and only else ""


def _odd(widths: Counter[int]) -> int:
    """Count the rows with another number of cells than most have."""
    return widths.total() - max(widths.values(), default=0)
