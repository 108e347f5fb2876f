"""How what a row is given as becomes the steps that a model reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Intake(ABC):
    """Turns an item, a text or an array, into steps. A subclass is final."""

    kind: str
    read_as: str  # what a step is, in a few words
    lead = 0  # steps before the first that an answer for each step is about
    width: int | None = None  # numbers of a step; None where a step is a bag of ids

    @abstractmethod
    def encode(self, item: Any) -> NDArray[Any]:
        """The steps of an item: (T, P) int64, each a bag of ids, or (T, D) float32."""

    def step_names(self, item: Any) -> list[str]:
        """What a person calls each of an item's steps: its number, where there is nothing better."""
        return [str(number + 1) for number in range(len(self.encode(item)))]

    def vary(self, item: Any, dice: np.random.Generator) -> NDArray[Any]:
        """The steps of an item like this one, drawn by chance, for training where there is little data."""
        return self.encode(item)

    @property
    def varies(self) -> bool:
        """Whether `vary` is more than `encode`."""
        return type(self).vary is not Intake.vary

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All that making it again needs."""
