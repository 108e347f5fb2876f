"""What a row is given as, and how it is taken from a table's cells: a text, numbers step by step, a sound, a picture.

The kind is seen in the first rows: cells that are arrays of bytes are pictures, paths are what they name by their
ending, numbers and lists of numbers are vectors, and all else is text. `--read` says otherwise: a label,
say, of which there are few, each as a whole.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.column_kinds import spell
from unrolled.data.columns import Columns, holds_dates, holds_numbers, most_amounts, no_forecasts, spell_list
from unrolled.data.dates import read_date
from unrolled.data.file_names import check_no_files
from unrolled.data.items import Arrays, Item, Texts
from unrolled.data.pictures import DEEPEST, PICTURES, WHITE, look_at_picture, measure_pictures, read_picture
from unrolled.data.sequences import SequenceTable
from unrolled.data.sound import SOUNDS, look_at_sound, read_sound
from unrolled.data.table_file import LOOKED_AT, Cell, Row, TableFile
from unrolled.data.times import holds_times, no_times
from unrolled.data.written_numbers import (
    all_numbers,
    cure,
    is_nearly,
    is_number,
    is_rounded,
    is_undefined,
    may_be_rounded,
    say_rounded,
    shortened,
)
from unrolled.errors import DataError, MediaError, OptionError, typed
from unrolled.schema import Within, check

HIGHEST_RATE = 16_000  # samples a second that a sound is read with at most: what is said needs no more
SMALLEST = 5  # rows and columns of an array that is a picture with its colours first: more than there are colours
SPREAD = 100  # files of a table, spread evenly, by which depth and ground of pictures are found
AS_IT_STANDS = "Or have the column read as it stands: --read text."
MOST_LISTED = 20  # columns that are named in an option which leaves one out
FEWEST_MIXED = 4  # numbers, and words, from which a column of as many of each is refused
LARGEST = 64  # rows and columns of a picture, at most
MEDIA = {"sound": SOUNDS, "picture": PICTURES}
NUMBERED = re.compile(r"(.*?)(\d+)")


class Unfit(DataError):
    """A cell that is not of its column's kind. cure: what settles it while a model is made of the table; by_run: what
    does where a run, whose columns are settled, is given it."""

    def __init__(self, said: str, cure: str = "", by_run: str = "") -> None:
        super().__init__(f"{said}\n{cure}" if cure else said)
        self.for_run = DataError(f"{said}\n{by_run}" if by_run else said)


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
            parts = _parts(cells, place, names)
            numbers = np.array(parts) if all(part.ndim == 0 for part in parts) else None
        elif may_be_rounded(numbers):
            _parts(cells, place, names)  # which says of each number what is wrong with it
        if numbers is None:
            found = self._joined(parts, place)
        else:
            found = numbers[:, None] if self.series else numbers[None]
        if found.shape[1] != self.width:
            raise DataError(
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
        samples = read_sound(_path(cells[0], place), self.rate)
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
            return read_picture(_path(cell, place), self.height, self.width, self.grey, depth, self.ground)
        picture = _as_picture(cell, place)
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


def find_input(table: TableFile, columns: Columns, asked: str | None) -> InputKind:
    """The kind of a table's input columns by its first rows, or the one that was asked for."""
    looked = [row for row in islice(table.rows(columns.inputs), LOOKED_AT) if not any(c is None for c in row.cells)]
    first = [row.cells for row in looked]
    kinds = [kind_of(list(cells), table) for cells in zip(*first, strict=True)]
    kind = asked or ("text" if "text" in kinds else next(iter(kinds), "text"))
    if asked is None and kind in ("text", "vectors"):
        _refuse_dates(table, columns, looked, kind)
    if asked is None and kind in ("text", "vectors") and len(columns.inputs) == 1 and table.label_column is None:
        check_no_files(table, columns.inputs[0], [cells[0] for cells in first])
    if asked is None and kind == "text" and len(columns.inputs) == 1 and table.label_column is None:
        _refuse_mixed(table, columns.input, looked)
    if kind == "text" or not first:
        if len(columns.inputs) > 1:
            raise DataError(
                f"{table.path}: of the columns {', '.join(columns.inputs)} not all are numbers, and several are read "
                "together\nonly where they are. Name one with --input, or those that are numbers."
            )
        return TextInput()
    if kind == "label" and len(columns.inputs) == 1:
        return LabelInput()
    if kind == "vectors":
        series = len(columns.inputs) > 1 and _follow_each_other(columns.inputs)
        whole = next((row for row in looked if not any(map(is_undefined, row.cells))), looked[0])
        parts = _parts(whole.cells, table.place(whole.number), columns.inputs)
        channels_first = all(_has_channels_first(part.shape) for part in parts)
        if channels_first:
            parts = [np.moveaxis(part, 0, 2) for part in parts]
        flat = all(part.ndim == 0 for part in parts)
        width = sum(part.reshape(len(part), -1).shape[1] if part.ndim else 1 for part in parts)
        return VectorInput(1 if series and flat else width, series and flat, channels_first)
    if len(columns.inputs) > 1:
        raise OptionError(f"A row has one {kind}; --input names {len(columns.inputs)} columns.")
    if kind == "picture":
        pictures = [located(cells, table.path.parent)[0] for cells in first]
        found = _picture_size(pictures, table)
        if isinstance(pictures[0], np.ndarray):
            return found
        paths = (located(row.cells, table.path.parent)[0] for row in table.rows(columns.inputs))
        return _with_depth(found, _spread(Path(str(path)) for path in paths if path is not None))
    rates = []
    for cells in (located(cells, table.path.parent) for cells in first):
        try:
            rates.append(look_at_sound(_path(cells[0], str(table.path)))[0])
        except MediaError:
            continue
    return SoundInput(min(HIGHEST_RATE, int(np.median(rates)) if rates else HIGHEST_RATE))


