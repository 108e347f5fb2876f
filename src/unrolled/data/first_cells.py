"""What the first rows of a table's columns hold: numbers, amounts, dates, ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise

from unrolled.data.column_kinds import LEAST_ROWS
from unrolled.data.dates import date_reader
from unrolled.data.file_names import IDS
from unrolled.data.table_file import LOOKED_AT, Cell, TableFile
from unrolled.data.written_numbers import all_numbers, is_nearly, is_number, is_undefined, unit_of

NUMBERED = re.compile(
    r"Unnamed: ?\d+(?:\.\d+)?|index|idx|rownames?|row|row_?(id|no|num|number)|no\.?|nr\.?|#", re.IGNORECASE
)
"""Names of columns that hold the numbers of the rows, where they do."""


def first_cells(table: TableFile, names: Sequence[str]) -> dict[str, list[Cell]]:
    """What the first rows of columns hold, each without its empty cells; of one with objects in its cells nothing."""
    plain = [name for name in names if name not in table.nested]
    rows = [row.cells for row in islice(table.rows(plain), LOOKED_AT)] if plain else []
    found = {name: [cells[place] for cells in rows if cells[place] is not None] for place, name in enumerate(plain)}
    return {name: found.get(name, []) for name in names}


def holds_dates(cells: Sequence[Cell], name: str = "") -> bool:
    """Whether cells of a column are all dates or times, written in one way. name: the column's, by which numbers may
    be dates."""
    return date_reader(list(cells), name) is not None


def holds_numbers(cells: Sequence[Cell]) -> bool:
    """Whether most cells of a column are numbers, or nearly; the others are told of by their rows."""
    if all_numbers(cells) is not None:  # as in most columns of numbers, of which a table may have very many
        return True
    known = [cell for cell in cells if not is_undefined(cell)]
    return not known or 2 * sum(is_number(cell) or is_nearly(cell) for cell in known) > len(known)


def most_amounts(cells: Sequence[Cell]) -> list[Cell]:
    """Those of a column's cells that are a number with one unit, as 12 kg is, where they are most of them, and not of
    few kinds, as labels are; else none."""
    units = [unit_of(cell) for cell in cells]
    common = Counter(unit for unit in units if unit is not None).most_common(1)
    if not common or 2 * common[0][1] <= len(cells) or LEAST_ROWS * len(set(map(str, cells))) <= len(cells):
        return []
    return [cell for cell, unit in zip(cells, units, strict=True) if unit == common[0][0]]


def is_id(name: str, cells: Sequence[Cell]) -> bool:
    """Whether a column of numbers is called so that these are ids, or holds the numbers of the rows."""
    if IDS.fullmatch(name):
        return True
    if not NUMBERED.fullmatch(name) or not all(is_number(cell) for cell in cells):
        return False
    numbers = [float(cell) for cell in cells]  # type: ignore[arg-type]
    return all(after == before + 1 for before, after in pairwise(numbers))
