"""What every evaluation of a run has, whatever the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Evaluation(ABC):
    """A run's scores on its own test part, or on other data. A subclass is final."""

    columns: ClassVar[tuple[str, ...]] = ()  # of `wrong`; none of a task that lists nothing
    order: ClassVar[str] = ""  # which of `wrong` stand first

    part: str  # "test", "validation", or the path of other data
    wrong: Sequence[dict[str, Any]] = field(default=(), kw_only=True)  # answers that are not right, the worst first

    @property
    @abstractmethod
    def lines(self) -> list[str]:
        """What the command prints."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
