"""Cells that are paths of files, and what audio files and images share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.data.cells.cell import Cell
from unrolled.errors import MediaError

NEARLY_ALL = 0.9  # share of a column's first cells that must be paths of one kind of file
MOST_EQUAL = 0.95  # share of files that may be equal
TOLERANCE = 3  # levels of a sample, or of a colour, by which nearly equal ones may differ
BLANK = 3  # an item whose samples or colours span a smaller range counts as blank
CHECK_DECODING = "Open one to check that it is decoded correctly"


def resolve_paths(cells: tuple[Cell, ...], folder: Path) -> tuple[Cell, ...]:
    """Cells with their paths resolved against the table's folder; a URL stays unchanged."""
    return tuple(str(folder / cell) if isinstance(cell, str) and "://" not in cell else cell for cell in cells)


def path_of(cell: Cell, place: str) -> Path:
    """The path in a cell. Raises MediaError if there is no such file."""
    path = Path(str(cell))
    if not path.is_file():
        where = "" if place == str(cell)[:60] else " Paths are relative to the table's folder."
        where = " Nothing is downloaded: save the files, and write their paths." if "://" in str(cell) else where
        raise MediaError(f"{place}: there is no file '{cell}'.{where}")
    return path


def are_paths(cells: Sequence[Cell], endings: tuple[str, ...]) -> bool:
    """Whether nearly all of a column's first cells are names of files with these endings."""
    named = sum(isinstance(cell, str) and cell.lower().endswith(endings) for cell in cells)
    return named > 0 and named >= NEARLY_ALL * len(cells)


def is_constant(item: Any) -> bool:
    """Whether samples are silent, or an image has one colour."""
    return int(item.max()) - int(item.min()) < BLANK
