"""Check before reading a table whether a budget in minutes has time for it."""

from __future__ import annotations

import math

from unrolled.data import is_table
from unrolled.data.dataset.detect_input import detect_input
from unrolled.data.dataset.reading_time import time_reading
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import choose_columns
from unrolled.errors import DataError, OptionError
from unrolled.options import TableSettings
from unrolled.training.plan import Clock

READING = 0.5  # largest share of a budget for reading
ADVISED = 0.35  # share of a budget for reading with the advised options
FEWER = 20_000  # advised number of rows if a budget has no time for any


def check_reading(table: TableFile, settings: TableSettings, clock: Clock | None) -> None:
    """Raise OptionError, with options that help, if reading a table would take over half the budget."""
    if clock is None or clock.budget is None or not is_table(table.path):
        return
    try:
        columns = choose_columns(table, settings.input, settings.output, settings.group, settings.sequence)
        found = (
            None
            if columns.sequence
            else time_reading(table, columns, detect_input(table, columns, settings.input_type))
        )
    except (DataError, OptionError):  # reported with details when the table is read
        return
    if found is None:
        return
    seconds = found.seconds(settings.rows)
    if seconds <= READING * clock.budget:
        return
    rows = found.rows_within(ADVISED * clock.budget)
    if rows:
        advice = f"Read an even sample of them: --rows {rows}; or allow more time: --minutes {_minutes(seconds)}."
    else:
        needed = _minutes(found.seconds(FEWER))
        advice = (
            "Even skipping over the rows takes too long. Read an even sample of them in more time: "
            f"--rows {FEWER} --minutes {needed};\nor all of them: --minutes {_minutes(found.seconds(None))}."
        )
    what = "all" if settings.rows is None else f"{settings.rows:,}"
    raise OptionError(
        f"{table.path}: reading {what} of its {found.rows:,} rows takes about {seconds / 60:.1f} minutes here, more "
        f"than half of --minutes {clock.budget / 60:g}.\n{advice}"
    )


def _minutes(seconds: float) -> str:
    """The budget, in minutes, in which `seconds` of reading are the advised share."""
    return f"{math.ceil(seconds / ADVISED / 6) / 10:g}"
