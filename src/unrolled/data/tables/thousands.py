"""Numbers whose points may separate thousands, such as 12.345 among numbers such as 345: ambiguous as written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from unrolled.data.cells.cell import Cell
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.csv import CsvTable
from unrolled.errors import DataError

LOOKED_ROWS, MOST_COLUMNS = 1000, 100  # rows and columns of a table that are examined
FEWEST = 5  # numbers with a point from which on a column is in doubt
POINTED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
SHORT = re.compile(r"[+-]?\d{1,3}")


def ambiguous_thousands(cells: Sequence[Cell]) -> str | None:
    """The first number with a point, if every point is followed by three digits and all other numbers are integers of
    up to three digits; None where the points are decimal marks."""
    written = [cell.strip() for cell in cells if isinstance(cell, str)]
    pointed = [cell for cell in written if POINTED.fullmatch(cell)]
    short = sum(SHORT.fullmatch(cell) is not None for cell in written)
    if len(pointed) < FEWEST or not short or len(pointed) + short < len(written):
        return None
    return pointed[0]


def check_thousands(table: TableFile, names: Sequence[str]) -> None:
    """Raise DataError where the points in one of these columns may separate thousands, unless --decimal is given."""
    if not isinstance(table, CsvTable) or table.decimal is not None:
        return
    names = names[:MOST_COLUMNS]
    rows = [row.cells for row in islice(table.rows(names), LOOKED_ROWS)] if names else []
    for place, name in enumerate(names):
        if one := ambiguous_thousands([cells[place] for cells in rows]):
            raise DataError(
                f"{table.path}: '{name}' holds numbers such as {one}, with three digits after each point, and "
                "integers\nof up to three digits. If the point separates thousands "
                f"({one.replace('.', '')}): --decimal ,\nIf it is the decimal mark: --decimal ."
            )
