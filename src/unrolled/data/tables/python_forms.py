"""The forms of data that a program may hold, and the message for any other."""

from __future__ import annotations

from collections.abc import Iterator
from types import GeneratorType
from typing import Any

import numpy as np

from unrolled.data.tables.python_columns import library_of

FORMS = (
    "a DataFrame of pandas or polars, a Dataset of Hugging Face, a dict of columns, a list of dicts, "
    "a list of texts, or a pair (inputs, targets) of arrays, tensors or lists"
)


def advice_for_form(data: Any) -> str:
    """The message for data in none of these forms: what it is, and what to give instead."""
    name = type(data).__name__
    if isinstance(data, tuple) and any(isinstance(one, str) for one in data):
        return "The data is a tuple of texts. Give a list of texts, or a pair (inputs, targets) of lists."
    if library_of(data) == "pyarrow":
        return f"The data is a {name} of pyarrow. Make it a frame: data.to_pandas(), or polars.from_arrow(data)."
    if name in ("IterableDataset", "IterableDatasetDict"):
        return f"The data is an {name}, which is read as a stream. Give a list of its rows: list(…)."
    if "GroupBy" in name:
        return f"The data is a {name}, the groups of a frame. Give the frame; group= keeps a group together."
    if isinstance(data, GeneratorType | Iterator):
        return f"The data is a {name}, which can be read only once. Give a list of its rows: list(…)."
    if name == "LazyFrame":
        return "The data is a LazyFrame, which holds no rows yet. Collect them first: frame.collect()."
    if isinstance(data, np.ndarray) or library_of(data) in ("torch", "pandas", "polars", "scipy"):
        return f"The data is one {name}, without names of columns. Give a dict, {{'x': …}}, or a pair, (x, y)."
    return f"The data is of type {name}. Give a path, or {FORMS}."
