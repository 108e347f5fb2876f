"""Detects the kind of input that a table's columns hold, as `column_kinds` does for targets.

The first rows decide: arrays of bytes are images, paths are audio files or images by their file ending, numbers and
lists of numbers are vectors, and everything else is text. `--input-type` overrides this. Columns that would be read
as text but hold dates, file names or mostly numbers are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.dates import read_date
from unrolled.data.cells.times import holds_times, times_error
from unrolled.data.cells.written_numbers import all_numbers, is_missing, is_nearly_number, is_number, shortened
from unrolled.data.dataset.inputs import (
    HIGHEST_RATE,
    LARGEST,
    MEDIA,
    OR_AS_TEXT,
    AudioInput,
    CategoryInput,
    ImageInput,
    InputKind,
    TextInput,
    VectorInput,
    as_image,
    as_numbers,
    flatten,
    has_channels_first,
    no_number,
    path_of,
    resolve_paths,
)
from unrolled.data.dataset.item_store import Arrays, Texts
from unrolled.data.media.audio import probe_audio
from unrolled.data.media.images import inspect_image, measure_images
from unrolled.data.tables.base import SAMPLE_ROWS, Row, TableFile
from unrolled.data.tables.columns import Columns, date_input_error
from unrolled.data.tables.file_names import check_no_files, check_no_lists
from unrolled.data.tables.first_cells import find_amounts, holds_dates, holds_numbers
from unrolled.data.tables.sequences import SequenceTable
from unrolled.errors import DataError, MediaError, OptionError

SPREAD = 100  # files of a table, spread evenly, from which bit depth and background of images are measured
FEWEST_MIXED = 4  # a column with as many words as numbers is refused from this count of each
NUMBERED = re.compile(r"(.*?)(\d+)")


def detect_input(table: TableFile, columns: Columns, input_type: str | None) -> InputKind:
    """The requested kind of a table's input columns, or the kind detected in its first rows."""
    looked = [row for row in islice(table.rows(columns.inputs), SAMPLE_ROWS) if not any(c is None for c in row.cells)]
    first = [row.cells for row in looked]
    kinds = [kind_of(list(cells), table) for cells in zip(*first, strict=True)]
    kind = input_type or ("text" if "text" in kinds else next(iter(kinds), "text"))
    if input_type is None and len(columns.inputs) == 1 and table.label_column is None:
        check_no_lists(table, columns.inputs[0], [cells[0] for cells in first])
    if input_type is None and kind in ("text", "vectors"):
        _refuse_dates(table, columns, looked, kind)
    if input_type is None and kind in ("text", "vectors") and len(columns.inputs) == 1 and table.label_column is None:
        check_no_files(table, columns.inputs[0], [cells[0] for cells in first])
    if input_type is None and kind == "text" and len(columns.inputs) == 1 and table.label_column is None:
        _refuse_mixed(table, columns.input, looked)
    if kind == "text" or not first:
        if len(columns.inputs) > 1:
            raise DataError(
                f"{table.path}: not all of the columns {', '.join(columns.inputs)} are numbers; several input "
                "columns are\nallowed only if all hold numbers. Name one with --input, or only those with numbers."
            )
        return TextInput()
    if kind == "category" and len(columns.inputs) == 1:
        return CategoryInput()
    if kind == "vectors":
        series = len(columns.inputs) > 1 and _follow_each_other(columns.inputs)
        whole = next((row for row in looked if not any(map(is_missing, row.cells))), looked[0])
        parts = as_numbers(whole.cells, table.place(whole.number), columns.inputs)
        channels_first = all(has_channels_first(part.shape) for part in parts)
        if channels_first:
            parts = [np.moveaxis(part, 0, 2) for part in parts]
        flat = all(part.ndim == 0 for part in parts)
        width = sum(part.reshape(len(part), -1).shape[1] if part.ndim else 1 for part in parts)
        return VectorInput(1 if series and flat else width, series and flat, channels_first)
    if len(columns.inputs) > 1:
        raise OptionError(f"An input of kind {kind} is one column; --input names {len(columns.inputs)} columns.")
    if kind == "image":
        pictures = [resolve_paths(cells, table.path.parent)[0] for cells in first]
        found = _picture_size(pictures, table)
        if isinstance(pictures[0], np.ndarray):
            return found
        paths = (resolve_paths(row.cells, table.path.parent)[0] for row in table.rows(columns.inputs))
        return _with_depth(found, _spread(Path(str(path)) for path in paths if path is not None))
    rates = []
    for cells in (resolve_paths(cells, table.path.parent) for cells in first):
        try:
            rates.append(probe_audio(path_of(cells[0], str(table.path)))[0])
        except MediaError:
            continue
    return AudioInput(min(HIGHEST_RATE, int(np.median(rates)) if rates else HIGHEST_RATE))