def _refuse_dates(table: TableFile, columns: Columns, rows: Sequence[Row], kind: str) -> None:
    """Raises DataError where characters of dates or times would be read, or nothing but numbers that are dates."""
    named = enumerate(columns.inputs[:1] if kind == "vectors" else columns.inputs)
    cells_of = {name: [row.cells[place] for row in rows] for place, name in named}
    if kind == "text" and (timed := next((name for name, cells in cells_of.items() if holds_times(cells)), None)):
        raise no_times(table.path, timed, cells_of[timed], "input")
    dated = [name for name, cells in cells_of.items() if holds_dates(cells, name)]
    if dated and (kind == "text" or len(columns.inputs) == 1):
        raise no_forecasts(table, dated, kind == "vectors" and all(map(is_number, cells_of[dated[0]])))


def _refuse_mixed(table: TableFile, name: str, rows: Sequence[Row]) -> None:
    """Raises DataError where as many of a column's first cells are numbers as are words, or most have one unit."""
    amounts = most_amounts([row.cells[0] for row in rows])
    if amounts:
        row = next(row for row in rows if row.cells[0] == amounts[0])
        raise _no_number(table.place(row.number), row.cells[0], AS_IT_STANDS)
    cells = [(row.number, row.cells[0]) for row in rows if not is_undefined(row.cells[0])]
    numbers = [(number, cell) for number, cell in cells if is_number(cell) or is_nearly(cell)]
    words = [one for one in cells if one not in numbers]
    if len(numbers) == len(words) >= FEWEST_MIXED and not any(
        isinstance(cell, list | np.ndarray) for _, cell in words
    ):
        said = " and ".join(
            f"{len(some):,} {kind} (row {some[0][0]:,}: '{shortened(some[0][1])}')"
            for kind, some in (("numbers", numbers), ("words", words))
        )
        raise DataError(
            f"{table.path}: '{name}' is neither mostly words nor mostly numbers: its first rows are {said}.\n"
            "Texts are meant: --read text. One label of few: --read label. Numbers: correct the others, or empty "
            "their\ncells, and leave those rows out with --skip-empty."
        )


def check_text(table: TableFile, columns: Columns, items: Texts | Arrays, place: Callable[[int], str]) -> None:
    """Raises DataError where a column was taken for text by its first rows, and most of it is something else, where
    its rows are sorted, say. items: all of its texts; place: where each of them stands."""
    looked = np.linspace(0, len(items) - 1, min(len(items), SPREAD)).round().astype(int).tolist()
    cells: list[Cell] = [str(items[row]) for row in looked]
    known = [row for row, cell in zip(looked, cells, strict=True) if is_number(cell) or is_nearly(cell)]
    if holds_times(cells):
        raise no_times(table.path, columns.input, cells, "input")
    if 2 * sum(read_date(cell) is not None for cell in cells) > len(cells):
        raise no_forecasts(table, [columns.input])
    if 2 * len(known) > len(cells):
        words = next(row for row in range(len(items)) if not is_number(str(items[row])))
        raise DataError(
            f"{table.path}: '{columns.input}' is mostly numbers, such as {shortened(str(items[known[0]]))}, and has "
            f"words among them:\n{place(words)}: '{shortened(str(items[words]))}'. Correct these, or empty the cells "
            f"and leave their rows out with --skip-empty.\n{AS_IT_STANDS}"
        )
    if table.label_column is None:
        check_no_files(table, columns.input, cells)


def kind_of(cells: Sequence[Cell], table: TableFile) -> str:
    """What the first cells of a table's input show it to be."""
    if any(isinstance(cell, np.ndarray) for cell in cells):
        arrays = [cell for cell in cells if isinstance(cell, np.ndarray)]
        pictures = all(
            one.dtype == np.uint8
            and (one.ndim == 2 or (one.ndim == 3 and (one.shape[2] in (1, 3) or _has_channels_first(one.shape))))
            for one in arrays
        )
        return "picture" if pictures else "vectors"
    if cells and all_numbers(cells) is not None:  # before what a path is known by: a table may have very many columns
        return "vectors"
    for kind, endings in MEDIA.items():
        named = sum(isinstance(cell, str) and cell.lower().endswith(endings) for cell in cells)
        if named and named >= 0.9 * len(cells):
            return kind
    spelled = isinstance(table, SequenceTable)  # whose lists are of cells as they stand in a file
    cells = [cell for cell in cells if not isinstance(cell, list) or cell]  # an empty list is told of by its row
    if not cells:
        return "text"
    if not any(isinstance(cell, list) for cell in cells):
        return "vectors" if not all(map(is_undefined, cells)) and holds_numbers(cells) else "text"
    listed = [isinstance(cell, list) and _all_numbers(cell, spelled) for cell in cells]
    return "vectors" if 2 * sum(listed) > len(cells) else "text"


