"""The forms in which a program holds data, each as a table: data frames, data sets, dicts of columns, lists of rows,
pairs of inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Number
from types import GeneratorType
from typing import Any

import numpy as np

from unrolled.data.splits import SPLITS
from unrolled.data.tables.arrays import check_array
from unrolled.data.tables.in_memory import IN_MEMORY, ColumnInMemory, MemoryTable, column_of
from unrolled.data.tables.python_values import as_array
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError, OptionError
from unrolled.given import as_path

TEXT, INPUT, TARGET = "text", "x", "y"  # columns of data without names
GIVEN_SPLITS = {SPLITS[1]: "valid", SPLITS[2]: "test"}  # the settings that may be data
FORMS = (
    "a DataFrame of pandas or polars, a Dataset of Hugging Face, a dict of columns, a list of dicts, "
    "a list of texts, or a pair (inputs, targets) of arrays, tensors or lists"
)


def as_data(data: Any) -> str | MemoryTable:
    """A path as text, or the table of data in memory. Raises OptionError, DataError."""
    return table_of(data) if is_in_memory(data) else as_path(data)


def data_and_splits(data: Any, settings: Mapping[str, Any]) -> tuple[str | MemoryTable, dict[str, Any]]:
    """A path, or the table of data in memory with its splits, and the settings that are left for options.

    settings: of a call, where `valid` and `test` may be data, paths or numbers. Raises OptionError where only some of
    the data is in memory, DataError.
    """
    given = {split: name for split, name in GIVEN_SPLITS.items() if _is_split(settings.get(name))}
    table = as_data(data)
    left = {name: value for name, value in settings.items() if name not in given.values()}
    left |= {name: str(left[name]) for name in GIVEN_SPLITS.values() if isinstance(left.get(name), Number)}
    if not given:
        return table, left
    names = " and ".join(f"{name}=" for name in given.values())
    if isinstance(table, str):
        raise OptionError(f"{names} is data in memory, and the data to train on is a path: {table}.\n"
                          "Give all of them as paths, or all as data.")  # fmt: skip
    if table.splits:
        raise OptionError(f"The data comes in splits already, so {names} has no use. Leave it out.")
    splits = {split: table_of(settings[name]) for split, name in given.items()}
    for split, one in splits.items():
        one.split, one.arrays = split, given[split]
    table.splits = splits
    return table, left


def is_in_memory(data: Any) -> bool:
    """Whether data is given itself, rather than its path."""
    return data is not None and not isinstance(data, str | bytes) and not hasattr(data, "__fspath__")


def _is_split(value: Any) -> bool:
    """Whether a setting is data, rather than the path or the share of a split."""
    return is_in_memory(value) and not isinstance(value, Number)


def table_of(data: Any) -> MemoryTable:
    """The table of data in any form that `FORMS` lists. Raises OptionError for another form, DataError for data
    that is no table."""
    if isinstance(data, Mapping):
        splits = _splits_of(data)
        return _of_splits(data, splits) if splits else _of_columns(data)
    library = type(data).__module__.partition(".")[0]
    if library == "pandas" and hasattr(data, "columns"):
        return _of_pandas(data)
    if library == "polars" and hasattr(data, "get_column"):
        return _of_columns({name: data.get_column(name) for name in data.columns})
    if library == "datasets" and hasattr(data, "column_names") and hasattr(data, "__len__"):
        return _of_dataset(data)
    if isinstance(data, tuple) and len(data) == 2:
        return _of_pair(*data)
    if isinstance(data, list):
        return _of_list(data)
    raise OptionError(_advice(data))


def _of_columns(data: Mapping[Any, Any]) -> MemoryTable:
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
    return MemoryTable(columns, count)


def _of_pandas(frame: Any) -> MemoryTable:
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
    return _of_columns({name: frame.iloc[:, place] for place, name in enumerate(names)})


def _of_dataset(data: Any) -> MemoryTable:
    columns = {}
    for name in data.column_names:
        kind = data.features[name]
        labels = getattr(kind, "names", None) or getattr(getattr(kind, "feature", None), "names", None)  # of tags
        columns[name] = ColumnInMemory(_slices_of(data, name), names=tuple(labels or ()))
    if not columns:
        raise DataError("The data has no columns. Give it at least one.")
    return MemoryTable(columns, len(data))


def _of_splits(data: Mapping[Any, Any], splits: Mapping[str, Any]) -> MemoryTable:
    tables = {split: table_of(data[name]) for split, name in splits.items()}
    table = tables.pop(SPLITS[0])
    for split, one in tables.items():
        one.split, one.arrays = split, splits[split]
    table.splits, table.arrays = tables, splits[SPLITS[0]]
    listed = "; ".join(f"{split}: {name}" for split, name in splits.items())
    table.note = f"the data comes in splits ({listed}; override: --valid --test)"
    return table


def _of_pair(inputs: Any, targets: Any) -> MemoryTable:
    if hasattr(inputs, "columns") or isinstance(inputs, Mapping):
        table = table_of(inputs)
        column, count = _column(TARGET, targets)
        name = str(getattr(targets, "name", None) or TARGET)
        if name in table.columns:
            raise DataError(f"The targets and a column of the inputs are both called '{name}'. Rename one of them.")
        if count != table.count:
            raise DataError(f"The inputs have {table.count:,} rows, and the targets {count:,}.")
        return MemoryTable({**table.read, name: column}, count)
    return _of_columns({INPUT: inputs, TARGET: targets})


def _of_list(data: list[Any]) -> MemoryTable:
    if not data:
        raise DataError("The data is an empty list. Give it some rows.")
    if all(isinstance(one, str) for one in data):
        return MemoryTable({TEXT: column_of(data)}, len(data))
    wrong = next((row for row, one in enumerate(data, 1) if not isinstance(one, Mapping)), None)
    if wrong is not None:
        found = type(data[wrong - 1]).__name__
        kind = "dicts" if isinstance(data[0], Mapping) else "texts" if isinstance(data[0], str) else "other values"
        raise OptionError(
            f"A list of dicts, a row each, or a list of texts was expected; it begins with {kind}, and entry "
            f"{wrong:,} is of type {found}.\nGive {FORMS}."
        )
    keys = {str(key): key for one in data for key in one}
    return MemoryTable({name: ColumnInMemory(_values_of(data, key)) for name, key in keys.items()}, len(data))


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
        return column_of(values), len(values)
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
    return column_of(values), len(values)


def _numbers_of(series: Any) -> Any:
    """The numbers of a series as an array, without a copy; None where some are missing, or are no numbers."""
    kind = str(series.dtype)
    if not kind.lower().startswith(("int", "uint", "float")):
        return None
    array = series.to_numpy()
    return array if array.dtype.kind in "iuf" and not (array.dtype.kind == "f" and np.isnan(array).any()) else None


def _of_series(series: Any, library: str) -> Callable[[int, int], Any]:
    if library == "pandas":
        return lambda start, stop: series.iloc[start:stop].tolist()
    return lambda start, stop: series[start:stop].to_list()


def _slices_of(data: Any, name: str) -> Callable[[int, int], Any]:
    return lambda start, stop: data.select_columns([name])[start:stop][name]


def _values_of(rows: Sequence[Mapping[Any, Any]], key: Any) -> Callable[[int, int], Any]:
    return lambda start, stop: [row.get(key) for row in rows[start:stop]]


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
