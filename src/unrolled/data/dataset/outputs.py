"""Kinds of output columns: one label, a set of labels, tags (one label per step), numbers, or a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from unrolled.data.cells.written_numbers import write_number
from unrolled.data.vocabulary.base import Vocabulary
from unrolled.data.vocabulary.table import vocabulary_from_json
from unrolled.errors import RunError
from unrolled.schema import check_type

SIGMOID, SOFTMAX = "sigmoid", "softmax"  # losses of sets of labels
MIN_COUNT = 5  # training rows of a free tag, unless --min-count says otherwise; as in word2vec
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
    def likelihood(self) -> str:
        """The name of its likelihood."""
        return self.kind

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
    """Any subset of K labels for a row (multilabel).

    loss: sigmoid, each label by itself, or softmax, the labels of a row sharing a probability of 1. free: free tags,
    whose spelling variants are folded; tags that are not among the names are left out, and say nothing.
    """

    names: tuple[str, ...]
    loss: str = SIGMOID
    free: bool = False
    each = False
    kind = "multilabel"

    @property
    def likelihood(self) -> str:
        """The name of its likelihood."""
        return self.kind if self.loss == SIGMOID else f"{self.kind}-{self.loss}"

    @property
    def needs_label(self) -> bool:
        """Whether a row without a label has no target: under softmax, and where its tags may have been left out."""
        return self.free or self.loss == SOFTMAX

    @property
    def width(self) -> int:
        """Outputs of a head: the log-odds, or with softmax the logit, of each label."""
        return len(self.names)

    @property
    def untrained(self) -> float:
        """Cross-entropy of uniform predictions, in nats."""
        return math.log(len(self.names)) if self.loss == SOFTMAX else math.log(2) * len(self.names)

    def to_json(self) -> dict[str, Any]:
        """The output as it is saved with a run."""
        facts: dict[str, Any] = {"kind": self.kind, "names": list(self.names)}
        return facts | ({} if self.loss == SIGMOID else {"loss": self.loss}) | ({"free": True} if self.free else {})


@dataclass(frozen=True)
class ValueOutput:
    """K numbers for a row. Models are trained on them standardised: minus the mean, divided by the deviation."""

    mean: tuple[float, ...]  # (K,) of the training split
    std: tuple[float, ...]  # (K,) standard deviation, likewise
    each = False
    kind = likelihood = "regression"

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
    kind = likelihood = "seq2seq"

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


class LabelSetOptions(NamedTuple):
    """How a column of any number of labels is read and learnt, where no run has fixed it."""

    loss: str = SIGMOID
    fold: str = "auto"  # whether the cells hold free tags: yes, no, or auto: where most of them begin with #
    min_count: int | None = None  # training rows below which a free tag is left out; None: `MIN_COUNT`


DEFAULT_LABEL_SETS = LabelSetOptions()

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
        if kind == "multilabel":
            loss, free = facts.get("loss", SIGMOID), facts.get("free", False)
            if loss not in (SIGMOID, SOFTMAX) or not isinstance(free, bool):
                raise ValueError
            return MultilabelOutput(names, loss, free)
        return LabelOutput(names, each=kind == "tagging")
    except (KeyError, TypeError, ValueError):
        raise RunError(f"The run's vocabulary.json is damaged: its description of '{name}' is invalid.") from None