def _refuse_dates(table: TableFile, columns: Columns, rows: Sequence[Row], kind: str) -> None:
    """Raises DataError if dates or times would be read as text, or if the only numbers are dates."""
    named = enumerate(columns.inputs[:1] if kind == "vectors" else columns.inputs)
    cells_of = {name: [row.cells[place] for row in rows] for place, name in named}
    if kind == "text" and (timed := next((name for name, cells in cells_of.items() if holds_times(cells)), None)):
        raise times_error(table.path, timed, cells_of[timed], "input")
    dated = [name for name, cells in cells_of.items() if holds_dates(cells, name)]
    if dated and (kind == "text" or len(columns.inputs) == 1):
        raise date_input_error(table, dated, kind == "vectors" and all(map(is_number, cells_of[dated[0]])))


def _refuse_mixed(table: TableFile, name: str, rows: Sequence[Row]) -> None:
    """Raises DataError if a column's first cells are half numbers and half words, or mostly amounts with one unit."""
    amounts = find_amounts([row.cells[0] for row in rows])
    if amounts:
        row = next(row for row in rows if row.cells[0] == amounts[0])
        raise no_number(table.place(row.number), row.cells[0], OR_AS_TEXT)
    cells = [(row.number, row.cells[0]) for row in rows if not is_missing(row.cells[0])]
    numbers = [(number, cell) for number, cell in cells if is_number(cell) or is_nearly_number(cell)]
    words = [one for one in cells if one not in numbers]
    if len(numbers) == len(words) >= FEWEST_MIXED and not any(
        isinstance(cell, list | np.ndarray) for _, cell in words
    ):
        counts = " and ".join(
            f"{len(some):,} {kind} (row {some[0][0]:,}: '{shortened(some[0][1])}')"
            for kind, some in (("numbers", numbers), ("words", words))
        )
        raise DataError(
            f"{table.path}: '{name}' is neither mostly words nor mostly numbers: its first rows are {counts}.\n"
            "For text: --input-type text. For one of a few labels: --input-type category. For numbers: correct the\n"
            "other cells, or empty them and leave their rows out with --skip-empty."
        )


def check_text(table: TableFile, columns: Columns, items: Texts | Arrays, place: Callable[[int], str]) -> None:
    """Raises DataError if a column looked like text in its first rows but mostly holds something else (sorted rows,
    for example). items: all of its texts; place: file and row of each."""
    looked = np.linspace(0, len(items) - 1, min(len(items), SPREAD)).round().astype(int).tolist()
    cells: list[Cell] = [str(items[row]) for row in looked]
    known = [row for row, cell in zip(looked, cells, strict=True) if is_number(cell) or is_nearly_number(cell)]
    if holds_times(cells):
        raise times_error(table.path, columns.input, cells, "input")
    if 2 * sum(read_date(cell) is not None for cell in cells) > len(cells):
        raise date_input_error(table, [columns.input])
    if 2 * len(known) > len(cells):
        words = next(row for row in range(len(items)) if not is_number(str(items[row])))
        raise DataError(
            f"{table.path}: '{columns.input}' is mostly numbers, such as {shortened(str(items[known[0]]))}, and also "
            f"holds words:\n{place(words)}: '{shortened(str(items[words]))}'. Correct these cells, or empty them and "
            f"leave their rows out with --skip-empty.\n{OR_AS_TEXT}"
        )
    if table.label_column is None:
        check_no_files(table, columns.input, cells)


