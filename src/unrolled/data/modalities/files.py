"""Cells that are paths of files, and what audio files and images share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.cells.cell import Cell, InvalidCell
from unrolled.errors import MediaError

NEARLY_ALL = 0.9  # share of a column's first cells that must be paths of one kind of file
MOST_EQUAL = 0.95  # share of files that may be equal
TOLERANCE = 3  # levels of a sample, or of a colour, by which nearly equal ones may differ
BLANK = 3  # an item whose samples or colours span a smaller range counts as blank
LONGEST_SHOWN = 200  # characters of a path that is not there
CHECK_DECODING = "Open one to check that it is decoded correctly"


def resolve_paths(cells: tuple[Cell, ...], folder: Path) -> tuple[Cell, ...]:
    """Cells with their paths resolved against the table's folder; a URL stays unchanged."""
    return tuple(str(folder / cell) if isinstance(cell, str) and "://" not in cell else cell for cell in cells)


def path_of(cell: Cell, place: str) -> Path:
    """The path in a cell. Raises MediaError if there is no such file, InvalidCell for a list or an array."""
    if isinstance(cell, list | np.ndarray):
        said = (
            f"{place}: {'a list' if isinstance(cell, list) else 'an array'}, where the path of a file was expected."
        )
        raise InvalidCell(said, "Leave out --input-type.", "Give the paths of files.")
    name = str(cell)
    if not os.path.isfile(name):  # noqa: PTH113 - False for a name that is too long
        folder = "current folder" if place.startswith("the data") else "table's folder"  # data in memory has no file
        where = "" if place == name[:60] else f" Paths are relative to the {folder}."
        where = " Nothing is downloaded: save the files, and write their paths." if "://" in name else where
        shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
        raise MediaError(f"{place}: there is no file '{shown}'.{where}")
    return Path(name)


def are_paths(cells: Sequence[Cell], endings: tuple[str, ...]) -> bool:
    """Whether nearly all of a column's first cells are names of files with these endings."""
    named = sum(isinstance(cell, str) and cell.lower().endswith(endings) for cell in cells)
    return named > 0 and named >= NEARLY_ALL * len(cells)


def is_constant(item: Any) -> bool:
    """Whether samples are silent, or an image has one colour."""
    return int(item.max()) - int(item.min()) < BLANK
