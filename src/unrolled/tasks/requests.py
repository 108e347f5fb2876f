"""Inference inputs: lines, tables and files as items that models process, streaming."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.cells.written_numbers import is_number, plain_number
from unrolled.data.dataset.dataset import DatasetSchema
from unrolled.data.dataset.open_tables import advice_for, check_columns
from unrolled.data.files.look import list_files
from unrolled.data.modalities.base import Item
from unrolled.data.modalities.files import resolve_paths
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.image_arrays import BYTES, shares_as_bytes
from unrolled.data.modalities.numbers import MissingNumber
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.tables.base import DEFAULT_OPTIONS, Row, TableFile, TableOptions
from unrolled.data.tables.captions import CaptionTable
from unrolled.data.tables.clips import with_clips
from unrolled.data.tables.columns import missing_column
from unrolled.data.tables.idx import find_idx
from unrolled.data.tables.open import is_table, open_table
from unrolled.data.tables.sequences import SequenceTable
from unrolled.errors import DataError, MediaError
from unrolled.tasks.given_inputs import inputs_table

LARGEST_BATCH = 2_000  # largest number of waiting rows in one batch
HELD = 1 << 27  # a batch takes no more items beyond this many bytes

T = TypeVar("T")


class InferenceInput(NamedTuple):
    """An input: the cells of a row, and its name for people."""

    name: str  # a text itself, a path, or the place of a row
    cells: tuple[Any, ...]  # None or a blank string is an empty cell


class MissingItem(NamedTuple):
    """Takes the place of a missing item."""

    error: str = ""  # why an audio file or an image cannot be read; "" for an empty cell or line


class InputReader:
    """Reads the inputs of a run."""

    def __init__(self, known: DatasetSchema, options: TableOptions = DEFAULT_OPTIONS) -> None:
        self.known, self.options = known, options

    def read_input(self, source: str) -> Iterator[InferenceInput] | None:
        """The inputs in a path: rows of a table's input columns, the audio files or images of a folder, or one file.

        None for a file of lines. Raises DataError for a missing column.
        """
        modality, path = self.known.featurizer.input, Path(source)
        if is_table(source):
            return self._read_table(source)
        if modality.endings and path.is_dir():
            below = list_files(path)
            files = [file for file in below if file.suffix.lower() in modality.endings]
            files = files or [file for file in below if modality.names_file(file.name)]
            if idx := find_idx(path):
                raise DataError(
                    f"{source} is a folder of idx files with their labels. Name the file with the {modality.noun}: "
                    f"{idx[0]}"
                )
            if not files:
                raise DataError(
                    f"{source} holds no {modality.noun}, which this run reads: {', '.join(modality.endings)}."
                )
            return (InferenceInput(str(file), (str(file),)) for file in files)
        if modality.names_file(source):
            return iter([InferenceInput(source, (source,))])
        return None

    def read_data(self, data: Any) -> Iterator[InferenceInput] | None:
        """The inputs in data in memory: the rows of a table, or of the input column alone. None for an iterable of
        texts, paths or rows of cells. Raises OptionError, DataError."""
        first = data[0] if isinstance(data, list | tuple) and data else data
        if isinstance(first, InferenceInput):
            return None
        table = inputs_table(data, self.known.columns.inputs, bool(self.known.featurizer.input.endings))
        return None if table is None else self._read_rows(table)

    def _read_table(self, path: str) -> Iterator[InferenceInput]:
        with advice_for(self.known):
            table = open_table(path, self.options)
        yield from self._read_rows(table)

    def _read_rows(self, table: TableFile) -> Iterator[InferenceInput]:
        columns = self.known.columns
        check_columns(table, replace(columns, outputs=(), group=None))
        table = with_clips(table, columns)
        if columns.sequence:
            table = SequenceTable.gather(table, columns.sequence, ())
        modality = self.known.featurizer.input
        rows = self._rows(table)
        for row in _once(rows) if isinstance(table, CaptionTable) else rows:
            place = table.place(row.number)
            if missing_column(table, columns.inputs, row) is not None:
                yield InferenceInput("" if modality.is_text else place, row.cells)
                continue
            cells, name = row.cells, place
            if modality.is_text:
                name = str(self.take(InferenceInput(place, cells)))
            elif modality.endings:
                cells = resolve_paths(row.cells, table.path.parent)
                name = str(cells[0]) if isinstance(cells[0], str) else place
            yield InferenceInput(name, cells)

    def _rows(self, table: TableFile) -> Iterator[Row]:
        with advice_for(self.known):
            yield from table.rows(self.known.columns.inputs)

    def take(self, given: InferenceInput | str) -> Item:
        """The item that a model processes. Raises DataError, and MissingNumber for a number such as nan."""
        cells, name = self._cells(given)
        try:
            return self.known.featurizer.input.read_item(cells, name, self.known.columns.inputs)
        except MissingNumber:
            raise
        except InvalidCell as fault:
            raise fault.for_run from None

    def picture(self, given: InferenceInput | str, side: int) -> NDArray[np.uint8]:
        """The picture of an input for people, see `Modality.picture`. Raises MediaError for a file that cannot be
        read."""
        return self.known.featurizer.input.picture(*self._cells(given), side)

    def _cells(self, given: InferenceInput | str) -> tuple[tuple[Any, ...], str]:
        """The cells of an input, and its name."""
        taken = self.known.featurizer.input
        cells, name = (given.cells, given.name) if isinstance(given, InferenceInput) else ((given,), given[:60])
        if isinstance(given, str) and isinstance(taken, VectorInput):
            cells = parse_numbers(given, taken, self.options.decimal)
        if isinstance(taken, ImageInput) and (taken.low, taken.high) == BYTES:
            cells = tuple(map(shares_as_bytes, cells))
        return cells, name

    def take_all(self, requested: Iterable[InferenceInput | str]) -> list[Item | MissingItem]:
        """The item of each input, in order; `MissingItem` for an empty input, or a file that cannot be read. Raises
        DataError."""
        taken: list[Item | MissingItem] = []
        for given in requested:
            if is_empty(given):
                taken.append(MissingItem())
                continue
            try:
                taken.append(self.take(given))
            except MissingNumber:  # nan counts as an empty cell
                taken.append(MissingItem())
            except MediaError as error:
                taken.append(MissingItem(str(error)))
        return taken

    def take_in_turn(
        self, waiting: Sequence[InferenceInput | str]
    ) -> Iterator[tuple[Sequence[InferenceInput | str], list[Item | MissingItem]]]:
        """As `take_all`, in groups of at most about `HELD` bytes; a group is decoded only after the one before it has
        been processed. Raises DataError."""
        start, held = 0, 0
        taken: list[Item | MissingItem] = []
        for stop, given in enumerate(waiting, start=1):
            taken += self.take_all([given])
            held += bytes_of(taken[-1])
            if held >= HELD or stop == len(waiting):
                yield waiting[start:stop], taken
                start, held, taken = stop, 0, []


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """The first row of each input: an image of a file of captions gets one new caption, not one per old one."""
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        if row.cells not in seen:
            seen.add(row.cells)
            yield row


def bytes_of(item: Item | MissingItem) -> int:
    """The size of an item in memory."""
    if isinstance(item, MissingItem):
        return 0
    return item.nbytes if isinstance(item, np.ndarray) else len(item)


def most_together(item: Item) -> int:
    """The number of items like this one that may be in memory together, at most `LARGEST_BATCH`."""
    return max(1, min(LARGEST_BATCH, HELD // max(1, bytes_of(item))))


def is_empty(given: InferenceInput | str) -> bool:
    """Whether a cell is missing, or a cell or the line is blank."""
    cells = given.cells if isinstance(given, InferenceInput) else (given,)
    return any(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def input_name(given: InferenceInput | str) -> str:
    """The name of an input for people."""
    return given.name if isinstance(given, InferenceInput) else given


def parse_numbers(line: str, taken: VectorInput, decimal: str | None = None) -> tuple[Any, ...]:
    """The numbers in a line, as cells: JSON, or separated by commas or spaces.

    decimal: if ",", numbers have decimal commas and are separated by semicolons or spaces. Raises DataError, also if
    the meaning of a comma is ambiguous.
    """
    if decimal != "," and re.search(r"\d,\d", line) and re.search(r"\d\s+[-+.\d]|;", line) and "[" not in line:
        raise DataError(
            f"'{line[:40]}': it is unclear whether its commas are decimal commas or separate numbers.\n"
            "Write 0.5 1.2 3, or 0.5,1.2,3."
        )
    try:
        if line.lstrip().startswith("["):
            found = json.loads(line)
        elif decimal == ",":
            found = _with_decimal_commas(line)
        else:
            found = [float(one) for one in re.split(r"[,\s]+", line.strip())]
    except ValueError:
        raise DataError(
            f"'{line[:40]}' is not a list of numbers. Expected: 0.5 1.2 3, or for vectors [[1, 2], [3, 4]]."
        ) from None
    flat = all(isinstance(one, int | float) for one in found)
    return ([found],) if flat and taken.width > 1 else (found,)


def _with_decimal_commas(line: str) -> list[float]:
    """The numbers in a line with decimal commas. Raises ValueError, and DataError for a line with both marks."""
    found = [(word, plain_number(word, ",")) for word in re.split(r"[;\s]+", line.strip())]
    pointed = next((word for word, plain in found if plain is None and is_number(word)), None)
    read = next(((word, plain) for word, plain in found if plain not in (None, word)), None)
    if pointed is not None and read is not None:
        raise DataError(
            f"'{line[:40]}': '{pointed}' has a decimal point, but '{read[0]}' is read as {read[1]}.\n"
            "Write all numbers with a decimal comma, as in the run's training data."
        )
    return [float(word if plain is None else plain) for word, plain in found]


def batched(texts: Iterable[T]) -> Iterator[list[T]]:
    """Batches of rows in order: a single row at once, waiting rows together, up to `LARGEST_BATCH`.

    A thread reads ahead, so that a slow source delays nothing but its own next row.
    """
    ahead: Queue[tuple[T] | BaseException | None] = Queue(2 * LARGEST_BATCH)
    stopped = Event()

    def read() -> None:
        try:
            for text in texts:
                if stopped.is_set():
                    return
                ahead.put((text,))
            ahead.put(None)
        except BaseException as error:  # raised again in the caller's thread
            ahead.put(error)

    Thread(target=read, daemon=True).start()
    try:
        while True:
            waiting: list[T] = []
            found = ahead.get()
            while isinstance(found, tuple):
                waiting.append(found[0])
                if len(waiting) == LARGEST_BATCH:
                    break
                try:
                    found = ahead.get_nowait()
                except Empty:
                    break
            if waiting:
                yield waiting
            if isinstance(found, BaseException):
                raise found
            if found is None:
                return
    finally:  # the caller may stop early: then the thread ends
        stopped.set()
        with suppress(Empty):
            while True:
                ahead.get_nowait()
