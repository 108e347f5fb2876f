"""Predictions as a data frame of the library, and with the index, of the frame that was given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Protocol

from unrolled.tasks.results import RowPrediction


class DataFrame(Protocol):
    """A frame of pandas or polars, for the type checker."""

    columns: Any
    shape: tuple[int, int]

    def join(self, *args: Any, **kwargs: Any) -> Any: ...


def is_frame(data: Any) -> bool:
    """Whether data is a DataFrame of pandas or polars. Neither is imported for it."""
    return type(data).__name__ == "DataFrame" and type(data).__module__.partition(".")[0] in ("pandas", "polars")


def as_frame(data: Any, predictions: Iterable[RowPrediction]) -> Any:
    """The predictions for the rows of a frame, as such a frame: a column for each output, beside it the probability
    of a label, or the interval of a number. An empty input, and one that cannot be read, has None in all of them."""
    rows = [cells_of(prediction) for prediction in predictions]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    library = type(data).__module__.partition(".")[0]
    module = sys.modules[library]
    if library == "pandas":
        return module.DataFrame(columns, index=data.index)
    return module.DataFrame(columns, strict=False)


def cells_of(prediction: RowPrediction) -> dict[str, Any]:
    """A prediction as the cells of a row, by column."""
    if prediction.error or prediction.empty:
        return {}
    cells: dict[str, Any] = {}
    for name, ranked in prediction.labels.items():
        cells[name], cells[f"{name}_probability"] = ranked[0]
    for name in prediction.tags:
        cells[name] = prediction.best_tags(name)
    for name in prediction.sets:
        cells[name] = prediction.predicted_labels(name)
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
