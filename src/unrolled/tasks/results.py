"""What a run says about a row, whatever its task: labels, tags, numbers, texts; and about a line of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from unrolled.registry import choose

THERE = 0.5  # chance from which a label of a set is answered

Ranked: TypeAlias = list[tuple[str, float]]  # labels and their chances, the likeliest first


class Estimate(NamedTuple):
    """A number, and the interval that holds 95% of right ones."""

    value: float
    low: float
    high: float


class Attention(NamedTuple):
    """How much each step of an input weighed when each symbol of a text was written."""

    written: list[str]  # (T,) the symbols, the last one nothing: the end
    read: list[str]  # (S,) the steps, by their names
    weights: list[list[float]]  # (T, S), 1 in all for each symbol; the mean over readers and their heads

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        return self._asdict()


class Text(NamedTuple):
    """A text that was written about a row."""

    text: str
    score: float  # nats below zero: the sum of the log-chances of its symbols, the end's among them
    attention: Attention | None = None  # what was looked at, where that was asked for


@dataclass(frozen=True)
class Answer:
    """What a run says about one row."""

    text: str  # what it was asked about: a text itself, a path, or where a row stands
    labels: Mapping[str, Ranked] = field(default_factory=dict)  # of each output that is a label
    tags: Mapping[str, list[Ranked]] = field(default_factory=dict)  # of each output that is tags, step by step
    sets: Mapping[str, Ranked] = field(default_factory=dict)  # of each output that is any number of labels
    values: Mapping[str, list[Estimate]] = field(default_factory=dict)  # of each output that is numbers
    texts: Mapping[str, Text] = field(default_factory=dict)  # of an output that is a text
    error: str = ""  # why there is no answer: a sound or a picture that cannot be read
    empty: bool = False  # a cell or a line was empty: there is nothing to answer about, and every answer is empty

    def best(self, output: str) -> str:
        """The likeliest label of an output; nothing where the answer is empty."""
        ranked = choose("output of labels", self.labels, output)
        return ranked[0][0] if ranked else ""

    def best_tags(self, output: str) -> list[str]:
        """The likeliest tag of each step, of an output that is tags."""
        return [ranked[0][0] for ranked in choose("output of tags", self.tags, output)]

    def chosen(self, output: str) -> list[str]:
        """The labels that are there, of an output that is any number of them."""
        return [
            label for label, chance in choose("output of any number of labels", self.sets, output) if chance > THERE
        ]

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        if self.error:
            return {"text": self.text, "error": self.error}
        if self.empty:
            names = [*self.labels, *self.tags, *self.sets, *self.values, *self.texts]
            return {"text": self.text, "outputs": {name: {"answer": None} for name in names}}
        outputs: dict[str, Any] = {}
        for name, ranked in self.labels.items():
            outputs[name] = {"answer": ranked[0][0], "chances": dict(ranked)}
        for name, words in self.tags.items():
            outputs[name] = {"answer": self.best_tags(name), "chances": [dict(ranked) for ranked in words]}
        for name, ranked in self.sets.items():
            outputs[name] = {"answer": self.chosen(name), "chances": dict(ranked)}
        for name, found in self.values.items():
            values, intervals = [one.value for one in found], [[one.low, one.high] for one in found]
            one = len(found) == 1
            outputs[name] = {"answer": values[0] if one else values, "interval": intervals[0] if one else intervals}
        for name, written in self.texts.items():
            attention = {} if written.attention is None else {"attention": written.attention.as_dict()}
            outputs[name] = {"answer": written.text, "score": written.score, **attention}
        return {"text": self.text, "outputs": outputs}


@dataclass(frozen=True)
class RankedLine:
    """A line's surprise, and how it ranks among the lines that the model was validated on."""

    number: int  # from 1
    text: str
    nats: float  # a character
    characters: float
    rank: float | None  # share of the validation's lines that surprised it less; None where there were none
    adapted: float | None = None  # nats a character to a copy that learns while it reads, where asked for
