"""What a row is given as, and how it is taken from a table's cells: a text, numbers step by step, a sound, a picture.

Which of these a table's columns are is decided in `input_kinds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.column_kinds import spell
from unrolled.data.columns import spell_list
from unrolled.data.items import Item
from unrolled.data.pictures import DEEPEST, PICTURES, WHITE, read_picture
from unrolled.data.sound import SOUNDS, read_sound
from unrolled.data.table_file import Cell, Unfit
from unrolled.data.written_numbers import (
    all_numbers,
    cure,
    is_number,
    is_rounded,
    is_undefined,
    may_be_rounded,
    say_rounded,
    shortened,
)
from unrolled.errors import DataError, MediaError, typed
from unrolled.schema import Within, check

HIGHEST_RATE = 16_000  # samples a second that a sound is read with at most: what is said needs no more
SMALLEST = 5  # rows and columns of an array that is a picture with its colours first: more than there are colours
AS_IT_STANDS = "Or have the column read as it stands: --read text."
MOST_LISTED = 20  # columns that are named in an option which leaves one out
LARGEST = 64  # rows and columns of a picture, at most
MEDIA = {"sound": SOUNDS, "picture": PICTURES}


class MissingNumber(Unfit):
    """A cell that says of a number that it is missing: `--skip-empty` leaves its row out."""


class InputKind(ABC):
    """How an item is taken from the cells of a row's input columns. A subclass is final."""

    kind: ClassVar[str]

    @abstractmethod
    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> Item:
        """What a row is given as. names: of the columns, where they are known. Raises DataError with the place,
        MediaError for a file that cannot be read."""

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class TextInput(InputKind):
    """A cell as text; a list's entries can be told apart."""

    kind = "text"

    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        if isinstance(cells[0], np.ndarray):
            raise Unfit(f"{place}: an array of numbers, where a text was expected.", "Leave out --read.")
        return spell_list(cells[0])


@dataclass(frozen=True)
class LabelInput(InputKind):
    """A cell as one of few labels, as a whole."""

    kind = "label"

    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        return spell(cells[0])


@dataclass(frozen=True)
class VectorInput(InputKind):
    """Numbers (T, D), a vector a step: a list or an array of them, or one or several columns of numbers.

    series: the columns are one number at one step each, not one step's numbers. channels_first: an array is a picture
    whose first axis are its colours; each of its rows is a step.
    """

    width: Annotated[int, Within(1, 1 << 24)]  # D
    series: bool = False
    channels_first: bool = False
    kind = "vectors"

    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.floating[Any]]:
        """float32 where the cells are arrays of so many bits or fewer, else float64: a time in milliseconds, or a
        latitude, keeps its digits until it is scaled."""
        numbers = all_numbers(cells)
        if numbers is None:
            parts = as_numbers(cells, place, names)
            numbers = np.array(parts) if all(part.ndim == 0 for part in parts) else None
        elif may_be_rounded(numbers):
            as_numbers(cells, place, names)  # which says of each number what is wrong with it
        if numbers is None:
            found = self._joined(parts, place)
        else:
            found = numbers[:, None] if self.series else numbers[None]
        if found.shape[1] != self.width:
            raise Unfit(
                f"{place}: {found.shape[1]} numbers a step, and {self.width} were expected, as in the other rows."
            )
        if not len(found):
            raise DataError(f"{place}: no steps; a row has one at least.")
        return found

    def _joined(self, parts: list[NDArray[np.floating[Any]]], place: str) -> NDArray[np.floating[Any]]:
        """Columns (T,) or (T, …) of a row, side by side (T, D). Raises DataError where they are not as long."""
        if self.channels_first:
            parts = [np.moveaxis(part, 0, 2) if part.ndim == 3 else part for part in parts]
        steps = {len(part) for part in parts if part.ndim}
        if len(steps) > 1 or any(part.ndim == 0 for part in parts):
            counts = ", ".join(str(len(part)) if part.ndim else "1" for part in parts)
            raise DataError(f"{place}: columns of {counts} numbers; each needs as many, one a step.")
        return np.concatenate([part.reshape(len(part), -1) for part in parts], 1)


@dataclass(frozen=True)
class SoundInput(InputKind):
    """A path to a sound -> its samples (N,) as int16, mono, at `rate` a second."""

    rate: Annotated[int, Within(1, HIGHEST_RATE)]
    kind = "sound"

    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.int16]:
        samples = read_sound(path_of(cells[0], place), self.rate)
        return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


@dataclass(frozen=True)
class PictureInput(InputKind):
    """A path to a picture, or an array of its bytes -> (height, width, channels) uint8.

    low, high: the values of 16 bits that become 0 and 255; ground: the grey on which lies what shines through.
    """

    height: Annotated[int, Within(1, 1 << 14)]
    width: Annotated[int, Within(1, 1 << 14)]
    grey: bool
    low: int = 0
    high: int = DEEPEST
    ground: int = WHITE
    kind = "picture"

    def take(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.uint8]:
        cell = cells[0]
        if not isinstance(cell, np.ndarray):
            depth = (self.low, self.high)
            return read_picture(path_of(cell, place), self.height, self.width, self.grey, depth, self.ground)
        picture = as_picture(cell, place)
        expected = (self.height, self.width, 1 if self.grey else 3)
        if picture.shape != expected:
            raise DataError(f"{place}: a picture of {picture.shape}, and {expected} was expected, as in other rows.")
        return picture.astype(np.uint8)


