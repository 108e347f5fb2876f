"""Numbers whose points may part thousands, 12.345 beside 345: as they are written, which is meant is not plain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from unrolled.data.csv_form import CsvTable
from unrolled.data.table_file import Cell, TableFile
from unrolled.errors import DataError

LOOKED_ROWS, MOST_COLUMNS = 1000, 100  # of a table, that are looked at
FEWEST = 5  # numbers with a point
POINTED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
SHORT = re.compile(r"[+-]?\d{1,3}")


def may_part_thousands(cells: Sequence[Cell]) -> str | None:
    """The first of these numbers with a point, where each such number has three digits behind it, and what has none
    is a whole number of up to three digits; None where the points stand before decimals."""
    written = [cell.strip() for cell in cells if isinstance(cell, str)]
    pointed = [cell for cell in written if POINTED.fullmatch(cell)]
    short = sum(SHORT.fullmatch(cell) is not None for cell in written)
    if len(pointed) < FEWEST or not short or len(pointed) + short < len(written):
        return None
    return pointed[0]


def check_thousands(table: TableFile, names: Sequence[str]) -> None:
    """Raises DataError where points of one of these columns may part thousands, and --decimal does not say so."""
    if not isinstance(table, CsvTable) or table.decimal is not None:
        return
    names = names[:MOST_COLUMNS]
    rows = [row.cells for row in islice(table.rows(names), LOOKED_ROWS)] if names else []
    for place, name in enumerate(names):
        if one := may_part_thousands([cells[place] for cells in rows]):
            raise DataError(
                f"{table.path}: '{name}' holds numbers such as {one}, with three digits behind each point, and whole "
                "numbers\nof up to three digits beside them. Where the point parts thousands "
                f"({one.replace('.', '')}): --decimal ,\nWhere it stands before the decimals: --decimal ."
            )
