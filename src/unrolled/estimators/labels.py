"""The classes of an estimator, by the names that they have as labels of a run."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Number
from typing import Any

import numpy as np

from unrolled.data.dataset.parse_targets import label_of
from unrolled.data.tables.python_values import is_absent
from unrolled.estimators.inputs import as_rows, check_filled, described, is_sequence

LABEL_TYPES: tuple[tuple[Any, type], ...] = ((str, str), ((bool, np.bool_), bool), (Number, int))
TAGS = "a list of tags for each row, a tag for each step"


def label_names(classes: Iterable[Any]) -> dict[str, Any]:
    """label of the run -> class, in the order of the classes.

    A run strips labels and composes their letters. Raises ValueError where two classes become one label.
    """
    names: dict[str, Any] = {}
    for one in classes:
        name = label_of(str(one))
        if not name:
            raise ValueError(f"The label {one!r} is blank; a label needs at least one letter or digit. Rename it.")
        if name in names:
            raise ValueError(
                f"The labels {names[name]!a} and {one!a} would be one label, '{name}': blanks around a label, its "
                "Unicode form, its type and a final .0 are not kept.\nRename one of them."
            )
        names[name] = one
    return names


def check_none_missing(values: Iterable[Any]) -> None:
    """Raises ValueError for a missing label."""
    if (row := next((row for row, one in enumerate(values) if is_absent(one)), None)) is not None:
        raise ValueError(f"Row {row} of y is missing; every row needs a label. Leave the row out.")


def check_one_type(given: Any) -> None:
    """Raises ValueError for a list with labels of several types, which numpy would make one type."""
    if not isinstance(given, list | tuple):
        return
    first = dict[type, Any]()
    for one in given:
        if is_absent(one):
            continue
        kind = next((kind for kinds, kind in LABEL_TYPES if isinstance(one, kinds)), None)
        if kind is not None:
            first.setdefault(kind, one)
    if len(first) > 1:
        shown = " and ".join(repr(one) for one in first.values())
        raise ValueError(f"y has labels of several types, such as {shown}. Give one type: list(map(str, y))")


def read_tags_of(given: Any) -> list[list[Any]]:
    """The tags of each row. Raises ValueError where they are no lists, or a list is empty."""
    rows = list(as_rows(given, "y", TAGS))
    for number, row in enumerate(rows):
        if not is_sequence(row):
            raise ValueError(f"Row {number} of y is {described(row)}; expected {TAGS}.")
    check_filled(rows, "y")
    tags = [row.tolist() if hasattr(row, "tolist") else list(row) for row in rows]
    for number, row in enumerate(tags):
        if any(map(is_absent, row)):
            raise ValueError(f"Row {number} of y has a missing tag; expected {TAGS}.")
    return tags
