"""A list, an array, a series or a tensor as a column of a table in memory; and the names of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

import numpy as np

from unrolled.data.tables.arrays import check_array, flat
from unrolled.data.tables.base import SURROGATES
from unrolled.data.tables.in_memory import IN_MEMORY, ColumnInMemory, column_of
from unrolled.data.tables.python_values import as_array
from unrolled.errors import DataError, OptionError

NUMBERS_OR_TEXT = "biufU"  # kinds of arrays whose values are read as they are, without a look at each


def column_names(names: Iterable[Any]) -> list[str]:
    """The names of columns as texts. Raises DataError for one that is no name, or is there twice."""
    found = dict[str, None]()
    for place, name in enumerate(names, 1):
        written = "" if name is None or name != name else str(name)
        if isinstance(name, tuple):
            raise DataError(
                f"The columns of the data have names of several levels, such as {written}. Join them:\n"
                "frame.columns = ['_'.join(map(str, name)) for name in frame.columns]"
            )
        if not written.strip():
            raise DataError(f"Column {place:,} of the data has no name. Give it one, or leave it out.")
        if SURROGATES.search(written):
            shown = SURROGATES.sub("?", written)
            raise DataError(
                f"The name of the column '{shown}' holds half a character (a lone surrogate, \\ud800 to \\udfff), "
                "which is not valid text.\nRename it."
            )
        if written in found:
            raise DataError(f"Two columns of the data are called '{written}'. Rename one of them.")
        found[written] = None
    if not found:
        raise DataError("The data has no columns. Give it at least one.")
    return list(found)


def make_column(name: str, values: Any) -> tuple[ColumnInMemory, int]:
    """A column, and the number of its rows. Raises DataError, OptionError."""
    library = library_of(values)
    if library == "torch" and hasattr(values, "numpy"):
        try:
            values = as_array(values)
        except TypeError as error:
            raise OptionError(f"The column '{name}' is {error}.") from None
    elif library in ("pandas", "polars") and hasattr(values, "to_numpy") and not hasattr(values, "columns"):
        array = _numbers_of(values)
        if array is None:
            return ColumnInMemory(_of_series(values, library)), len(values)
        values = array
    elif library == "scipy" and hasattr(values, "toarray"):
        raise OptionError(
            f"The column '{name}' is a sparse {type(values).__name__}. Make it dense first: x.toarray()."
        )
    if isinstance(values, np.ndarray) and values.ndim:
        return _of_array(name, values), len(values)
    if isinstance(values, GeneratorType | Iterator):
        raise OptionError(f"The column '{name}' is a {type(values).__name__}, which can be read only once: list(…).")
    if (
        isinstance(values, str | bytes | Mapping)
        or hasattr(values, "columns")
        or not hasattr(values, "__len__")
        or not hasattr(values, "__getitem__")
        or getattr(values, "ndim", 1) == 0
    ):
        raise OptionError(
            f"The column '{name}' is of type {type(values).__name__}; a list, an array or a tensor with a value for "
            "each row was expected."
        )
    return column_of(values), len(values)


def library_of(value: Any) -> str:
    """The name of the package that a value's class comes from."""
    return type(value).__module__.partition(".")[0]


def _of_array(name: str, values: np.ndarray[Any, Any]) -> ColumnInMemory:
    """A column of an array with a row for each example. Raises DataError."""
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):  # read value by value, like a list
            return ColumnInMemory(lambda start, stop: flat(values[start:stop]))
        values = np.asarray(values)
    if values.dtype.kind not in NUMBERS_OR_TEXT:  # objects, dates, and what is refused with its row
        return ColumnInMemory(lambda start, stop: flat(values[start:stop]))
    if values.dtype.kind == "f" and values.dtype.itemsize > np.dtype(np.float64).itemsize:
        values = values.astype(np.float64)
    check_array(IN_MEMORY, name, values.shape, values.dtype)
    return column_of(values)


def _numbers_of(series: Any) -> Any:
    """The numbers of a series as an array, without a copy; None where some are missing, or are no numbers."""
    kind = str(series.dtype).lower()
    if not kind.startswith(("int", "uint", "float", "half", "double")) or kind.endswith("int128"):
        return None  # integers of 128 bits are read one by one: numpy has none
    array = series.to_numpy()
    return array if array.dtype.kind in "iuf" and not (array.dtype.kind == "f" and np.isnan(array).any()) else None


def _of_series(series: Any, library: str) -> Callable[[int, int], Any]:
    if (narrow := _narrow_type(series)) is not None:
        missing = {"na_value": narrow(np.nan)} if library == "pandas" else {}
        return lambda start, stop: (series.iloc if missing else series)[start:stop].to_numpy(**missing).astype(narrow)
    if library == "pandas":
        return lambda start, stop: series.iloc[start:stop].tolist()
    return lambda start, stop: series[start:stop].to_list()


def _narrow_type(series: Any) -> Any:
    """numpy's type of the floats of a series that have fewer than 64 bits; None for another series."""
    kind = str(series.dtype).lower()
    if kind in ("float16", "halffloat[pyarrow]"):
        return np.float16
    return np.float32 if kind in ("float32", "float[pyarrow]") else None
