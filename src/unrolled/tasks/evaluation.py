"""What the evaluations of all tasks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from unrolled.data.dataset.dataset import Examples
from unrolled.tasks.error_pages import WrongRow, write_error_page

SHOWN_FAULTS = 3  # files that cannot be read that are listed


@dataclass(frozen=True)
class Evaluation(ABC):
    """A run's scores on its own test split, or on other data. A subclass is final."""

    columns: ClassVar[tuple[str, ...]] = ()  # of `errors`; empty for a task that lists no errors
    order: ClassVar[str] = ""  # how `errors` are sorted: "the most confident" first

    split: str  # "test", "validation", or the path of other data
    errors: Sequence[dict[str, Any]] = field(default=(), kw_only=True)  # wrong predictions, the worst first
    error_page: str = field(default="", kw_only=True)  # a page of the images among them, as HTML, if requested
    unreadable: Sequence[str] = field(default=(), kw_only=True)  # files that could not be read, and why: not scored

    def errors_line(self, path: str) -> str:
        """The line that reports the file to which `errors` were written."""
        if not self.errors:
            return f"There are no wrong predictions; {path} has only a heading."
        what = "1 wrong prediction is" if len(self.errors) == 1 else f"{len(self.errors):,} wrong predictions are"
        return f"{what} in {path}, {self.order} first."

    @property
    def unreadable_lines(self) -> list[str]:
        """The lines on files that could not be read."""
        if not self.unreadable:
            return []
        count, more = len(self.unreadable), len(self.unreadable) - SHOWN_FAULTS
        said = "1 file is not scored, because it" if count == 1 else f"{count:,} files are not scored, because they"
        lines = [f"{said} cannot be read:", *(f"  {fault}" for fault in self.unreadable[:SHOWN_FAULTS])]
        return [*lines, *([f"  and {more:,} more"] if more > 0 else [])]

    @property
    def unreadable_facts(self) -> dict[str, Any]:
        """The same for JSON; empty where all files were read."""
        return {"unreadable": list(self.unreadable)} if self.unreadable else {}

    def with_page(self, title: str, examples: Examples, wrong: Sequence[WrongRow]) -> Self:
        """The same evaluation with a page of these rows, which are those of `errors`."""
        lines = [*self.score_lines, self.errors_line("this page")]
        return replace(self, error_page=write_error_page(title, lines, examples, wrong))

    @property
    def score_lines(self) -> list[str]:
        """The score of each output, a line each."""
        return []

    @property
    @abstractmethod
    def lines(self) -> list[str]:
        """The lines that the command prints."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
