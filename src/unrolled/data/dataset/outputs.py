"""Kinds of output columns: one label, a set of labels, tags (one label per step), numbers, or a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from unrolled.data.cells.written_numbers import write_number
from unrolled.data.vocabulary.base import Vocabulary
from unrolled.data.vocabulary.table import vocabulary_from_json
from unrolled.errors import RunError
from unrolled.schema import check_type

LONGEST_TEXT = 1_000  # tokens of a target text, with its EOS token, in training and generation, at most


@dataclass(frozen=True)
class LabelOutput:
    """One of K labels for a row or, as tags, for each of its steps."""

    names: tuple[str, ...]
    each: bool = False

    @property
    def kind(self) -> str:
        """label or tags."""
        return "tagging" if self.each else "classification"

    @property
    def width(self) -> int:
        """Outputs of a head: one logit per label."""
        return len(self.names)

    @property
    def untrained(self) -> float:
        """Cross-entropy of uniform predictions, in nats."""
        return math.log(len(self.names))

    def to_json(self) -> dict[str, Any]:
        """The output as it is saved with a run."""
        return {"kind": self.kind, "names": list(self.names)}


@dataclass(frozen=True)
class MultilabelOutput:
    """Any subset of K labels for a row (multilabel)."""

    names: tuple[str, ...]
    each = False
    kind = "multilabel"

    @property
    def width(self) -> int:
        """Outputs of a head: the log-odds of each label."""
        return len(self.names)

    @property
    def untrained(self) -> float:
        """Cross-entropy of uniform predictions, in nats."""
        return math.log(2) * len(self.names)

    def to_json(self) -> dict[str, Any]:
        """The output as it is saved with a run."""
        return {"kind": self.kind, "names": list(self.names)}


@dataclass(frozen=True)
class ValueOutput:
    """K numbers for a row. Models are trained on them standardised: minus the mean, divided by the deviation."""

    mean: tuple[float, ...]  # (K,) of the training split
    std: tuple[float, ...]  # (K,) standard deviation, likewise
    each = False
    kind = "regression"

    @property
    def numbers(self) -> int:
        """K."""
        return len(self.mean)

    def write(self, numbers: Sequence[float]) -> str:
        """Predicted numbers as text, with as many digits as their standard deviation needs."""
        return " ".join(write_number(one, scale) for one, scale in zip(numbers, self.std, strict=True))

    @property
    def width(self) -> int:
        """Outputs of a head: the mean and the log standard deviation of each number."""
        return 2 * len(self.mean)

    @property
    def untrained(self) -> float:
        """Nats of a Gaussian with the mean and standard deviation of the training split."""
        return 0.5 * (1 + math.log(2 * math.pi)) * len(self.mean)

    def to_json(self) -> dict[str, Any]:
        """The output as it is saved with a run."""
        return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}


@dataclass(frozen=True)
class TextOutput:
    """A text of tokens from a vocabulary, ended by an EOS token."""

    vocabulary: Vocabulary
    longest: int  # tokens of the longest text in the training split, with its EOS token
    each = False
    kind = "seq2seq"

    @property
    def width(self) -> int:
        """Outputs of the decoder at each step: one logit per token."""
        return self.vocabulary.size

    @property
    def untrained(self) -> float:
        """Cross-entropy of uniform predictions, in nats per token."""
        return math.log(self.width)

    def to_json(self) -> dict[str, Any]:
        """The output as it is saved with a run."""
        return {"kind": self.kind, "vocabulary": self.vocabulary.to_json(), "longest": self.longest}


Output: TypeAlias = LabelOutput | MultilabelOutput | ValueOutput | TextOutput

KIND_NAMES = {  # with their names in messages
    "classification": "labels", "multilabel": "sets of labels", "tagging": "tags", "regression": "numbers",
    "seq2seq": "texts",
}  # fmt: skip
"""Kinds of output columns, by their names in `--task`."""


def output_from_json(name: str, facts: Mapping[str, Any]) -> Output:
    """The output that `to_json` wrote. Raises RunError if it is damaged."""
    try:
        kind = facts["kind"]
        if kind == "seq2seq":
            longest = check_type(facts["longest"], int, "The run's vocabulary.json, 'longest',")
            if not 1 <= longest <= LONGEST_TEXT:
                raise ValueError
            return TextOutput(vocabulary_from_json(facts["vocabulary"]), longest)
        if kind == "regression":
            mean, std = (tuple(float(number) for number in facts[key]) for key in ("mean", "std"))
            if (
                not mean
                or len(mean) != len(std)
                or not all(0 < one < math.inf for one in std)
                or not all(map(math.isfinite, mean))
            ):
                raise ValueError
            return ValueOutput(mean, std)
        if not isinstance(facts["names"], list):
            raise TypeError
        names = tuple(check_type(facts["names"], list[str], f"The run's vocabulary.json, the labels of '{name}',"))
        if len(set(names)) < len(names):
            raise ValueError
        if kind not in KIND_NAMES or len(names) < (1 if kind == "multilabel" else 2):
            raise ValueError
        return MultilabelOutput(names) if kind == "multilabel" else LabelOutput(names, each=kind == "tagging")
    except (KeyError, TypeError, ValueError):
        raise RunError(f"The run's vocabulary.json is damaged: its description of '{name}' is invalid.") from None
