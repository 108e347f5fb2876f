"""What the evaluations of all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Evaluation(ABC):
    """A run's scores on its own test split, or on other data. A subclass is final."""

    columns: ClassVar[tuple[str, ...]] = ()  # of `wrong`; empty for a task that lists no errors
    order: ClassVar[str] = ""  # how `wrong` is sorted: "the most confident" first

    split: str  # "test", "validation", or the path of other data
    errors: Sequence[dict[str, Any]] = field(default=(), kw_only=True)  # wrong predictions, the worst first

    @property
    @abstractmethod
    def lines(self) -> list[str]:
        """The lines that the command prints."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
