"""The forms in which a program holds data, each as a table: data frames, data sets, dicts of columns, lists of rows,
pairs of inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from unrolled.data.splits import SPLITS
from unrolled.data.tables.in_memory import ColumnInMemory, MemoryTable, column_of
from unrolled.data.tables.python_columns import column_names, library_of, make_column
from unrolled.data.tables.python_forms import FORMS, advice_for_form
from unrolled.data.tables.python_values import is_absent
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError, OptionError
from unrolled.given import as_path

TEXT, INPUT, TARGET = "text", "x", "y"  # columns of data without names
GIVEN_SPLITS = {SPLITS[1]: "valid", SPLITS[2]: "test"}  # the settings that may be data
NAMING = ("input", "output", "group", "sequence")  # the settings that name columns
NARROW = {"float16": np.float16, "float32": np.float32}


def as_data(data: Any) -> str | MemoryTable:
    """A path as text, or the table of data in memory to evaluate on: of several splits test, or else validation,
    where there is no training split. Raises OptionError, DataError."""
    if not is_in_memory(data):
        return as_path(data)
    splits = splits_of(data)
    if not splits or SPLITS[0] in splits:
        return _checked(table_of(data))
    split = SPLITS[2] if SPLITS[2] in splits else SPLITS[1]
    table = _checked(_one_table(data[splits[split]], splits[split]))
    table.arrays = str(splits[split])
    return table


def data_and_splits(data: Any, settings: Mapping[str, Any]) -> tuple[str | MemoryTable, dict[str, Any]]:
    """A path, or the table of data in memory with its splits, and the settings that are left for options.

    settings: of a call, where `valid` and `test` may be data, paths or numbers. Raises OptionError where only some of
    the data is in memory, DataError.
    """
    given = {split: name for split, name in GIVEN_SPLITS.items() if _is_split(settings.get(name))}
    table = _checked(table_of(data)) if is_in_memory(data) else as_path(data)
    left = {name: value for name, value in settings.items() if name not in given.values()}
    left |= {name: str(left[name]) for name in GIVEN_SPLITS.values() if isinstance(left.get(name), Number)}
    if not isinstance(table, str):
        left |= {name: _names_in(left[name]) for name in NAMING if left.get(name) is not None}
    if not given:
        return table, left
    names = " and ".join(f"{name}=" for name in given.values())
    if isinstance(table, str):
        raise OptionError(f"{names} is data in memory, and the data to train on is a path: {table}.\n"
                          "Give all of them as paths, or all as data.")  # fmt: skip
    if table.splits:
        raise OptionError(f"The data comes in splits already, so {names} has no use. Leave it out.")
    splits = {split: _checked(_one_table(settings[name], name)) for split, name in given.items()}
    for split, one in splits.items():
        one.split, one.arrays = split, given[split]
    table.splits = splits
    return table, left


def _names_in(given: Any) -> Any:
    """The names of columns that an option takes: numbers and lists of names as text. Raises OptionError for a name in
    a list that holds a comma."""
    if isinstance(given, list | tuple):
        names = [str(_names_in(one)) for one in given]
        if len(names) > 1 and (comma := next((name for name in names if "," in name), None)):
            raise OptionError(f"The column '{comma}' has a comma in its name, which separates names. Rename it.")
        return ",".join(names)
    return str(given) if isinstance(given, int | np.integer) and not isinstance(given, bool) else given


def is_in_memory(data: Any) -> bool:
    """Whether data is given itself, rather than its path."""
    return data is not None and not isinstance(data, str | bytes) and not hasattr(data, "__fspath__")


def _is_split(value: Any) -> bool:
    """Whether a setting is data, rather than the path or the share of a split."""
    return is_in_memory(value) and not isinstance(value, Number)


def _checked(table: MemoryTable) -> MemoryTable:
    """The table, with the columns marked that cannot be read: they are refused only where they are used."""
    for one in (table, *table.splits.values()):
        if isinstance(one, MemoryTable):
            one.nested = one.unreadable_columns()
    return table


def _one_table(data: Any, name: Any) -> MemoryTable:
    """The table of one split, called `name`. Raises OptionError for data with splits of its own."""
    if splits := splits_of(data):
        raise OptionError(f"{name} has splits of its own: {', '.join(map(str, splits.values()))}. Give one of them.")
    return table_of(data)


def table_of(data: Any) -> MemoryTable:
    """The table of data in any form that `FORMS` lists. Raises OptionError for another form, DataError for data
    that is no table."""
    if isinstance(data, Mapping):
        splits = splits_of(data)
        return _of_splits(data, splits) if splits else _of_columns(data)
    library = library_of(data)
    if library == "pandas" and hasattr(data, "columns"):
        return _of_pandas(data)
    if library == "polars" and hasattr(data, "get_column"):
        return _of_columns({name: data.get_column(name) for name in data.columns})
    if library == "datasets" and hasattr(data, "column_names") and hasattr(data, "__len__"):
        return _of_dataset(data)
    if isinstance(data, tuple) and len(data) == 2 and not any(isinstance(one, str) for one in data):
        return _of_pair(*data)
    if isinstance(data, list):
        return _of_list(data)
    if _is_one_column(data):  # texts, each a document
        values = data.tolist() if hasattr(data, "tolist") else data.to_list()
        if any(isinstance(one, str) for one in values):
            return _of_list(values)
    raise OptionError(advice_for_form(data))


def _is_one_column(data: Any) -> bool:
    """Whether data is an array or a series with one value a row."""
    if isinstance(data, np.ndarray):
        return data.ndim == 1 and data.dtype.kind in "UO"
    return type(data).__name__ == "Series" and library_of(data) in ("pandas", "polars")


def _of_columns(data: Mapping[Any, Any]) -> MemoryTable:
    table = next((name for name, values in data.items() if has_columns(values)), None)
    if table is not None:
        raise OptionError(
            f"'{table}' holds a {type(data[table]).__name__}, where the values of a column were expected. If the "
            f"data comes in splits,\ncall them train, validation and test; it has: {', '.join(map(str, data))}."
        )
    columns, counts = {}, {}
    for name, values in zip(column_names(data), data.values(), strict=True):
        columns[name], counts[name] = make_column(name, values)
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
    names = column_names(frame.columns)
    return _of_columns({name: frame.iloc[:, place] for place, name in enumerate(names)})


def _of_dataset(data: Any) -> MemoryTable:
    if data.format["type"] == "custom":
        raise DataError(
            "The Dataset has a transform, which is computed at each read. Compute it once: dataset.map(…);\n"
            "or leave it out: dataset.with_format(None)"
        )
    columns, plain = {}, data.with_format(None)
    column_names(data.column_names)
    for name in data.column_names:
        source = data if name in data.format["columns"] else plain  # a format may be that of some columns
        kind = data.features[name]
        labels = getattr(kind, "names", None) or getattr(getattr(kind, "feature", None), "names", None)  # of tags
        narrow = NARROW.get(getattr(kind, "dtype", "")) if source.format["type"] is None else None
        columns[name] = ColumnInMemory(_slices_of(source, name, narrow), names=tuple(labels or ()))
    return MemoryTable(columns, len(data))


def _of_splits(data: Mapping[Any, Any], splits: Mapping[str, Any]) -> MemoryTable:
    if SPLITS[0] not in splits:
        raise OptionError(
            f"The data has no split called train, only {' and '.join(map(str, data))}. Add it, or give one of them "
            "alone."
        )
    tables = {split: _one_table(data[name], name) for split, name in splits.items()}
    table = tables.pop(SPLITS[0])
    for split, one in tables.items():
        one.split, one.arrays = split, str(splits[split])
    table.splits, table.arrays = tables, str(splits[SPLITS[0]])
    listed = "; ".join(f"{split}: {name}" for split, name in splits.items())
    table.note = f"the data comes in splits ({listed}; override: --valid --test)"
    return table


def _of_pair(inputs: Any, targets: Any) -> MemoryTable:
    if not hasattr(inputs, "columns") and not isinstance(inputs, Mapping):
        if hasattr(targets, "columns"):
            return _joined(_of_columns({INPUT: inputs}), table_of(targets))
        return _of_columns({INPUT: inputs, TARGET: targets})
    if hasattr(targets, "columns"):
        return _joined(table_of(inputs), table_of(targets))
    name = getattr(targets, "name", None)
    return _joined(table_of(inputs), _of_columns({TARGET if name is None else name: targets}))


def _joined(inputs: MemoryTable, targets: MemoryTable) -> MemoryTable:
    """The columns of both, of which the second are predicted. Raises DataError."""
    if both := next((name for name in targets.columns if name in inputs.columns), None):
        raise DataError(f"The targets and a column of the inputs are both called '{both}'. Rename one of them.")
    if targets.count != inputs.count:
        raise DataError(f"The inputs have {inputs.count:,} rows, and the targets {targets.count:,}.")
    table = MemoryTable({**inputs.read, **targets.read}, inputs.count)
    table.targets = targets.columns
    return table


def _of_list(data: list[Any]) -> MemoryTable:
    if not data:
        raise DataError("The data is an empty list. Give it some rows.")
    first = next((one for one in data if not is_absent(one)), None)
    kind = Mapping if isinstance(data[0], Mapping) else str
    missing = kind is str and isinstance(first, str)  # whether None and NaN are texts that are missing
    wrong = next((row for row, one in enumerate(data, 1)
                  if not (isinstance(one, kind) or (missing and is_absent(one)))), None)  # fmt: skip
    if wrong is not None:
        found = type(data[wrong - 1]).__name__
        begins = "dicts" if kind is Mapping else "texts" if wrong > 1 else "other values"
        raise OptionError(
            f"A list of dicts, a row each, or a list of texts was expected; it begins with {begins}, and entry "
            f"{wrong:,} is of type {found}.\nGive {FORMS}."
        )
    if kind is str:
        if all(one == "" or is_absent(one) for one in data):
            raise DataError(f"All {len(data):,} texts of the list are empty. Give it some with text.")
        return MemoryTable({TEXT: column_of(data)}, len(data))
    keys = list({key: None for one in data for key in one})
    if not keys:
        raise DataError("The rows of the list are empty dicts. Give them keys, the names of columns.")
    names = column_names(keys)
    return MemoryTable(
        {name: ColumnInMemory(_values_of(data, key)) for name, key in zip(names, keys, strict=True)}, len(data)
    )


def _slices_of(data: Any, name: str, narrow: Any) -> Callable[[int, int], Any]:
    """narrow: numpy's type of floats of under 64 bits, which a data set gives as wider ones."""

    def read(start: int, stop: int) -> Any:
        values = data.select_columns([name])[start:stop][name]
        return values if narrow is None else [one if one is None else narrow(one) for one in values]

    return read


def _values_of(rows: Sequence[Mapping[Any, Any]], key: Any) -> Callable[[int, int], Any]:
    return lambda start, stop: [row.get(key) for row in rows[start:stop]]


def splits_of(data: Any) -> dict[str, Any]:
    """split -> key, for a dict of data named as splits, such as a DatasetDict of Hugging Face; empty for columns,
    which may be called test and validation, but not train."""
    if not isinstance(data, Mapping):
        return {}
    found = {SPLIT_WORDS.get(str(name).lower()): name for name in data}
    if None in found or len(found) < len(data) or not (SPLITS[0] in found or all(map(_has_rows, data.values()))):
        return {}
    return {split: found[split] for split in SPLITS if split in found}


def _has_rows(data: Any) -> bool:
    rows = isinstance(data, list) and len(data) > 0 and isinstance(data[0], Mapping)
    return rows or isinstance(data, Mapping) or has_columns(data)


def has_columns(data: Any) -> bool:
    """Whether data is a frame or a data set, whose columns have names."""
    return type(data).__name__ == "LazyFrame" or hasattr(data, "columns") or hasattr(data, "column_names")