def kind_of(cells: Sequence[Cell], table: TableFile) -> str:
    """The input kind that a column's first cells suggest."""
    if any(isinstance(cell, np.ndarray) for cell in cells):
        arrays = [cell for cell in cells if isinstance(cell, np.ndarray)]
        pictures = all(
            one.dtype == np.uint8
            and (one.ndim == 2 or (one.ndim == 3 and (one.shape[2] in (1, 3) or has_channels_first(one.shape))))
            for one in arrays
        )
        return "image" if pictures else "vectors"
    if cells and all_numbers(cells) is not None:  # before the search for paths: a table may have very many columns
        return "vectors"
    for kind, endings in MEDIA.items():
        named = sum(isinstance(cell, str) and cell.lower().endswith(endings) for cell in cells)
        if named and named >= 0.9 * len(cells):
            return kind
    as_text = isinstance(table, SequenceTable)  # its lists hold cells as text
    cells = [cell for cell in cells if not isinstance(cell, list) or cell]  # empty lists are reported later, by row
    if not cells:
        return "text"
    if not any(isinstance(cell, list) for cell in cells):
        return "vectors" if not all(map(is_missing, cells)) and holds_numbers(cells) else "text"
    listed = [isinstance(cell, list) and _all_numbers(cell, as_text) for cell in cells]
    return "vectors" if 2 * sum(listed) > len(cells) else "text"


def _all_numbers(cell: list[Any], as_text: bool) -> bool:
    """Whether a list holds numbers, most of them valid; as_text: entries may be numbers written as text."""
    flat = flatten(cell)
    return bool(flat) and holds_numbers(flat) and (as_text or not any(isinstance(one, str | bool) for one in flat))


def _picture_size(cells: Sequence[Cell], table: TableFile) -> ImageInput:
    """The median size of images, at most 64 on a side; grey if all of them are."""
    sizes, grey = [], True
    for cell in cells:
        if isinstance(cell, np.ndarray):
            picture = as_image(cell, str(table.path))
            sizes.append(picture.shape[:2])
            grey &= picture.shape[2] == 1
            continue
        try:
            width, height, without_colour = inspect_image(path_of(cell, str(table.path)))
        except MediaError:
            continue
        sizes.append((height, width))
        grey &= without_colour
    if not sizes:
        return ImageInput(LARGEST, LARGEST, grey=False)
    high, wide = (float(np.median([size[axis] for size in sizes])) for axis in (0, 1))
    if not isinstance(cells[0], np.ndarray) and (scale := LARGEST / max(high, wide)) < 1:
        high, wide = high * scale, wide * scale
    return ImageInput(max(1, round(high)), max(1, round(wide)), bool(grey))


def _with_depth(found: ImageInput, paths: Sequence[Path]) -> ImageInput:
    """A copy fitted to these images: in colour if one of them is, with the value range of the 16-bit ones, and a
    background on which transparent drawings are visible."""
    grey = found.grey
    for path in paths if grey else ():
        with suppress(MediaError):
            grey &= inspect_image(path)[2]
    (low, high), ground = measure_images(paths)
    return replace(found, grey=grey, low=low, high=high, ground=ground)


def _spread(paths: Iterable[Path]) -> list[Path]:
    """Some of these paths, spread evenly: SPREAD / 2 to SPREAD, or all of them if there are fewer."""
    kept, every = list[Path](), 1
    for number, path in enumerate(paths):
        if number % every == 0:
            kept.append(path)
        if len(kept) == SPREAD:
            kept, every = kept[::2], 2 * every
    return kept


def _follow_each_other(names: Sequence[str]) -> bool:
    """Whether columns are named x1, x2, x3, …, like the steps of a series."""
    found = [NUMBERED.fullmatch(name) for name in names]
    if not all(found):
        return False
    stems = {one[1] for one in found if one}
    numbers = [int(one[2]) for one in found if one]
    return len(stems) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
