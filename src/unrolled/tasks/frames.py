"""Predictions as a data frame of the library, and with the index, of the frame that was given."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from unrolled.data.cells.label_names import TRUTHS
from unrolled.data.cells.written_numbers import is_number
from unrolled.data.dataset.outputs import Output
from unrolled.errors import OptionError
from unrolled.tasks.results import RowPrediction

ENDS = {"classification": ("", "_probability"), "regression": ("", "_low", "_high")}
"""Kind of output -> what is added to its name, for its columns in a frame. Others have one column."""


class DataFrame(Protocol):
    """A frame of pandas or polars, for the type checker."""

    columns: Any
    shape: tuple[int, int]

    def join(self, *args: Any, **kwargs: Any) -> Any: ...


def is_frame(data: Any) -> bool:
    """Whether data is a DataFrame of pandas or polars. Neither is imported for it."""
    return type(data).__name__ == "DataFrame" and type(data).__module__.partition(".")[0] in ("pandas", "polars")


def as_frame(
    data: Any, predictions: Iterable[RowPrediction], outputs: Mapping[str, Output], types: Mapping[str, str]
) -> Any:
    """The predictions for the rows of a frame, as such a frame: a column for each output, beside it the probability
    of a label, or the interval of a number. An empty input, and one that cannot be read, has None in all of them.

    types: of the labels of an output, see `MemoryTable.type_of`; without one they are texts.
    """
    names = prediction_columns(outputs)
    rows = [cells_of(prediction, types) for prediction in predictions]
    columns = {name: [row.get(name) for row in rows] for name in names}
    library = type(data).__module__.partition(".")[0]
    module = sys.modules[library]
    if library == "pandas":
        return module.DataFrame(columns, index=data.index)
    return module.DataFrame(columns, strict=False)


def prediction_columns(outputs: Mapping[str, Output]) -> list[str]:
    """The columns of the predictions. Raises OptionError where two of them would have one name."""
    names = [name + end for name, output in outputs.items() for end in ENDS.get(output.kind, ("",))]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError(
            f"Two columns of the predictions would be called '{twice}', because of the outputs "
            f"{', '.join(outputs)}.\nGive a list of dicts: frame.to_dict('records'), in polars frame.to_dicts()"
        )
    return names


def cells_of(prediction: RowPrediction, types: Mapping[str, str]) -> dict[str, Any]:
    """A prediction as the cells of a row, by column."""
    if prediction.error or prediction.empty:
        return {}
    cells: dict[str, Any] = {}
    for name, ranked in prediction.labels.items():
        label, probability = ranked[0]
        cells[name], cells[f"{name}_probability"] = _typed(label, types.get(name)), probability
    for name in prediction.tags:
        cells[name] = [_typed(label, types.get(name)) for label in prediction.best_tags(name)]
    for name in prediction.sets:
        cells[name] = [_typed(label, types.get(name)) for label in prediction.predicted_labels(name)]
    for name, found in prediction.values.items():
        several = len(found) > 1
        for end, numbers in (
            ("", [one.value for one in found]),
            ("_low", [one.low for one in found]),
            ("_high", [one.high for one in found]),
        ):
            cells[name + end] = numbers if several else numbers[0]
    for name, text in prediction.texts.items():
        cells[name] = text.text
    return cells


def _typed(label: str, kind: str | None) -> Any:
    """A label as the value that it was in the training data."""
    if kind == "bool":
        return TRUTHS.get(label.lower(), label)
    if kind is None or not is_number(label):
        return label
    return int(label) if kind == "int" else float(label)
