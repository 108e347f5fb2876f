"""Inference inputs that a program holds: as a table, or as texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, TypeVar

from unrolled.data.tables.base import SURROGATES, surrogate_error
from unrolled.data.tables.in_memory import MemoryTable
from unrolled.data.tables.python_columns import library_of
from unrolled.data.tables.python_data import has_columns, is_in_memory, splits_of, table_of
from unrolled.data.tables.python_values import is_absent
from unrolled.errors import OptionError
from unrolled.tasks.frames import is_frame

T = TypeVar("T")


def inputs_table(data: Any, inputs: Sequence[str], files: bool) -> MemoryTable | None:
    """The table of data in memory, or of the values of the input column alone; None for an iterable of texts, paths
    or rows of cells.

    inputs: the run's input columns. files: whether their cells are files, so that a path or a picture is an input.
    Raises OptionError, DataError.
    """
    if files and (isinstance(data, PathLike) or library_of(data) == "PIL"):
        data = [data]
    if not is_in_memory(data) or isinstance(data, Iterator):
        return None
    texts = str if files else (str, PathLike)
    if isinstance(data, list | tuple) and (
        not data or (isinstance(data[0], texts) and not any(map(is_absent, data)))
    ):
        return None
    if splits := splits_of(data):
        names = list(splits.values())
        raise OptionError(
            f"The data has splits: {', '.join(map(str, names))}. Give one of them: predict(data[{names[-1]!r}])"
        )
    if isinstance(data, tuple) and len(data) == 2 and hasattr(data[0], "__len__"):
        raise OptionError(
            "A pair is inputs and targets, and predictions are made of inputs alone: predict(inputs).\n"
            "Give two inputs as a list."
        )
    if is_frame(data) and hasattr(data, "reset_index"):  # no index is read, so any will do
        data = data.reset_index(drop=True)
    has_names = isinstance(data, Mapping) or has_columns(data)
    named = has_names or (isinstance(data, list) and any(isinstance(one, Mapping) for one in data))
    return table_of(data if named or len(inputs) != 1 else {inputs[0]: data})


def valid_texts(texts: Iterable[T]) -> Iterator[T]:
    """The same texts. Raises DataError for one with a lone surrogate, as in a cell."""
    for number, text in enumerate(texts, 1):
        if isinstance(text, str) and not text.isascii() and SURROGATES.search(text):
            raise surrogate_error(f"text {number:,}", text[:60])
        yield text
