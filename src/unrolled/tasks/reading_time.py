"""Whether a budget in minutes has time to read a table, asked before it is read."""

from __future__ import annotations

import math

from unrolled.data import is_table
from unrolled.data.columns import choose_columns
from unrolled.data.input_kinds import find_input
from unrolled.data.reading_time import time_reading
from unrolled.data.table_file import TableFile
from unrolled.errors import DataError, OptionError
from unrolled.options import TableSettings
from unrolled.training.plan import Clock

READING = 0.5  # share of a budget that reading may take
ADVISED = 0.35  # that it takes with what is advised
FEWER = 20_000  # rows that are advised where a budget has no time for any


def check_reading(table: TableFile, settings: TableSettings, clock: Clock | None) -> None:
    """Raises OptionError, with the options that settle it, where reading a table would take over half the budget."""
    if clock is None or clock.budget is None or not is_table(table.path):
        return
    try:
        columns = choose_columns(table, settings.input, settings.output, settings.group, settings.sequence)
        found = None if columns.sequence else time_reading(table, columns, find_input(table, columns, settings.read))
    except (DataError, OptionError):  # said, with all that belongs to it, by who reads it
        return
    if found is None:
        return
    seconds = found.seconds(settings.rows)
    if seconds <= READING * clock.budget:
        return
    rows = found.rows_within(ADVISED * clock.budget)
    if rows:
        cure = f"Read an even sample of them: --rows {rows}; or allow more time: --minutes {_minutes(seconds)}."
    else:
        needed = _minutes(found.seconds(FEWER))
        cure = (
            "Even skipping over the rows takes too long. Read an even sample of them in more time: "
            f"--rows {FEWER} --minutes {needed};\nor all of them: --minutes {_minutes(found.seconds(None))}."
        )
    what = "all" if settings.rows is None else f"{settings.rows:,}"
    raise OptionError(
        f"{table.path}: reading {what} of its {found.rows:,} rows takes about {seconds / 60:.1f} minutes here, more "
        f"than half of --minutes {clock.budget / 60:g}.\n{cure}"
    )


def _minutes(seconds: float) -> str:
    """The budget of which reading in so many seconds takes the advised share."""
    return f"{math.ceil(seconds / ADVISED / 6) / 10:g}"
