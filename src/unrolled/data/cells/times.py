"""Times of day and durations in cells, such as 59:07 and 1:02:33: they are quantities, not text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.written_numbers import is_missing, shortened
from unrolled.errors import DataError

CLOCK = re.compile(  # hours and minutes, or minutes and seconds; the second has two digits and is below 60
    r"(?P<sign>[+-])?(?P<days>\d+ days?,? \+?)?\d{1,4}:[0-5]\d(?P<seconds>:[0-5]\d)?(?P<decimals>[.,]\d+)?"
    r"(?P<half> ?[ap]\.?m\.?)?",
    re.IGNORECASE,
)
HOURS, MINUTES = r"\d+ ?h(?:(?:ou)?rs?)?\.?", r"\d+ ?m(?:in(?:ute)?s?)?\.?"
SECONDS = r"\d+(?:[.,]\d+)? ?s(?:ec(?:ond)?s?)?\.?"
UNITS = re.compile(  # 1h 02m, 3 min 20 s, PT1H30M: two units; with a single one it is an amount
    rf"{HOURS},? ?{MINUTES}(?:,? ?{SECONDS})?|{MINUTES},? ?{SECONDS}"
    r"|P(?:\d+D)?T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:[.,]\d+)?S)?",
    re.IGNORECASE,
)
PADDED = re.compile(r"\d+:0\d")
LONGEST = 40  # most characters of a time
SECONDS_IN = re.compile(r"(?:(?:(?P<hours>\d+):)?(?P<minutes>[0-5]?\d):)?(?P<seconds>\d+(?:[.,]\d+)?)")


def is_time(cell: Any) -> bool:
    """Whether a cell has the form of a time. Scores (31:28), verses (3:16) and ratios may have it too."""
    if isinstance(cell, time | timedelta):
        return True
    if not isinstance(cell, str) or len(cell) > LONGEST:
        return False
    written = cell.strip()
    return bool(written) and (CLOCK.fullmatch(written) or UNITS.fullmatch(written)) is not None


def seconds_of(cell: Any) -> float | None:
    """A time of a recording in seconds: of 12.5, 01:02.5, 00:01:02.5 or a timedelta; None for another cell."""
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, time):
        return 3600 * cell.hour + 60 * cell.minute + cell.second + cell.microsecond / 1e6
    found = SECONDS_IN.fullmatch(str(cell).strip()) if isinstance(cell, str | int | float) else None
    if found is None:
        return None
    seconds = float(found["seconds"].replace(",", "."))
    if found["minutes"] is None:
        return seconds
    return 3600 * int(found["hours"] or 0) + 60 * int(found["minutes"]) + seconds if seconds < 60 else None


def holds_times(cells: Sequence[Any]) -> bool:
    """Whether most cells of a column are times, and at least one can be nothing else: it has a leading zero in its
    minutes or seconds, three fields, decimals, or units."""
    known = [cell for cell in cells if not is_missing(cell)]
    found = [cell for cell in known if is_time(cell)]
    return 2 * len(found) > len(known) and any(map(_is_plain, found))


def _is_plain(cell: Any) -> bool:
    """Whether a cell in the form of a time can be nothing else."""
    clock = CLOCK.fullmatch(cell.strip()) if isinstance(cell, str) else None
    if clock is None:
        return True
    return any(clock.groupdict().values()) or PADDED.fullmatch(clock[0]) is not None


def times_error(path: Path, name: str, cells: Sequence[Cell], option: str) -> DataError:
    """The error for a column of times that would be read, or written, as text. option: "input" or "output"."""
    one = next(cell for cell in cells if is_time(cell))
    verb, as_text = ("read", "--input-type text") if option == "input" else ("learnt", "--task seq2seq")
    return DataError(
        f"{path}: '{name}' holds times, such as {shortened(one)}, which would be {verb} as text, not as amounts.\n"
        f"Write them as numbers, in seconds or hours, into a new column, and name it: --{option} seconds.\n"
        f"To have them {verb} as text nevertheless: {as_text}"
    )
