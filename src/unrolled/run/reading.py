"""Whether a budget in minutes has time to read a table, asked before it is read."""

from __future__ import annotations

import math
from pathlib import Path

from unrolled.data import is_table
from unrolled.data.columns import choose_columns
from unrolled.data.inputs import find_input
from unrolled.data.reading_time import time_reading
from unrolled.data.tables import open_table
from unrolled.errors import DataError, OptionError
from unrolled.run.rows import table_options
from unrolled.settings import TrainSettings
from unrolled.training.plan import Clock

READING = 0.5  # share of a budget that reading may take
ADVISED = 0.35  # that it takes with what is advised


def check_reading(path: str | Path, settings: TrainSettings, clock: Clock) -> None:
    """Raises OptionError, with the options that settle it, where reading a table would take over half the budget."""
    if clock.budget is None or not is_table(path):
        return
    try:
        table = open_table(path, table_options(settings))
        columns = choose_columns(table, settings.input, settings.output, settings.group, settings.sequence)
        found = None if columns.sequence else time_reading(table, columns, find_input(table, columns, settings.read))
    except (DataError, OptionError):  # said, with all that belongs to it, by who reads it
        return
    if found is None:
        return
    seconds = found.seconds(settings.rows)
    if seconds <= READING * clock.budget:
        return
    minutes = math.ceil(seconds / ADVISED / 6) / 10
    rows = found.rows_within(ADVISED * clock.budget)
    fewer = f"Read fewer of them, drawn evenly: --rows {rows}; or give it more time" if rows else "Give it more time"
    what = "all" if settings.rows is None else f"{settings.rows:,}"
    raise OptionError(
        f"{path}: to read {what} of its {found.rows:,} rows takes about {seconds / 60:.1f} minutes here, more than "
        f"half of --minutes {clock.budget / 60:g}.\n{fewer}: --minutes {minutes:g}."
    )
