"""Categories: a whole cell is one of a few labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import as_text
from unrolled.data.modalities.base import Ids, InputSample, Modality, StepOptions, check_whole_rows
from unrolled.data.modalities.text import TOKENS, TextFeaturizer, count_equal_texts
from unrolled.errors import RunError


@dataclass(frozen=True)
class CategoryInput(Modality):
    """A whole cell as one of a few labels."""

    name, noun, is_text = "category", "categories", True

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        return False  # on request, or where texts to translate turn out to be few

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        return cls()

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> CategoryFeaturizer:
        check_whole_rows(self, options)
        return CategoryFeaturizer.learn(items)

    def load_featurizer(self, value: Mapping[str, Any]) -> CategoryFeaturizer:
        names = value.get("names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RunError("The run's vocabulary.json is damaged: its labels are not a list of names. Train again.")
        return CategoryFeaturizer(names)

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        return count_equal_texts(items)

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        return as_text(cells[0])


class CategoryFeaturizer(TextFeaturizer):
    """A single step with a single id: the whole text is one of a few labels. An unknown label is replaced by the most
    similar one by spelling, or else by the most frequent one."""

    kind, leading_steps, has_word_steps = "category", 0, False
    input, recipe = CategoryInput(), TOKENS

    def __init__(self, names: Iterable[str]) -> None:
        """names: the most frequent first."""
        self.names = list(names)
        self.size = 1 + len(self.names)
        self.step_description = f"one of {len(self.names):,} labels"
        self._number = {name: 1 + place for place, name in enumerate(self.names)}

    @classmethod
    def learn(cls, texts: Iterable[str]) -> CategoryFeaturizer:
        """Learn the labels of a training split."""
        counts = Counter(texts)
        return cls(sorted(counts, key=lambda name: (-counts[name], name)))

    def nearest_label(self, text: str) -> str:
        """The label as which a text is read."""
        if text in self._number:
            return text
        return next(iter(get_close_matches(text, self.names, 1)), self.names[0])

    def encode(self, text: Any) -> Ids:
        return np.array([[self._number[self.nearest_label(text)]]], np.int64)

    def step_names(self, item: Any) -> list[str]:
        return [self.nearest_label(item)]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "names": self.names}
