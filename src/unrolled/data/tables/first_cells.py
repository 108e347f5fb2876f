"""Recognise what the first cells of a column are: numbers, amounts, dates, ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise

from unrolled.data.cells.cell import IDS, Cell
from unrolled.data.cells.column_kinds import LEAST_ROWS
from unrolled.data.cells.dates import date_reader
from unrolled.data.cells.written_numbers import is_number, unit_of
from unrolled.data.tables.base import SAMPLE_ROWS, TableFile

NUMBERED = re.compile(
    r"Unnamed: ?\d+(?:\.\d+)?|index|idx|rownames?|row|row_?(id|no|num|number)|no\.?|nr\.?|#", re.IGNORECASE
)
"""Names of columns that may hold row numbers."""


def first_cells(table: TableFile, names: Sequence[str]) -> dict[str, list[Cell]]:
    """Return the first cells of columns, without empty ones; none of a column with objects in its cells."""
    plain = [name for name in names if name not in table.nested]
    rows = [row.cells for row in islice(table.rows(plain), SAMPLE_ROWS)] if plain else []
    found = {name: [cells[place] for cells in rows if cells[place] is not None] for place, name in enumerate(plain)}
    return {name: found.get(name, []) for name in names}


def holds_dates(cells: Sequence[Cell], name: str = "") -> bool:
    """Whether a column's cells are all dates or times in one notation. name: the column's, which decides whether
    numbers may be dates."""
    return date_reader(list(cells), name) is not None


def find_amounts(cells: Sequence[Cell]) -> list[Cell]:
    """Return a column's cells that are numbers with one unit, such as 12 kg, if most cells are, and they are not as
    few different ones as labels are; else none."""
    units = [unit_of(cell) for cell in cells]
    common = Counter(unit for unit in units if unit is not None).most_common(1)
    if not common or 2 * common[0][1] <= len(cells) or LEAST_ROWS * len(set(map(str, cells))) <= len(cells):
        return []
    return [cell for cell, unit in zip(cells, units, strict=True) if unit == common[0][0]]


def is_id(name: str, cells: Sequence[Cell]) -> bool:
    """Whether a column holds ids, by its name, or row numbers."""
    if IDS.fullmatch(name):
        return True
    if not NUMBERED.fullmatch(name) or not all(is_number(cell) for cell in cells):
        return False
    numbers = [float(cell) for cell in cells]  # type: ignore[arg-type]
    return all(after == before + 1 for before, after in pairwise(numbers))
