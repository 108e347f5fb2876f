"""Numbers: lists, arrays, or one or several columns, as one vector per step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell, InvalidCell
from unrolled.data.cells.written_numbers import all_numbers, holds_numbers, is_missing, may_be_rounded
from unrolled.data.modalities.base import InputSample, Modality, Recipe, StepGrid, StepOptions, check_no_tokenizer
from unrolled.data.modalities.image_arrays import SMALLEST, are_images, has_channels_first
from unrolled.data.modalities.numbers import as_numbers, flatten
from unrolled.data.modalities.scaling import NumericFeaturizer, Wide
from unrolled.errors import DataError
from unrolled.schema import Within

NUMBERED = re.compile(r"(.*?)(\d+)")


class VectorFeaturizer(NumericFeaturizer):
    """One vector per step, as given."""

    kind, exact, recipe = "vectors", np.float64, Recipe(128, 1, 64, 64, 5e-3, 0.1, 60)

    def __init__(self, modality: VectorInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.width = modality.width
        self.step_description = f"{self.width} number{'s' * (self.width > 1)} per step"

    def unscaled(self, item: Any) -> Wide:
        return np.asarray(item)

    def step_grid(self, item: Any) -> StepGrid | None:
        return StepGrid(len(item), 1) if self.input.has_pictures else None


@dataclass(frozen=True)
class VectorInput(Modality):
    """Numbers (T, D), one vector per step: from a list, an array, or one or several columns of numbers.

    series: each column is one step with one number; otherwise the columns are the numbers of a single step.
    channels_first: an array is an image (C, H, W), and each of its rows is a step.
    """

    width: Annotated[int, Within(1, 1 << 24)]  # D
    series: bool = False
    channels_first: bool = False
    name, noun, several_columns = "vectors", "vectors", True

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        arrays = [cell for cell in cells if isinstance(cell, np.ndarray)]
        if arrays:
            return not are_images(arrays)
        if cells and all_numbers(cells) is not None:  # fast, because a table may have very many columns
            return True
        cells = [cell for cell in cells if not isinstance(cell, list) or cell]  # reported later, by row
        if not any(isinstance(cell, list) for cell in cells):
            return not all(map(is_missing, cells)) and holds_numbers(cells)
        listed = [isinstance(cell, list) and _is_list_of_numbers(cell, as_text) for cell in cells]
        return 2 * sum(listed) > len(cells)

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        series = len(sample.names) > 1 and _are_numbered(sample.names)
        rows = enumerate(sample.rows)
        whole = next((place for place, cells in rows if not any(map(is_missing, cells))), 0)
        parts = as_numbers(sample.rows[whole], sample.places[whole], sample.names)
        channels_first = all(has_channels_first(part.shape) for part in parts)
        if channels_first:
            parts = [np.moveaxis(part, 0, 2) for part in parts]
        flat = all(part.ndim == 0 for part in parts)
        width = sum(part.reshape(len(part), -1).shape[1] if part.ndim else 1 for part in parts)
        return cls(1 if series and flat else width, series and flat, channels_first)

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> VectorFeaturizer:
        check_no_tokenizer(self, options)
        return VectorFeaturizer.learn(self, items)

    def load_featurizer(self, value: Mapping[str, Any]) -> VectorFeaturizer:
        return VectorFeaturizer.from_json(self, value)

    def steps_of(self, item: Any) -> int:
        return len(item)

    @property
    def has_pictures(self) -> bool:
        return not self.series and self.width >= SMALLEST

    def picture(self, cells: Sequence[Cell], place: str, side: int) -> NDArray[np.uint8]:
        """The numbers as shades of grey: a step is a row of pixels, the least number black, the largest white."""
        numbers = self.read_item(cells, place).astype(np.float64)  # (T, D)
        low, high = numbers.min(), numbers.max()
        shades: NDArray[np.uint8] = np.rint(255 * (numbers - low) / ((high - low) or 1.0)).astype(np.uint8)
        three = self.channels_first and isinstance(cells[0], np.ndarray) and cells[0].shape[0] == 3
        return shades.reshape(len(shades), -1, 3 if three else 1)

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.floating[Any]]:
        """float32 if the cells are arrays of at most 32 bits, else float64, so that a time in milliseconds or a
        latitude keeps its digits until it is scaled."""
        numbers = all_numbers(cells)
        if numbers is None:
            parts = as_numbers(cells, place, names)
            numbers = np.array(parts) if all(part.ndim == 0 for part in parts) else None
        elif may_be_rounded(numbers):
            as_numbers(cells, place, names)  # raises an error for the number at fault
        if numbers is None:
            found = self._joined(parts, place)
        else:
            found = numbers[:, None] if self.series else numbers[None]
        if found.shape[1] != self.width:
            raise InvalidCell(
                f"{place}: {found.shape[1]} numbers per step; {self.width} were expected, as in the other rows."
            )
        if not len(found):
            raise DataError(f"{place}: no steps; a row needs at least one.")
        return found

    def _joined(self, parts: list[NDArray[np.floating[Any]]], place: str) -> NDArray[np.floating[Any]]:
        """The columns (T,) or (T, …) of a row concatenated to (T, D). Raises DataError for unequal lengths."""
        if self.channels_first:
            parts = [np.moveaxis(part, 0, 2) if part.ndim == 3 else part for part in parts]
        steps = {len(part) for part in parts if part.ndim}
        if len(steps) > 1 or any(part.ndim == 0 for part in parts):
            counts = ", ".join(str(len(part)) if part.ndim else "1" for part in parts)
            raise DataError(f"{place}: columns of {counts} numbers; all need the same length, one number per step.")
        flat = [part.reshape(len(part), -1) for part in parts]
        return flat[0] if len(flat) == 1 else np.concatenate(flat, 1)  # one array is not copied


def _is_list_of_numbers(cell: list[Any], as_text: bool) -> bool:
    """Whether a list holds numbers, most of them valid; as_text: entries may be numbers written as text."""
    flat = flatten(cell)
    return bool(flat) and holds_numbers(flat) and (as_text or not any(isinstance(one, str | bool) for one in flat))


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether columns are named x1, x2, x3, …, like the steps of a series."""
    found = [NUMBERED.fullmatch(name) for name in names]
    if not all(found):
        return False
    stems = {one[1] for one in found if one}
    numbers = [int(one[2]) for one in found if one]
    return len(stems) == 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
