"""Data that a program holds in memory, as a table: data frames, dicts of columns, lists of rows, arrays and tensors.

Nothing is copied: a cell is converted when its row is read. A cell means what it would mean in a file.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import GeneratorType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from unrolled.data.cells.cell import Cell
from unrolled.data.splits import SPLITS
from unrolled.data.tables.arrays import check_array, check_cell, plain_cell
from unrolled.data.tables.base import SURROGATES, Row, TableFile, surrogate_error
from unrolled.data.tables.python_values import as_array, as_cell
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError, OptionError
from unrolled.fileio import PRIVATE, write_atomically
from unrolled.given import as_path

IN_MEMORY = "data in memory"  # stands for the path
KEPT_TABLE = "data.safetensors"  # name of the file in a run folder that keeps a small table
CELLS = "cells"  # name in it of the JSON of all cells that are no arrays
TEXT, INPUT, TARGET = "text", "x", "y"  # columns of data without names
SLICE = 1_000  # rows of a data set that are fetched at once
FORMS = (
    "a DataFrame of pandas or polars, a Dataset of Hugging Face, a dict of columns, a list of dicts, "
    "a list of texts, or a pair (inputs, targets) of arrays, tensors or lists"
)


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
        self.has_mixed_columns = not all(column.array for column in columns.values())

    @classmethod
    def open(cls, path: Path) -> Self:
        """The table that `save` saved. Raises DataError."""
        try:
            arrays = load_file(path)
            found = json.loads(arrays.pop(CELLS).tobytes())
            tables = {
                split: cls._of_columns({name: _loaded(values, arrays) for name, values in columns.items()})
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

    @classmethod
    def of(cls, data: Any) -> Self:
        """The table of data in any form that `FORMS` lists. Raises OptionError for another form, DataError for data
        that is no table."""
        if isinstance(data, Mapping):
            splits = _splits_of(data)
            return cls._of_splits(data, splits) if splits else cls._of_columns(data)
        library = type(data).__module__.partition(".")[0]
        if library == "pandas" and hasattr(data, "columns"):
            return cls._of_pandas(data)
        if library == "polars" and hasattr(data, "get_column"):
            return cls._of_columns({name: data.get_column(name) for name in data.columns})
        if library == "datasets" and hasattr(data, "column_names") and hasattr(data, "__len__"):
            return cls._of_dataset(data)
        if isinstance(data, tuple) and len(data) == 2:
            return cls._of_pair(*data)
        if isinstance(data, list):
            return cls._of_list(data)
        raise OptionError(_advice(data))

    @classmethod
    def _of_columns(cls, data: Mapping[Any, Any]) -> Self:
        names = [str(name) for name in data]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"Two columns of the data are called '{twice}'. Rename one of them.")
        if not names:
            raise DataError("The data has no columns. Give it at least one.")
        columns, counts = {}, {}
        for name, values in zip(names, data.values(), strict=True):
            columns[name], counts[name] = _column(name, values)
        first, count = next(iter(counts.items()))
        for name, other in counts.items():
            if other != count:
                raise DataError(
                    f"The column '{first}' has {count:,} rows, and '{name}' has {other:,}. Every column needs a "
                    "value for each row; None stands for a missing one."
                )
        return cls(columns, count)

    @classmethod
    def _of_pandas(cls, frame: Any) -> Self:
        if (index := frame.index).nlevels > 1 or index.name is not None or index.dtype.kind not in "iu":
            called = "several levels" if index.nlevels > 1 else f"the name '{index.name}'"
            what = called if index.nlevels > 1 or index.name is not None else f"values of type {index.dtype}"
            raise DataError(
                f"The frame's index has {what}, and only columns are read. Make it a column: frame.reset_index();\n"
                "or leave it out: frame.reset_index(drop=True)"
            )
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"Two columns of the data are called '{twice}'. Rename one of them.")
        return cls._of_columns({name: frame.iloc[:, place] for place, name in enumerate(names)})

    @classmethod
    def _of_dataset(cls, data: Any) -> Self:
        columns = {}
        for name in data.column_names:
            kind = data.features[name]
            labels = getattr(kind, "names", None) or getattr(getattr(kind, "feature", None), "names", None)  # of tags
            columns[name] = ColumnInMemory(_slices_of(data, name), names=tuple(labels or ()))
        if not columns:
            raise DataError("The data has no columns. Give it at least one.")
        return cls(columns, len(data))

    @classmethod
    def _of_splits(cls, data: Mapping[Any, Any], splits: Mapping[str, Any]) -> Self:
        tables = {split: cls.of(data[name]) for split, name in splits.items()}
        table = tables.pop(SPLITS[0])
        for split, one in tables.items():
            one.split, one.arrays = split, splits[split]
        table.splits, table.arrays = tables, splits[SPLITS[0]]
        listed = "; ".join(f"{split}: {name}" for split, name in splits.items())
        table.note = f"the data comes in splits ({listed}; override: --valid --test)"
        return table

    @classmethod
    def _of_pair(cls, inputs: Any, targets: Any) -> Self:
        if hasattr(inputs, "columns") or isinstance(inputs, Mapping):
            table = cls.of(inputs)
            column, count = _column(TARGET, targets)
            name = str(getattr(targets, "name", None) or TARGET)
            if name in table.columns:
                raise DataError(
                    f"The targets and a column of the inputs are both called '{name}'. Rename one of them."
                )
            if count != table.count:
                raise DataError(f"The inputs have {table.count:,} rows, and the targets {count:,}.")
            return cls({**table.read, name: column}, count)
        return cls._of_columns({INPUT: inputs, TARGET: targets})

    @classmethod
    def _of_list(cls, data: list[Any]) -> Self:
        if not data:
            raise DataError("The data is an empty list. Give it some rows.")
        if all(isinstance(one, str) for one in data):
            return cls({TEXT: ColumnInMemory(lambda start, stop: data[start:stop])}, len(data))
        wrong = next((row for row, one in enumerate(data, 1) if not isinstance(one, Mapping)), None)
        if wrong is not None:
            found = type(data[wrong - 1]).__name__
            kind = (
                "dicts" if isinstance(data[0], Mapping) else "texts" if isinstance(data[0], str) else "other values"
            )
            raise OptionError(
                f"A list of dicts, a row each, or a list of texts was expected; it begins with {kind}, and entry "
                f"{wrong:,} is of type {found}.\nGive {FORMS}."
            )
        keys = {str(key): key for one in data for key in one}
        return cls({name: ColumnInMemory(_values_of(data, key)) for name, key in keys.items()}, len(data))

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
        for row in self.rows(self.columns):
            for cell in row.cells:
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
        for row in self.rows([name]):
            (cell,) = row.cells
            size += cell.nbytes if isinstance(cell, np.ndarray) else len(str(cell))
            if size > most:
                break
            cells.append(_kept(cell, arrays) if isinstance(cell, np.ndarray) else cell)
        return cells, size

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
            return cell
        try:
            cell = as_cell(value)
        except TypeError as error:
            raise DataError(
                f"{self.place(number)}: '{name}' holds {error}, which is no cell of a table. Give a text, a number, "
                "a list of these, an array, or an image."
            ) from None
        if isinstance(cell, str) and not cell.isascii() and SURROGATES.search(cell):
            raise surrogate_error(self.place(number), name)
        return cell if not column.names else _named(cell, column.names)


def as_data(data: Any) -> str | MemoryTable:
    """A path as text, or the table of data in memory. Raises OptionError, DataError."""
    return MemoryTable.of(data) if is_in_memory(data) else as_path(data)


def is_in_memory(data: Any) -> bool:
    """Whether data is given itself, rather than its path."""
    return data is not None and not isinstance(data, str | bytes) and not hasattr(data, "__fspath__")


def _column(name: str, values: Any) -> tuple[ColumnInMemory, int]:
    """A column, and the number of its rows. Raises DataError, OptionError."""
    library = type(values).__module__.partition(".")[0]
    if library == "torch" and hasattr(values, "numpy"):
        values = as_array(values)
    elif library in ("pandas", "polars") and hasattr(values, "to_numpy"):
        array = _numbers_of(values)
        if array is None:
            return ColumnInMemory(_of_series(values, library)), len(values)
        values = array
    if isinstance(values, np.ndarray) and (values.dtype.kind in "biufU" and values.ndim):
        check_array(IN_MEMORY, name, values.shape, values.dtype)
        return ColumnInMemory(lambda start, stop: _flat(values[start:stop]), array=True), len(values)
    if isinstance(values, GeneratorType | Iterator):
        raise OptionError(f"The column '{name}' is a {type(values).__name__}, which can be read only once: list(…).")
    if (
        isinstance(values, str | bytes | Mapping)
        or not hasattr(values, "__len__")
        or not hasattr(values, "__getitem__")
        or getattr(values, "ndim", 1) == 0
    ):
        raise OptionError(
            f"The column '{name}' is of type {type(values).__name__}; a list, an array or a tensor with a value for "
            "each row was expected."
        )
    return ColumnInMemory(lambda start, stop: values[start:stop]), len(values)


def _numbers_of(series: Any) -> Any:
    """The numbers of a series as an array, without a copy; None where some are missing, or are no numbers."""
    kind = str(series.dtype)
    if not kind.lower().startswith(("int", "uint", "float")):
        return None
    array = series.to_numpy()
    return array if array.dtype.kind in "iuf" and not (array.dtype.kind == "f" and np.isnan(array).any()) else None


def _named(cell: Cell, names: Sequence[str]) -> Cell:
    """A numbered label, or a list of them, by name. By convention -1 is a missing one."""
    if isinstance(cell, list | np.ndarray):
        return [_named(one, names) for one in map(int, cell)]
    if isinstance(cell, int) and cell < len(names):
        return names[cell] if cell >= 0 else None
    return cell


def _of_series(series: Any, library: str) -> Callable[[int, int], Any]:
    if library == "pandas":
        return lambda start, stop: series.iloc[start:stop].tolist()
    return lambda start, stop: series[start:stop].to_list()


def _slices_of(data: Any, name: str) -> Callable[[int, int], Any]:
    return lambda start, stop: data.select_columns([name])[start:stop][name]


def _values_of(rows: Sequence[Mapping[Any, Any]], key: Any) -> Callable[[int, int], Any]:
    return lambda start, stop: [row.get(key) for row in rows[start:stop]]


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


def _splits_of(data: Mapping[Any, Any]) -> dict[str, Any]:
    """split -> key, for a dict of data named as splits, such as a DatasetDict of Hugging Face; empty for columns."""
    found = {SPLIT_WORDS.get(str(name).lower()): name for name in data}
    tables = all(map(_has_columns, data.values()))
    whole = None not in found and SPLITS[0] in found and len(found) == len(data)
    return {split: found[split] for split in SPLITS if split in found} if tables and whole else {}


def _has_columns(data: Any) -> bool:
    rows = isinstance(data, list) and len(data) > 0 and isinstance(data[0], Mapping)
    return rows or isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "column_names")


def _advice(data: Any) -> str:
    name = type(data).__name__
    if isinstance(data, GeneratorType | Iterator):
        return f"The data is a {name}, which can be read only once. Give a list of its rows: list(…)."
    if isinstance(data, np.ndarray) or type(data).__module__.partition(".")[0] in ("torch", "pandas", "polars"):
        return f"The data is one {name}, without names of columns. Give a dict, {{'x': …}}, or a pair, (x, y)."
    return f"The data is of type {name}. Give a path, or {FORMS}."
