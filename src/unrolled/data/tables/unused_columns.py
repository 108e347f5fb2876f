"""Columns of a table that are neither input nor output: they are listed, and a column of split names is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.written_numbers import shortened
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.first_cells import first_cells
from unrolled.data.tables.split_names import split_of
from unrolled.errors import DataError

NAMED = 3  # most columns named in a note
OPTIONS = {"validation": "--valid FILE", "test": "--test FILE"}
LONGEST = 40  # characters of a split's name
FOLD = re.compile(
    r"(fold|split|cv|part|batch|subset|speaker|spkr?|patient|subject|subj?|user|person|source|session|camera|cam|site|"
    r"day|run|trial)[\W_]*\d+",
    re.IGNORECASE,
)
"""Folders that are more likely folds or sources of files than labels."""
FLAG_NAME = re.compile(r"(is|in|for|use)[\W_]?(train|test|valid|validation|val|dev)(ing)?([\W_]?set)?", re.IGNORECASE)
FLAGS = {one: one for one in ("0", "1", "true", "false", "yes", "no", "t", "f", "y", "n")}


def unused_note(table: TableFile, columns: Columns) -> str:
    """The note that lists the unused columns of a table; "" where it has none."""
    names = [shortened(name) for name in _unread(table, columns)]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"not read: {', '.join(names[:NAMED])}{more}; to read others: --input" if names else ""


def check_no_splits(table: TableFile, columns: Columns) -> None:
    """Raise DataError for a column that names the split of each row, or says whether a row belongs to one, because
    the rows would not be split by it."""
    for name, cells in first_cells(table, _unread(table, columns)).items():
        read = _flag if FLAG_NAME.fullmatch(name) else _named_split
        if not cells or any(read(cell) is None for cell in cells):
            continue
        kinds = _kinds(table, name, read)
        found = set(kinds.values())
        if (read is _flag and len(found) > 1) or {"training"} < found:
            named = [option for split, option in OPTIONS.items() if split in found] or [OPTIONS["test"]]
            raise DataError(
                f"{table.path}: '{name}' holds names of splits ({', '.join(sorted(kinds))}), which are ignored: "
                f"all rows would be training data.\nWrite each split into its own file, and name the others: "
                f"{' '.join(named)}\nTo draw the splits at random instead: --valid 0.1 --test 0.1"
            )


def check_no_folds(table: TableFile, columns: Columns) -> None:
    """Raise DataError for folders fold1, fold2, … that all hold the same folders, where nothing says which of the two
    are the labels."""
    if table.label_column is None or "folder1" not in table.columns or columns.outputs != (table.label_column,):
        return
    inside: dict[str, set[str]] = {}
    for row in table.rows([table.label_column, "folder1"]):
        inside.setdefault(str(row.cells[0]), set()).add(str(row.cells[1]))
    outer, inner = sorted(inside), sorted(set.union(*inside.values()))
    if len(inner) > 1 and all(map(FOLD.fullmatch, outer)) and all(one == set(inner) for one in inside.values()):
        group = f" --group {table.label_column}" if len(outer) >= len(SPLITS) else ""
        raise DataError(
            f"{table.path}: its folders {_listed(outer)} hold the same folders {_listed(inner)}; which of these are "
            f"the labels is not clear.\nIf it is {_listed(inner)}: --output folder1{group}\n"
            f"If it is {_listed(outer)}: --output {table.label_column}"
        )


def _listed(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    return ", ".join(map(shortened, names[:NAMED])) + (", …" if len(names) > NAMED else "")


def _unread(table: TableFile, columns: Columns) -> list[str]:
    used = {*columns.needed, columns.sequence, columns.time}
    return [name for name in table.columns if name not in used] if table.has_mixed_columns else []


def _named_split(cell: Cell) -> str | None:
    """The split that a cell names: train, PublicTest; None for any other cell."""
    return split_of(cell.strip()) if isinstance(cell, str) and len(cell) <= LONGEST else None


def _flag(cell: Cell) -> str | None:
    """The answer yes or no in a column such as is_train; None for any other cell."""
    return FLAGS.get(str(cell).strip().lower())


def _kinds(table: TableFile, name: str, read: Callable[[Cell], str | None]) -> dict[str, str]:
    """The different cells of a column of split names, and what each means; empty where any cell is something else."""
    kinds = dict[str, str]()
    for row in table.rows([name]):
        cell = row.cells[0]
        if cell is None:
            continue
        if (split := read(cell)) is None:
            return {}
        kinds[str(cell).strip()] = split
    return kinds
