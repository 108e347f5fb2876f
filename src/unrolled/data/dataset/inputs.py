"""Kinds of input, and how each reads a row's cells: a text, a label, vectors, an audio file, an image.

`input_kinds` detects the kind of a table's columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import as_text
from unrolled.data.cells.written_numbers import (
    all_numbers,
    cure,
    is_missing,
    is_number,
    is_rounded,
    may_be_rounded,
    rounding_note,
    shortened,
)
from unrolled.data.dataset.item_store import Item
from unrolled.data.media.audio import AUDIO_ENDINGS, read_audio
from unrolled.data.media.images import DEEPEST, PICTURES, WHITE, read_image
from unrolled.data.tables.base import InvalidCell
from unrolled.data.tables.columns import list_as_text
from unrolled.errors import DataError, MediaError, typed
from unrolled.schema import Within, check

HIGHEST_RATE = 16_000  # samples per second, at most; speech needs no more
SMALLEST = 5  # least height and width of an image with channels first; more than the number of channels
OR_AS_TEXT = "Or read the column as text: --input-type text."
MOST_LISTED = 20  # columns listed at most in a suggested --input option
LARGEST = 64  # height and width of an image, at most
MEDIA = {"audio": AUDIO_ENDINGS, "image": PICTURES}


class MissingNumber(InvalidCell):
    """A cell with a marker for a missing number (nan, n/a); `--skip-empty` leaves its row out."""


class InputKind(ABC):
    """Reads an item from the cells of a row's input columns. Subclasses are final."""

    kind: ClassVar[str]

    @abstractmethod
    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> Item:
        """The item of a row. place: file and row, for errors. names: of the columns, if known. Raises DataError, and
        MediaError for a file that cannot be read."""

    def to_json(self) -> dict[str, Any]:
        """The kind as it is saved with a run."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class TextInput(InputKind):
    """A cell as text; the entries of a list stay distinguishable."""

    kind = "text"

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        if isinstance(cells[0], np.ndarray):
            raise InvalidCell(f"{place}: an array of numbers, where a text was expected.", "Leave out --input-type.")
        return list_as_text(cells[0])


@dataclass(frozen=True)
class CategoryInput(InputKind):
    """A whole cell as one of a few labels."""

    kind = "category"

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        return as_text(cells[0])


@dataclass(frozen=True)
class VectorInput(InputKind):
    """Numbers (T, D), one vector per step: from a list, an array, or one or several columns of numbers.

    series: each column is one step with one number; otherwise the columns are the numbers of a single step.
    channels_first: an array is an image (C, H, W), and each of its rows is a step.
    """

    width: Annotated[int, Within(1, 1 << 24)]  # D
    series: bool = False
    channels_first: bool = False
    kind = "vectors"

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.floating[Any]]:
        """float32 if the cells are arrays of at most 32 bits, else float64, so that a time in milliseconds or a
        latitude keeps its digits until it is scaled."""
        numbers = all_numbers(cells)
        if numbers is None:
            parts = as_numbers(cells, place, names)
            numbers = np.array(parts) if all(part.ndim == 0 for part in parts) else None
        elif may_be_rounded(numbers):
            as_numbers(cells, place, names)  # raises an error for the number at fault
        if numbers is None:
            found = self._joined(parts, place)
        else:
            found = numbers[:, None] if self.series else numbers[None]
        if found.shape[1] != self.width:
            raise InvalidCell(
                f"{place}: {found.shape[1]} numbers per step; {self.width} were expected, as in the other rows."
            )
        if not len(found):
            raise DataError(f"{place}: no steps; a row needs at least one.")
        return found

    def _joined(self, parts: list[NDArray[np.floating[Any]]], place: str) -> NDArray[np.floating[Any]]:
        """The columns (T,) or (T, …) of a row concatenated to (T, D). Raises DataError for unequal lengths."""
        if self.channels_first:
            parts = [np.moveaxis(part, 0, 2) if part.ndim == 3 else part for part in parts]
        steps = {len(part) for part in parts if part.ndim}
        if len(steps) > 1 or any(part.ndim == 0 for part in parts):
            counts = ", ".join(str(len(part)) if part.ndim else "1" for part in parts)
            raise DataError(f"{place}: columns of {counts} numbers; all need the same length, one number per step.")
        return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


@dataclass(frozen=True)
class AudioInput(InputKind):
    """A path to an audio file -> its samples (N,) as int16, mono, at `rate` per second."""

    rate: Annotated[int, Within(1, HIGHEST_RATE)]
    kind = "audio"

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.int16]:
        samples = read_audio(path_of(cells[0], place), self.rate)
        return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


@dataclass(frozen=True)
class ImageInput(InputKind):
    """A path to an image, or an array of its bytes -> (height, width, channels) uint8.

    low, high: the 16-bit values that become 0 and 255; ground: the grey background of transparent pixels.
    """

    height: Annotated[int, Within(1, 1 << 14)]
    width: Annotated[int, Within(1, 1 << 14)]
    grey: bool
    low: int = 0
    high: int = DEEPEST
    ground: int = WHITE
    kind = "image"

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.uint8]:
        cell = cells[0]
        if not isinstance(cell, np.ndarray):
            depth = (self.low, self.high)
            return read_image(path_of(cell, place), self.height, self.width, self.grey, depth, self.ground)
        picture = as_image(cell, place)
        expected = (self.height, self.width, 1 if self.grey else 3)
        if picture.shape != expected:
            raise DataError(f"{place}: an image of shape {picture.shape}; {expected} was expected, as in other rows.")
        return picture.astype(np.uint8)


INPUTS: dict[str, type[InputKind]] = {
    one.kind: one for one in (TextInput, CategoryInput, VectorInput, AudioInput, ImageInput)
}
"""Kinds of input by their names in `--input-type`."""


def input_from_json(value: Any) -> InputKind:
    """The kind that `to_json` wrote. Raises RunError, KeyError or TypeError if it is damaged."""
    facts, kind = {name: one for name, one in value.items() if name != "kind"}, INPUTS[value["kind"]]
    return kind(**check(facts, kind, "The run's vocabulary.json, 'input',"))


def as_numbers(cells: Sequence[Cell], place: str, names: tuple[str, ...]) -> list[NDArray[np.floating[Any]]]:
    """Each cell as numbers, by `_numbers`. Raises DataError; for several columns it names the one at fault."""
    if len(cells) < 2 or len(names) != len(cells):
        return [_numbers(cell, place) for cell in cells]
    found, listed = [], len(names) <= MOST_LISTED and not any("," in name for name in names)
    for at, cell in enumerate(cells):
        others = ",".join(names[:at] + names[at + 1 :]) if listed else ""
        option = f"--input {typed(others)}" if others else "name the others with --input"
        found.append(_numbers(cell, f"{place}, column '{names[at]}'", f"Or leave the column out: {option}"))
    return found


def _numbers(cell: Cell, place: str, instead: str = OR_AS_TEXT) -> NDArray[np.floating[Any]]:
    """A cell as numbers: one of shape (), or a list or an array (T,) or (T, …). instead: the alternative that the
    error suggests, with its option. Raises DataError."""
    if isinstance(cell, str | float | int) and not isinstance(cell, bool) and not is_number(cell):
        raise no_number(place, cell, instead)
    try:
        small = isinstance(cell, np.ndarray) and np.can_cast(cell.dtype, np.float32)
        found: NDArray[np.floating[Any]] = np.asarray(cell, np.float32 if small else np.float64)
    except (ValueError, TypeError, OverflowError):
        flat = [one for one in flatten(cell) if not is_number(one)]
        if flat:
            raise no_number(place, flat[0], instead) from None
        raise InvalidCell(
            f"{place}: '{shortened(cell)}' where numbers were expected, the same count in each step.",
            f"Correct it. {instead}",
            "Correct it.",
        ) from None
    if found.dtype == np.float64 and not isinstance(cell, np.ndarray) and may_be_rounded(found):
        _check_exact(cell, place)
    if not found.size:
        raise DataError(f"{place}: an empty list; a row needs at least one step. Correct it, or leave the row out.")
    if not np.isfinite(found).all():
        fault = MissingNumber if not np.isinf(found).any() else InvalidCell
        raise fault(
            f"{place}: a number that is not finite. Correct it, or leave the row out (for nan: --skip-empty)."
        )
    return found


def _check_exact(cell: Cell, place: str) -> None:
    """Raises DataError for an integer that loses digits as a float."""
    rounded = next((one for one in flatten(cell) if is_rounded(one)), None)
    if rounded is not None:
        raise InvalidCell(
            f"{place}: {rounding_note(rounded)}.",
            "If it is an id, leave the column out, or read it as a category: --input-type category.\n"
            "If it is an amount, subtract a constant from the whole column, or divide the column by one, first.",
            "Subtract or divide as was done for the data that the run was trained on.",
        )


def no_number(place: str, cell: Any, instead: str) -> InvalidCell:
    fault = MissingNumber if is_missing(cell) else InvalidCell
    return fault(
        f"{place}: '{shortened(cell)}' where numbers were expected.",
        f"{cure(cell)} {instead}",
        cure(cell, by_run=True),
    )


def flatten(cell: Any) -> list[Any]:
    """The entries of nested lists, in order."""
    found, waiting = [], [cell]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        else:
            found.append(entry)
    return found


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array has the shape of an image with channels first: (1 or 3, H, W)."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def as_image(cell: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """An array as an image (height, width, channels) of bytes. Raises DataError."""
    picture = cell[..., None] if cell.ndim == 2 else cell
    if has_channels_first(picture.shape):
        picture = np.moveaxis(picture, 0, 2)
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise DataError(f"{place}: an array of shape {cell.shape}; an image has height, width and 1 or 3 channels.")
    if picture.dtype != np.uint8 and not np.array_equal(picture, np.clip(np.rint(picture), 0, 255)):
        raise DataError(
            f"{place}: numbers that are not bytes; an image has whole numbers from 0 to 255.\n"
            "Save them as (255 * x).astype(numpy.uint8)"
        )
    return picture.astype(np.uint8)


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