def _all_numbers(cell: list[Any], spelled: bool) -> bool:
    """Whether a list holds numbers, most of them sound; spelled: they are texts of a file."""
    flat = _flat(cell)
    return bool(flat) and holds_numbers(flat) and (spelled or not any(isinstance(one, str | bool) for one in flat))


def _parts(cells: Sequence[Cell], place: str, names: tuple[str, ...]) -> list[NDArray[np.floating[Any]]]:
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
        raise _no_number(place, cell, instead)
    try:
        small = isinstance(cell, np.ndarray) and np.can_cast(cell.dtype, np.float32)
        found: NDArray[np.floating[Any]] = np.asarray(cell, np.float32 if small else np.float64)
    except (ValueError, TypeError, OverflowError):
        flat = [one for one in _flat(cell) if not is_number(one)]
        if flat:
            raise _no_number(place, flat[0], instead) from None
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
    rounded = next((one for one in _flat(cell) if is_rounded(one)), None)
    if rounded is not None:
        raise Unfit(
            f"{place}: {say_rounded(rounded)}.",
            "Is it an id? Leave the column out, or have it read as a name: --read label.\n"
            "If it is an amount: subtract the same from all of them, or divide them, beforehand.",
            "Subtract, or divide, as was done for what the run was trained on.",
        )


def _no_number(place: str, cell: Any, instead: str) -> Unfit:
    fault = MissingNumber if is_undefined(cell) else Unfit
    return fault(
        f"{place}: '{shortened(cell)}' where numbers were expected.",
        f"{cure(cell)} {instead}",
        cure(cell, by_run=True),
    )


def _flat(cell: Any) -> list[Any]:
    """The entries of lists within lists."""
    found, waiting = [], [cell]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, list):
            waiting += reversed(entry)
        else:
            found.append(entry)
    return found


def _has_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether an array's shape is that of a picture's colours, height and width, in this order."""
    return len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST


def _as_picture(cell: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """An array of a picture's bytes (height, width, channels). Raises DataError."""
    picture = cell[..., None] if cell.ndim == 2 else cell
    if _has_channels_first(picture.shape):
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


def _path(cell: Cell, place: str) -> Path:
    """The file that a cell names: from the table's own folder, where it is no whole path."""
    path = Path(str(cell))
    if not path.is_file():
        where = "" if place == str(cell)[:60] else " Paths count from the table's folder."
        where = " Nothing is downloaded: save the files, and write their paths." if "://" in str(cell) else where
        raise MediaError(f"{place}: there is no file '{cell}'.{where}")
    return path


def _picture_size(cells: Sequence[Cell], table: TableFile) -> PictureInput:
    """The size most pictures have, at most 64 on a side; grey where all are."""
    sizes, grey = [], True
    for cell in cells:
        if isinstance(cell, np.ndarray):
            picture = _as_picture(cell, str(table.path))
            sizes.append(picture.shape[:2])
            grey &= picture.shape[2] == 1
            continue
        try:
            width, height, without_colour = look_at_picture(_path(cell, str(table.path)))
        except MediaError:
            continue
        sizes.append((height, width))
        grey &= without_colour
    if not sizes:
        return PictureInput(LARGEST, LARGEST, grey=False)
    high, wide = (float(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    if not isinstance(cells[0], np.ndarray) and (scale := LARGEST / max(high, wide)) < 1:
        high, wide = high * scale, wide * scale
    return PictureInput(max(1, round(high)), max(1, round(wide)), bool(grey))


def _with_depth(found: PictureInput, paths: Sequence[Path]) -> PictureInput:
    """The same for pictures like these: in colours where one is, the depth of those of 16 bits, and a ground on which
    drawings are seen."""
    grey = found.grey
    for path in paths if grey else ():
        with suppress(MediaError):
            grey &= look_at_picture(path)[2]
    (low, high), ground = measure_pictures(paths)
    return replace(found, grey=grey, low=low, high=high, ground=ground)


def _spread(paths: Iterable[Path]) -> list[Path]:
    """Some of these, spread evenly, at least half of SPREAD where there are as many."""
    kept, every = list[Path](), 1
    for number, path in enumerate(paths):
        if number % every == 0:
            kept.append(path)
        if len(kept) == SPREAD:
            kept, every = kept[::2], 2 * every
    return kept


def _follow_each_other(names: Sequence[str]) -> bool:
    """Whether columns are named x1, x2, x3, …: steps of a series."""
    found = [NUMBERED.fullmatch(name) for name in names]
    if not all(found):
        return False
    stems = {one[1] for one in found if one}
    numbers = [int(one[2]) for one in found if one]
    return len(stems) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
