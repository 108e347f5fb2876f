"""Columns of a table that are neither input nor output: they are listed, and a column of split names is refused."""

from __future__ import annotations

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.written_numbers import shortened
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.first_cells import first_cells
from unrolled.data.tables.split_names import SPLIT_WORDS, complete_splits
from unrolled.errors import DataError

NAMED = 3  # most columns named in a note
OPTIONS = {"validation": "--valid FILE", "test": "--test FILE"}


def unused_note(table: TableFile, columns: Columns) -> str:
    """The note that lists the unused columns of a table; "" where it has none."""
    names = [shortened(name) for name in _unread(table, columns)]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"not read: {', '.join(names[:NAMED])}{more}; to read others: --input" if names else ""


def check_no_splits(table: TableFile, columns: Columns) -> None:
    """Raise DataError for a column that names the split of each row, because the rows would not be split by it."""
    for name, cells in first_cells(table, _unread(table, columns)).items():
        if not cells or not all(map(_is_split, cells)):
            continue
        found = complete_splits(_kinds(table, name))
        if found:
            named = " ".join(option for split, option in OPTIONS.items() if split in found.values())
            raise DataError(
                f"{table.path}: '{name}' holds names of splits ({', '.join(sorted(found))}), which are ignored: "
                "all rows would be training data.\nWrite each split into its own file, and name the others: "
                f"{named}\nTo draw the splits at random instead: --valid 0.1 --test 0.1"
            )


def _unread(table: TableFile, columns: Columns) -> list[str]:
    used = {*columns.needed, columns.sequence, columns.time}
    return [name for name in table.columns if name not in used] if table.has_mixed_columns else []


def _is_split(cell: Cell) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in SPLIT_WORDS


def _kinds(table: TableFile, name: str) -> set[str]:
    """The different cells of a column of split names; empty where any cell is something else."""
    kinds = set[str]()
    for row in table.rows([name]):
        cell = row.cells[0]
        if cell is None:
            continue
        if not _is_split(cell):
            return set()
        kinds.add(str(cell).strip())
    return kinds