INPUTS: dict[str, type[InputKind]] = {
    one.kind: one for one in (TextInput, LabelInput, VectorInput, SoundInput, PictureInput)
}
"""Kinds of input by the names that `--read` takes."""


def input_from_json(value: Any) -> InputKind:
    """The kind that `to_json` wrote. Raises RunError, KeyError or TypeError where it is damaged."""
    facts, kind = {name: one for name, one in value.items() if name != "kind"}, INPUTS[value["kind"]]
    return kind(**check(facts, kind, "The run's symbols.json, 'input',"))


def as_numbers(cells: Sequence[Cell], place: str, names: tuple[str, ...]) -> list[NDArray[np.floating[Any]]]:
    """Cells as numbers, as `_numbers` has each; of several columns the one at fault is named. Raises DataError."""
    if len(cells) < 2 or len(names) != len(cells):
        return [_numbers(cell, place) for cell in cells]
    found, listed = [], len(names) <= MOST_LISTED and not any("," in name for name in names)
    for at, cell in enumerate(cells):
        others = ",".join(names[:at] + names[at + 1 :]) if listed else ""
        which = f"--input {typed(others)}" if others else "name the others with --input"
        found.append(_numbers(cell, f"{place}, column '{names[at]}'", f"Or leave the column out: {which}"))
    return found


def _numbers(cell: Cell, place: str, instead: str = AS_IT_STANDS) -> NDArray[np.floating[Any]]:
    """A cell as numbers: one (), a list or an array of them (T,) or (T, …). instead: what else may be meant, with the
    option. Raises DataError."""
    if isinstance(cell, str | float | int) and not isinstance(cell, bool) and not is_number(cell):
        raise no_number(place, cell, instead)
    try:
        small = isinstance(cell, np.ndarray) and np.can_cast(cell.dtype, np.float32)
        found: NDArray[np.floating[Any]] = np.asarray(cell, np.float32 if small else np.float64)
    except (ValueError, TypeError, OverflowError):
        flat = [one for one in flatten(cell) if not is_number(one)]
        if flat:
            raise no_number(place, flat[0], instead) from None
        raise Unfit(
            f"{place}: '{shortened(cell)}' where numbers were expected, as many in each step.",
            f"Correct it. {instead}",
            "Correct it.",
        ) from None
    if found.dtype == np.float64 and not isinstance(cell, np.ndarray) and may_be_rounded(found):
        _check_exact(cell, place)
    if not found.size:
        raise DataError(f"{place}: an empty list; a row has one step at least. Correct it, or leave the row out.")
    if not np.isfinite(found).all():
        fault = MissingNumber if not np.isinf(found).any() else Unfit
        raise fault(f"{place}: a number that is not finite. Correct it, or leave the row out (of nan: --skip-empty).")
    return found


def _check_exact(cell: Cell, place: str) -> None:
    """Raises DataError for a whole number that loses digits as a float."""
    rounded = next((one for one in flatten(cell) if is_rounded(one)), None)
    if rounded is not None:
        raise Unfit(
            f"{place}: {say_rounded(rounded)}.",
            "Is it an id? Leave the column out, or have it read as a name: --read label.\n"
            "If it is an amount: subtract the same from all of them, or divide them, beforehand.",
            "Subtract, or divide, as was done for what the run was trained on.",
        )


def no_number(place: str, cell: Any, instead: str) -> Unfit:
    fault = MissingNumber if is_undefined(cell) else Unfit
    return fault(
        f"{place}: '{shortened(cell)}' where numbers were expected.",
        f"{cure(cell)} {instead}",
        cure(cell, by_run=True),
    )


def flatten(cell: Any) -> list[Any]:
    """The entries of lists within lists."""
    found, waiting = [], [cell]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        else:
            found.append(entry)
    return found


def has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array's shape is that of a picture's colours, height and width, in this order."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def as_picture(cell: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """An array of a picture's bytes (height, width, channels). Raises DataError."""
    picture = cell[..., None] if cell.ndim == 2 else cell
    if has_channels_first(picture.shape):
        picture = np.moveaxis(picture, 0, 2)
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise DataError(f"{place}: an array of shape {cell.shape}; a picture's is height, width and 1 or 3 colours.")
    if picture.dtype != np.uint8 and not np.array_equal(picture, np.clip(np.rint(picture), 0, 255)):
        raise DataError(
            f"{place}: numbers that are no bytes; a picture's are whole numbers from 0 to 255.\n"
            "Save them so: (255 * x).astype(numpy.uint8)"
        )
    return picture.astype(np.uint8)


def located(cells: tuple[Cell, ...], folder: Path) -> tuple[Cell, ...]:
    """Paths in cells, from the folder that their table stands in; an address stays what it is."""
    return tuple(str(folder / cell) if isinstance(cell, str) and "://" not in cell else cell for cell in cells)


def path_of(cell: Cell, place: str) -> Path:
    """The file that a cell names: from the table's own folder, where it is no whole path."""
    path = Path(str(cell))
    if not path.is_file():
        where = "" if place == str(cell)[:60] else " Paths count from the table's folder."
        where = " Nothing is downloaded: save the files, and write their paths." if "://" in str(cell) else where
        raise MediaError(f"{place}: there is no file '{cell}'.{where}")
    return path
