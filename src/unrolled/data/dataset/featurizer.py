"""Featurizers: they turn the input of a row into the steps that a model processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Featurizer(ABC):
    """Turns an item, a text or an array, into steps. Subclasses are final."""

    kind: str
    step_description: str  # short description of a step, for display
    leading_steps = 0  # steps at the start that have no target when every other step has one
    width: int | None = None  # features per step; None where a step is a bag of ids

    @abstractmethod
    def encode(self, item: Any) -> NDArray[Any]:
        """The steps of an item: (T, P) int64, each a bag of ids, or (T, D) float32."""

    def step_names(self, item: Any) -> list[str]:
        """Names of an item's steps for display; by default their numbers from 1."""
        return [str(number + 1) for number in range(len(self.encode(item)))]

    def augment(self, item: Any, generator: np.random.Generator) -> NDArray[Any]:
        """The steps of a randomly augmented copy of an item, for training on little data."""
        return self.encode(item)

    @property
    def augments(self) -> bool:
        """Whether `augment` differs from `encode`."""
        return type(self).augment is not Featurizer.augment

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that is needed to build it again."""
