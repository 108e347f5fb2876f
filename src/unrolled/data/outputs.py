"""What can be answered: one of some labels, several of them, tags (a label each step), numbers, or a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from unrolled.data.pieces import table_from_json
from unrolled.data.symbols import Table
from unrolled.data.written_numbers import write_number
from unrolled.errors import RunError
from unrolled.schema import check

LONGEST_TEXT = 1_000  # symbols of a text that are learnt, the border that ends it among them, and written at most


@dataclass(frozen=True)
class LabelOutput:
    """One of K labels, of a row or, as tags, of each of its steps."""

    names: tuple[str, ...]
    each: bool = False

    @property
    def kind(self) -> str:
        """label or tags."""
        return "tags" if self.each else "label"

    @property
    def width(self) -> int:
        """Numbers that a head gives: a logit for each label."""
        return len(self.names)

    @property
    def untrained(self) -> float:
        """Nats of an answer by who knows nothing."""
        return math.log(len(self.names))

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"kind": self.kind, "names": list(self.names)}


@dataclass(frozen=True)
class LabelSetOutput:
    """Any number of K labels of a row, each there or not."""

    names: tuple[str, ...]
    each = False
    kind = "labels"

    @property
    def width(self) -> int:
        """Numbers that a head gives: the log-odds of each label."""
        return len(self.names)

    @property
    def untrained(self) -> float:
        """Nats of an answer by who knows nothing."""
        return math.log(2) * len(self.names)

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"kind": self.kind, "names": list(self.names)}


@dataclass(frozen=True)
class ValueOutput:
    """K numbers of a row. Models give and learn them in deviations from the training part's mean."""

    mean: tuple[float, ...]  # (K,) of the training part
    deviation: tuple[float, ...]  # (K,) likewise
    each = False
    kind = "value"

    @property
    def numbers(self) -> int:
        """K."""
        return len(self.mean)

    def write(self, numbers: Sequence[float]) -> str:
        """Numbers that are foreseen, each with as many digits as tell it from others."""
        return " ".join(write_number(one, scale) for one, scale in zip(numbers, self.deviation, strict=True))

    @property
    def width(self) -> int:
        """Numbers that a head gives: the mean and the log-deviation of each."""
        return 2 * len(self.mean)

    @property
    def untrained(self) -> float:
        """Nats of an answer by who knows mean and deviation alone."""
        return 0.5 * (1 + math.log(2 * math.pi)) * len(self.mean)

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"kind": self.kind, "mean": list(self.mean), "deviation": list(self.deviation)}


@dataclass(frozen=True)
class TextOutput:
    """A text, symbol by symbol of a table; a border ends it."""

    table: Table
    longest: int  # symbols of the training part's longest text, its border among them
    each = False
    kind = "text"

    @property
    def width(self) -> int:
        """Numbers that a writer gives at each step: a logit for each symbol."""
        return self.table.size

    @property
    def untrained(self) -> float:
        """Nats of a symbol by who knows nothing."""
        return math.log(self.width)

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"kind": self.kind, "table": self.table.to_json(), "longest": self.longest}


Output: TypeAlias = LabelOutput | LabelSetOutput | ValueOutput | TextOutput

KINDS = ("label", "labels", "tags", "value", "text")
"""Kinds of answers, by the names that `--as` takes."""


def output_from_json(name: str, facts: Mapping[str, Any]) -> Output:
    """The output that `to_json` wrote. Raises RunError where it is damaged."""
    try:
        kind = facts["kind"]
        if kind == "text":
            longest = check(facts["longest"], int, "The run's symbols.json, 'longest',")
            if not 1 <= longest <= LONGEST_TEXT:
                raise ValueError
            return TextOutput(table_from_json(facts["table"]), longest)
        if kind == "value":
            mean, deviation = (tuple(float(number) for number in facts[key]) for key in ("mean", "deviation"))
            if (
                not mean
                or len(mean) != len(deviation)
                or not all(0 < one < math.inf for one in deviation)
                or not all(map(math.isfinite, mean))
            ):
                raise ValueError
            return ValueOutput(mean, deviation)
        if not isinstance(facts["names"], list):
            raise TypeError
        names = tuple(check(facts["names"], list[str], f"The run's symbols.json, the labels of '{name}',"))
        if len(set(names)) < len(names):
            raise ValueError
        if kind not in KINDS or len(names) < (1 if kind == "labels" else 2):
            raise ValueError
        return LabelSetOutput(names) if kind == "labels" else LabelOutput(names, each=kind == "tags")
    except (KeyError, TypeError, ValueError):
        raise RunError(f"The run's symbols.json is damaged: what '{name}' can be is not said there.") from None
