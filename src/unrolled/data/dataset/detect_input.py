"""Detects the modality of a table's input columns, as `column_kinds` does for targets.

The first rows decide, unless `--input-type` does. Columns that would be read as text but hold dates, file names or
mostly numbers are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.dates import read_date
from unrolled.data.cells.times import holds_times, times_error
from unrolled.data.cells.written_numbers import is_missing, is_nearly_number, is_number, shortened
from unrolled.data.dataset.item_store import Arrays, Texts
from unrolled.data.modalities.base import InputSample, Modality, WholeImages
from unrolled.data.modalities.files import resolve_paths
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.image_arrays import could_be_images
from unrolled.data.modalities.numbers import OR_AS_TEXT, no_number
from unrolled.data.modalities.table import MODALITIES, modality_of
from unrolled.data.modalities.text import TextInput
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.tables.base import SAMPLE_ROWS, Row, TableFile
from unrolled.data.tables.columns import Columns, date_input_error
from unrolled.data.tables.file_names import check_no_files, check_no_lists
from unrolled.data.tables.first_cells import find_amounts, holds_dates
from unrolled.data.tables.sequences import SequenceTable
from unrolled.errors import DataError, OptionError

SPREAD = 100  # rows of a column of texts, spread evenly, that are checked once all are read
FEWEST_MIXED = 4  # a column with as many words as numbers is refused from this count of each


def detect_input(
    table: TableFile, columns: Columns, requested: str | None, whole_images: WholeImages | None = None
) -> Modality:
    """The modality of a table's input columns, measured on its first rows: the requested one, or the one detected.

    whole_images: of a net that reads images at once, if there is one. Raises DataError, OptionError.
    """
    rows = [row for row in islice(table.rows(columns.inputs), SAMPLE_ROWS) if not any(c is None for c in row.cells)]
    name = requested or _detect(table, columns, rows)
    if name == VectorInput.name and not requested and whole_images is not None and len(columns.inputs) == 1:
        name = ImageInput.name if could_be_images([row.cells[0] for row in rows]) else name
    if not rows:
        name = TextInput.name
    modality = MODALITIES[name]
    if len(columns.inputs) > 1 and not modality.several_columns:
        if modality is TextInput:
            raise DataError(
                f"{table.path}: not all of the columns {', '.join(columns.inputs)} are numbers; several input "
                "columns are\nallowed only if all hold numbers. Name one with --input, or only those with numbers."
            )
        raise OptionError(f"An input of kind {name} is one column; --input names {len(columns.inputs)} columns.")
    if not rows:
        return TextInput()
    return modality.measure(_sample(table, columns, modality, rows)._replace(whole_images=whole_images))


def _detect(table: TableFile, columns: Columns, rows: Sequence[Row]) -> str:
    """The name of the modality that the first rows suggest. Raises DataError where they suggest none clearly."""
    as_text = isinstance(table, SequenceTable)  # its lists hold cells as text
    _refuse_bytes(table, columns, rows)
    columns_of_cells = [list(cells) for cells in zip(*(row.cells for row in rows), strict=True)]
    names = [modality_of(cells, as_text) for cells in columns_of_cells]
    name = TextInput.name if TextInput.name in names else next(iter(names), TextInput.name)
    alone = len(columns.inputs) == 1 and table.label_column is None
    first = [row.cells[0] for row in rows]
    if alone:
        check_no_lists(table, columns.input, first)
    if name in (TextInput.name, VectorInput.name):
        _refuse_dates(table, columns, rows, name)
        if alone:
            check_no_files(table, columns.input, first)
    if alone and name == TextInput.name:
        _refuse_mixed(table, columns.input, rows)
    return name


def _sample(table: TableFile, columns: Columns, modality: type[Modality], rows: Sequence[Row]) -> InputSample:
    def resolved(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return resolve_paths(cells, table.path.parent) if modality.endings else cells

    def all_rows() -> Iterator[tuple[Cell, ...]]:
        return (resolved(row.cells) for row in table.rows(columns.inputs))

    places = [table.place(row.number) for row in rows]
    return InputSample(table.path, columns.inputs, [resolved(row.cells) for row in rows], places, all_rows)


def _refuse_bytes(table: TableFile, columns: Columns, rows: Sequence[Row]) -> None:
    """Raises DataError if cells of a parquet file hold bytes, alone or beside a path, that are no images."""
    for name, cells in zip(columns.inputs, zip(*(row.cells for row in rows), strict=True), strict=False):
        if any(isinstance(cell.get("bytes") if isinstance(cell, dict) else cell, bytes) for cell in cells):
            raise DataError(
                f"{table.path}: '{name}' holds bytes that are no images. Save them as files, and write their paths "
                "into the table."
            )


def _refuse_dates(table: TableFile, columns: Columns, rows: Sequence[Row], name: str) -> None:
    """Raises DataError if dates or times would be read as text, or if the only numbers are dates."""
    named = enumerate(columns.inputs[:1] if name == VectorInput.name else columns.inputs)
    cells_of = {column: [row.cells[place] for row in rows] for place, column in named}
    timed = next((column for column, cells in cells_of.items() if holds_times(cells)), None)
    if name == TextInput.name and timed is not None:
        raise times_error(table.path, timed, cells_of[timed], "input")
    dated = [column for column, cells in cells_of.items() if holds_dates(cells, column)]
    if dated and (name == TextInput.name or len(columns.inputs) == 1):
        raise date_input_error(table, dated, name == VectorInput.name and all(map(is_number, cells_of[dated[0]])))


def _refuse_mixed(table: TableFile, name: str, rows: Sequence[Row]) -> None:
    """Raises DataError if a column's first cells are half numbers and half words, or mostly amounts with one unit."""
    amounts = find_amounts([row.cells[0] for row in rows])
    if amounts:
        row = next(row for row in rows if row.cells[0] == amounts[0])
        raise no_number(table.place(row.number), row.cells[0])
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
