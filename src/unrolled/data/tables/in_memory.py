"""Data that a program holds in memory, as a table: data frames, dicts of columns, lists of rows, arrays and tensors.

Nothing is copied: a cell is converted when its row is read. A cell means what it would mean in a file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from unrolled.data.cells.cell import Cell
from unrolled.data.splits import SPLITS
from unrolled.data.tables.arrays import check_cell, plain_cell
from unrolled.data.tables.base import SAMPLE_ROWS, SURROGATES, Row, TableFile, surrogate_error
from unrolled.data.tables.python_values import as_cell, is_cell
from unrolled.errors import DataError, OptionError
from unrolled.fileio import PRIVATE, write_atomically

IN_MEMORY = "data in memory"  # stands for the path
KEPT_TABLE = "data.safetensors"  # name of the file in a run folder that keeps a small table
CELLS = "cells"  # name in it of the JSON of all cells that are no arrays
SLICE = 1_000  # rows of a data set that are fetched at once


class ColumnInMemory(NamedTuple):
    """A column. `read` gives the values of rows from `start` to before `stop`."""

    read: Callable[[int, int], Any]
    array: bool = False  # whether these are an array
    names: tuple[str, ...] = ()  # of numbered labels


class MemoryTable(TableFile):
    """A table in memory. Rows are numbered from 1."""

    format = IN_MEMORY

    def __init__(self, columns: Mapping[str, ColumnInMemory], rows: int) -> None:
        super().__init__(Path(IN_MEMORY), tuple(columns))
        self.read, self.count = dict(columns), rows
        self.held_columns = frozenset(name for name, column in columns.items() if column.array)
        self.has_mixed_columns = not all(column.array for column in columns.values())

    @classmethod
    def open(cls, path: Path) -> Self:
        """The table that `save` saved. Raises DataError."""
        try:
            arrays = load_file(path)
            found = json.loads(arrays.pop(CELLS).tobytes())
            tables = {
                split: cls._of_kept({name: _loaded(values, arrays) for name, values in columns.items()})
                for split, columns in found["splits"].items()
            }
            table = tables.pop(SPLITS[0])
            for split, one in tables.items():
                one.split, one.arrays = split, found["names"][split]
            table.splits, table.arrays = tables, found["names"][SPLITS[0]]
            for one in (table, *tables.values()):
                one.path = Path(found["folder"]) / IN_MEMORY
        except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError, DataError, OptionError):
            raise DataError(f"{path} is no data that a run kept, or is damaged.") from None
        return table

    @classmethod
    def _of_kept(cls, columns: Mapping[str, Any]) -> Self:
        counts = {len(values) for values in columns.values()}
        if len(counts) != 1:
            raise ValueError("columns differ in length")
        return cls({name: column_of(values) for name, values in columns.items()}, counts.pop())

    def save(self, path: Path, most: int) -> bool:
        """Save its cells, and those of its other splits, unless they take more than about `most` bytes; returns
        whether it did. Raises TrainingError where they cannot be written."""
        tables: dict[str, Any] = {SPLITS[0]: self, **self.splits}
        arrays: dict[str, NDArray[Any]] = {}
        saved: dict[str, dict[str, Any]] = {}
        for split, table in tables.items():
            saved[split] = {}
            for name in table.columns:
                values, size = table.saved_column(name, arrays, most)
                most -= size
                if most < 0:
                    return False
                saved[split][name] = values
        facts = {"splits": saved, "names": {split: table.arrays for split, table in tables.items()},
                 "folder": str(Path.cwd())}  # fmt: skip  # of paths in cells
        arrays[CELLS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        write_atomically(path, save(arrays), PRIVATE)
        return True

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for start in range(0, self.count, SLICE):
            yield from self._rows_between(columns, start, min(self.count, start + SLICE))

    def rows_at(self, columns: Sequence[str], places: Sequence[int]) -> Iterator[Row]:
        for place in places:
            if place < self.count:
                yield from self._rows_between(columns, place, place + 1)

    def count_rows(self, column: str) -> int:
        return self.count

    def fingerprint(self) -> str:
        """The sha256 of its cells."""
        digest = hashlib.sha256(repr(self.columns).encode())
        for cells in self._all_cells(self.columns):
            for cell in cells:
                if isinstance(cell, np.ndarray):
                    digest.update(f"{cell.dtype}{cell.shape}".encode() + np.ascontiguousarray(cell).tobytes())
                else:
                    digest.update(json.dumps(cell).encode() + b"\0")
        return digest.hexdigest()

    def saved_column(self, name: str, arrays: dict[str, NDArray[Any]], most: int) -> tuple[Any, int]:
        """A column as `save` saves it, and its bytes, about; of one larger than `most` nothing useful. Arrays are
        added to `arrays`, and their names stand in their place."""
        if self.read[name].array:
            values = self.read[name].read(0, self.count)
            if values.dtype.kind == "U" or values.nbytes > most:
                return (values.tolist() if values.nbytes <= most else []), values.nbytes
            return _kept(values, arrays), values.nbytes
        cells, size = list[Any](), 0
        for (cell,) in self._all_cells([name]):
            size += cell.nbytes if isinstance(cell, np.ndarray) else len(str(cell))
            if size > most:
                break
            cells.append(_kept(cell, arrays) if isinstance(cell, np.ndarray) else cell)
        return cells, size

    def unreadable_columns(self) -> frozenset[str]:
        """Columns with a value among the first ones that is no cell, such as a dict or a time of day."""
        first = min(self.count, SAMPLE_ROWS)
        mixed = {name: column for name, column in self.read.items() if not column.array}
        return frozenset(name for name, column in mixed.items() if not all(map(is_cell, column.read(0, first))))

    def type_of(self, name: str) -> str | None:
        """bool, int or float, if a column holds only such values, or lists of int; None for any other column."""
        found = set[type]()
        for (cell,) in self._all_cells([name]):
            if isinstance(cell, np.ndarray) or (isinstance(cell, list) and not all(type(one) is int for one in cell)):
                return None
            found.update(map(type, cell if isinstance(cell, list) else [] if cell is None else [cell]))
        return {frozenset({bool}): "bool", frozenset({int}): "int"}.get(
            frozenset(found), "float" if found and found <= {int, float} else None
        )

    def _all_cells(self, columns: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
        """The cells of every row. One that cannot be read is None: then no training uses it."""
        for start in range(0, self.count, SLICE):
            stop = min(self.count, start + SLICE)
            read = [self.read[name].read(start, stop) for name in columns]
            for place in range(stop - start):
                yield tuple(self._kept_cell(*one, place, start) for one in zip(columns, read, strict=True))

    def _kept_cell(self, name: str, values: Any, place: int, start: int) -> Cell:
        try:
            return self._cell(name, values[place], start + place + 1)
        except DataError:
            return None

    def __str__(self) -> str:
        return IN_MEMORY

    def place(self, number: int) -> str:
        return f"the data{f' ({self.arrays})' if self.arrays else ''}, row {number:,}"

    def _rows_between(self, columns: Sequence[str], start: int, stop: int) -> Iterator[Row]:
        read = [self.read[name].read(start, stop) for name in columns]
        for place in range(stop - start):
            number = start + place + 1
            cells = tuple(self._cell(name, one[place], number) for name, one in zip(columns, read, strict=True))
            yield Row(number, cells)

    def _cell(self, name: str, value: Any, number: int) -> Cell:
        column = self.read[name]
        if column.array:
            cell = plain_cell(value)
            check_cell(cell, value, self, number, name)
            if isinstance(cell, str) and "\0" in cell:
                raise _zero_error(self.place(number), name)
            return cell
        try:
            cell = as_cell(value)
        except TypeError as error:
            raise DataError(
                f"{self.place(number)}: '{name}' holds {error}, which is no cell of a table. Give a text, a number, "
                "a list of these, an array, or an image; or, to use it as text: str(…)."
            ) from None
        if isinstance(cell, str) and not cell.isascii() and SURROGATES.search(cell):
            raise surrogate_error(self.place(number), name)
        if isinstance(cell, str) and "\0" in cell:
            raise _zero_error(self.place(number), name)
        return cell if not column.names else _named(cell, column.names)


def column_of(values: Any) -> ColumnInMemory:
    """A column of a list, an array or anything else that gives slices of its values."""
    if isinstance(values, np.ndarray):
        return ColumnInMemory(lambda start, stop: _flat(values[start:stop]), array=True)
    return ColumnInMemory(lambda start, stop: values[start:stop])


def _zero_error(place: str, name: str) -> DataError:
    return DataError(f"{place}: '{name}' contains a zero byte, which no text has. Remove it: text.replace('\\0', '')")


def _named(cell: Cell, names: Sequence[str]) -> Cell:
    """A numbered label, or a list of them, by name. By convention -1 is a missing one."""
    if isinstance(cell, list | np.ndarray):
        return [_named(one, names) for one in map(int, cell)]
    if isinstance(cell, int) and cell < len(names):
        return names[cell] if cell >= 0 else None
    return cell


def _kept(array: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> dict[str, str]:
    """What stands for an array in JSON; it is added to `arrays`."""
    name = str(len(arrays))
    arrays[name] = np.ascontiguousarray(array)
    return {"array": name}


def _loaded(values: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """A column, or a cell of one, from what `saved_column` made."""
    if isinstance(values, dict):
        return arrays[values["array"]]
    return [_loaded(one, arrays) if isinstance(one, dict) else one for one in values]


def _flat(array: Any) -> Any:
    return array.reshape(-1) if array.ndim > 1 and math.prod(array.shape[1:]) == 1 else array
