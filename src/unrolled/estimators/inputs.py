"""What an estimator gets as X or y, as columns of a table. Raises ValueError, which names the row, counted from 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_array

from unrolled.data.tables.python_values import as_array, is_absent

INPUT = "x"  # name of the input column, where X has no names
FORMS = "a list of texts, numbers (rows, features), sequences (rows, steps, features), lists of words, or a DataFrame"
LONGEST_SHOWN = 40  # characters of a value in a message


class Inputs(NamedTuple):
    """X as columns."""

    columns: dict[str, Any]
    has_names: bool = False  # whether X has names for its columns
    sequences: bool = False  # whether a row is a sequence of steps or of words


def read_inputs(given: Any, estimator: str, sequences: bool = False) -> Inputs:
    """X as columns: those of a frame or a dict, one for each feature of numbers, or one of texts or sequences.

    estimator: its name, for messages. sequences: whether lists of numbers are sequences, rather than features.
    """
    if hasattr(given, "tocsr"):
        raise ValueError("X is a sparse matrix, and dense numbers were expected. Make it dense first: X.toarray()")
    columns = named_columns(given)
    if columns is not None:
        return Inputs(columns, has_names=True)
    rows = as_rows(given, "X", FORMS)
    if getattr(rows, "ndim", 1) > 2:
        return Inputs({INPUT: rows}, sequences=True)
    if getattr(rows, "ndim", 1) == 2:
        return Inputs({INPUT: list(rows)}, sequences=True) if sequences else _features(rows, estimator)
    first: Any = next((row for row in rows if not is_absent(row)), None)
    if isinstance(first, str):
        return Inputs({INPUT: check_texts(rows)})
    if isinstance(first, Mapping):
        _check_each(rows, lambda row: isinstance(row, Mapping), "a dict")
        names = {str(name): name for row in rows for name in row}
        return Inputs({name: [row.get(key) for row in rows] for name, key in names.items()}, has_names=True)
    if is_sequence(first):
        _check_each(rows, is_sequence, "a list")
        check_filled(rows, "X")
        nested = isinstance(first[0], str) or is_sequence(first[0])
        if sequences or nested or len(set(map(len, rows))) > 1:
            return Inputs({INPUT: rows}, sequences=True)
    elif type(first).__module__.startswith("PIL."):
        return Inputs({INPUT: rows})
    elif not isinstance(first, Number | None):
        raise ValueError(f"Row 0 of X is {described(rows[0])}; expected {FORMS}.")
    return _features(rows, estimator)


def named_columns(given: Any) -> dict[str, Any] | None:
    """The columns of a frame of pandas or polars, a Dataset of Hugging Face or a dict; None for other data."""
    if isinstance(given, Mapping):
        names, columns = list(given), list(given.values())
        if any(hasattr(one, "columns") or hasattr(one, "column_names") for one in columns):
            listed = ", ".join(map(str, names))
            raise ValueError(f"X is a dict of tables: {listed}. Give one of them: X['{names[0]}']")
    elif hasattr(given, "columns") and hasattr(given, "iloc"):
        names, columns = list(given.columns), [given.iloc[:, place] for place in range(given.shape[1])]
    elif hasattr(given, "columns") and hasattr(given, "get_column"):
        names, columns = list(given.columns), [given.get_column(name) for name in given.columns]
    elif hasattr(given, "column_names") and hasattr(given, "__len__"):
        if given.format["type"] == "custom":
            raise ValueError("X is a Dataset with a transform, computed at each read. Compute it once: X.map(…)")
        names, columns = list(given.column_names), [given[name] for name in given.column_names]
    else:
        return None
    written = [str(name) for name in names]
    if not written:
        raise ValueError("The data has no columns. Give it at least one.")
    if twice := next((name for name in written if written.count(name) > 1), None):
        raise ValueError(f"Two columns of the data are called '{twice}'. Rename one of them.")
    if commas := next((name for name in written if "," in name), None):
        raise ValueError(f"The name of the column '{commas}' has a comma. Rename it.")
    return dict(zip(written, map(_without_bool, columns), strict=True))


def texts_of(given: Any) -> list[str]:
    """The texts in a list, or in a table with one column of them."""
    expected = "a list of texts, or one column of them"
    columns = named_columns(given)
    if columns is not None and len(columns) > 1:
        raise ValueError(
            f"X has the columns {', '.join(columns)}; expected {expected}.\n"
            f"Give one of them: X['{next(iter(columns))}']"
        )
    rows = as_rows(given if columns is None else next(iter(columns.values())), "X", expected)
    return check_texts(list(rows))


def as_rows(given: Any, name: str, expected: str) -> Any:
    """X or y as a list, or as an array of two or more axes. name: "X" or "y", and expected: for messages."""
    if given is None or isinstance(given, str | bytes):
        raise ValueError(f"{name} is {described(given)}; expected {expected}.")
    if hasattr(given, "__array__") and not hasattr(given, "__len__"):
        given = np.asarray(given)
    if isinstance(given, Iterator) or not hasattr(given, "__len__"):
        cure = f" Give a list: list({name})." if isinstance(given, Iterable) else ""
        raise ValueError(f"{name} is of type {type(given).__name__}; expected {expected}.{cure}")
    if type(given).__module__.partition(".")[0] == "torch":
        given = as_array(given)
    if getattr(given, "ndim", 1) == 0:
        raise ValueError(f"{name} is {described(given)}; expected {expected}.")
    if len(given) == 0 and getattr(given, "ndim", 1) == 1:
        raise ValueError(f"{name} is empty; expected {expected}.")
    if getattr(given, "ndim", 1) > 1:
        return given
    for method in ("to_list", "tolist"):  # of a series, of an array
        if hasattr(given, method):
            return getattr(given, method)()
    return list(given)


def check_texts(rows: Sequence[Any]) -> list[str]:
    """The rows, which are texts."""
    _check_each(rows, lambda row: isinstance(row, str), "a text")
    return list(rows)


def check_filled(rows: Iterable[Any], name: str) -> None:
    """Raises ValueError for a row without any step."""
    if (empty := next((number for number, row in enumerate(rows) if len(row) == 0), None)) is not None:
        raise ValueError(f"Row {empty} of {name} is empty; a row needs at least one step. Leave it out.")


def is_sequence(value: Any) -> bool:
    """Whether a value is a list, an array, a tensor or a series."""
    if isinstance(value, str | bytes | Mapping) or getattr(value, "ndim", 1) == 0:
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def described(value: Any) -> str:
    """A value for a message: None, or what it is and how it begins."""
    if is_absent(value):
        return str(value)
    name = type(value).__name__
    written = repr(value)
    if len(written) > LONGEST_SHOWN or "\n" in written:
        written = ""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{written and f', {written}'}"


def _features(rows: Any, estimator: str) -> Inputs:
    """Numbers (rows, features) as columns."""
    if getattr(rows, "ndim", 1) == 2 and rows.shape[1] and all(isinstance(one, str) for one in islice(rows.flat, 1)):
        if rows.shape[1] == 1:
            return Inputs({INPUT: check_texts(rows[:, 0].tolist())})
        raise ValueError(f"X is an array of texts {rows.shape}. Give one column of it, X[:, 0], or a DataFrame.")
    array = _without_bool(check_array(np.asarray(rows), dtype="numeric", estimator=estimator))
    return Inputs({f"{INPUT}{place}": array[:, place] for place in range(array.shape[1])})


def _without_bool(column: Any) -> Any:
    """The column; of True and False, as 1 and 0."""
    kind = str(getattr(column, "dtype", "")).lower()
    if kind not in ("bool", "boolean"):
        return column
    if hasattr(column, "cast"):  # polars
        return column.cast(int)
    return column.astype("Int8" if kind == "boolean" else np.int8)


def _check_each(rows: Sequence[Any], fits: Any, expected: str) -> None:
    for number, row in enumerate(rows):
        if not fits(row):
            cure = "Fill it in, or leave the row out." if is_absent(row) else "Give rows of one kind."
            raise ValueError(f"Row {number} of X is {described(row)}; {expected} was expected. {cure}")
