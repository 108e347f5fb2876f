"""Answers in words and figures, by their kind: what they are worth, what a constant would be, how a person is told.

What models say, (A, O) as `unrolled.model.likelihoods` has it, comes in; A answers, a row's or a step's.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor

from unrolled.data.answers import UNSEEN, Answered, Labels, LabelSets, Values, count_labels
from unrolled.data.intake import Ids
from unrolled.data.outputs import LabelOutput, LabelSetOutput, Output, TextOutput, ValueOutput
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import TrainingError
from unrolled.metrics.classification import LabelScore, mark_spans, score_labels, span_f1
from unrolled.metrics.regression import (
    NORMAL,
    LabelSetScore,
    ValueScore,
    interval_reach,
    score_label_sets,
    score_values,
)
from unrolled.model.ensemble import blend, fit_blend, in_pieces
from unrolled.model.likelihoods import LIKELIHOODS, is_known

Score: TypeAlias = LabelScore | LabelSetScore | ValueScore
Reach: TypeAlias = Sequence[float]  # of K numbers: deviations that an interval reaches to either side; else empty

SHOWN_TAGS = 12  # of a row, while training

Kind = TypeVar("Kind", bound=Answered)


class Wrong(NamedTuple):
    """An answer that is not right, where it stands among the answers, and how sure it was: the surer, the worse."""

    at: int
    answer: str
    surety: float


class Teller(ABC):
    """Tells of the answers of one output. A subclass is final."""

    figure: str  # the one by which models are set beside each other

    @abstractmethod
    def score(self, answered: Answered, rows: Ids, said: Tensor, reach: Reach, deadline: Deadline = ENDLESS) -> Score:
        """What is said of these rows, beside what is right."""

    @abstractmethod
    def constant(self, answered: Answered, training: Ids, rows: Ids) -> tuple[str, float]:
        """What is always answered by who only knows the training part's answers, and its figure on these rows."""

    @abstractmethod
    def show(self, answered: Answered, place: int, said: Tensor) -> str:
        """A row's answer (A, O) while training, and whether it is right; place: where the row's answers begin."""

    @abstractmethod
    def wrong(self, answered: Answered, rows: Ids, said: Tensor) -> list[Wrong]:
        """The answers that are not right."""

    def reach(self, said: Tensor, answers: Tensor) -> Reach:
        """How far intervals reach, by answers that no weight was fitted on."""
        return ()


class LabelTeller(Teller):
    """Of one label, of a row or of each step."""

    figure = "accuracy"

    def __init__(self, output: LabelOutput) -> None:
        self.output = output

    def score(
        self, answered: Answered, rows: Ids, said: Tensor, reach: Reach, deadline: Deadline = ENDLESS
    ) -> LabelScore:
        labels = _as(Labels, answered)
        due = labels.is_due(rows)
        score = score_labels(said.numpy()[due], labels.of(rows)[due], labels.names, deadline)
        if not labels.each or not mark_spans(labels.given):
            return score
        ends = np.cumsum(labels.starts[rows + 1] - labels.starts[rows])[:-1]
        answers = np.split(said.argmax(1).numpy(), ends)
        right = np.split(labels.given_ids[labels.places(rows)], ends)
        found = [[labels.names[tag] for tag in row] for row in answers]
        return replace(score, span_f1=span_f1(found, [[labels.given[tag] for tag in row] for row in right]))

    def constant(self, answered: Answered, training: Ids, rows: Ids) -> tuple[str, float]:
        labels = _as(Labels, answered)
        label = int(np.argmax(count_labels(labels, training)))
        return f"always '{labels.names[label]}'", float((labels.of(rows)[labels.is_due(rows)] == label).mean())

    def show(self, answered: Answered, place: int, said: Tensor) -> str:
        labels = _as(Labels, answered)
        best = said.argmax(1).tolist()
        if labels.each:
            right = labels.ids[place : place + len(best)]
            marked = [labels.names[b] if b == r else f"{labels.names[b]}?" for b, r in zip(best, right, strict=True)]
            return " ".join(marked[:SHOWN_TAGS]) + (" …" if len(marked) > SHOWN_TAGS else "")
        correct = "correct" if best[0] == labels.ids[place] else f"correct: {labels.spelled(place)}"
        return f"{labels.names[best[0]]} ({float(said[0, best[0]].exp()):.0%}, {correct})"

    def wrong(self, answered: Answered, rows: Ids, said: Tensor) -> list[Wrong]:
        chances, best = said.exp().max(1)
        labels = _as(Labels, answered)
        wrong = (best != torch.from_numpy(labels.of(rows))) & torch.from_numpy(labels.is_due(rows))
        return [
            Wrong(at, self.output.names[int(best[at])], float(chances[at]))
            for at in torch.nonzero(wrong).flatten().tolist()
        ]


class LabelSetTeller(Teller):
    """Of any number of labels."""

    figure = "micro_f1"

    def __init__(self, output: LabelSetOutput) -> None:
        self.output = output

    def score(
        self, answered: Answered, rows: Ids, said: Tensor, reach: Reach, deadline: Deadline = ENDLESS
    ) -> LabelSetScore:
        sets = _as(LabelSets, answered)
        right = sets.of(rows)
        nats = LIKELIHOODS["labels"].nats(said, torch.from_numpy(right)).mean()
        whole = np.array(
            [bool((sets.ids[sets.starts[r] : sets.starts[r + 1]] != UNSEEN).all()) for r in rows.tolist()]
        )
        found = (said > 0).numpy()
        return score_label_sets(found, right > 0, whole, float(nats), self.output.names, deadline)

    def constant(self, answered: Answered, training: Ids, rows: Ids) -> tuple[str, float]:
        sets = _as(LabelSets, answered)
        label = int(sets.of(training).sum(0).argmax())
        found = np.zeros((len(rows), len(self.output.names)), np.bool_)
        found[:, label] = True
        right = sets.of(rows) > 0
        both = found.sum() + right.sum()
        return f"always '{self.output.names[label]}'", float(2 * (found & right).sum() / both) if both else 0.0

    def show(self, answered: Answered, place: int, said: Tensor) -> str:
        right = _as(LabelSets, answered).of(np.array([place]))[0] > 0
        found = (said[0] > 0).numpy()
        names = ", ".join(name for name, there in zip(self.output.names, found, strict=True) if there) or "none"
        return names if (found == right).all() else f"{names} (correct: {answered.spelled(place) or 'none'})"

    def wrong(self, answered: Answered, rows: Ids, said: Tensor) -> list[Wrong]:
        sets = _as(LabelSets, answered)
        right, found = sets.of(rows) > 0, (said > 0).numpy()
        unseen = np.array(
            [bool((sets.ids[sets.starts[r] : sets.starts[r + 1]] == UNSEEN).any()) for r in rows.tolist()]
        )
        surety = said.abs().sigmoid().log().sum(1).exp()
        return [
            Wrong(
                at,
                ", ".join(name for name, there in zip(self.output.names, found[at], strict=True) if there),
                float(surety[at]),
            )
            for at in np.flatnonzero((right != found).any(1) | unseen).tolist()
        ]


class ValueTeller(Teller):
    """Of one or several numbers."""

    figure = "mae"

    def __init__(self, output: ValueOutput) -> None:
        self.output = output
        self.mean = torch.tensor(output.mean, dtype=torch.float64)
        self.deviation = torch.tensor(output.deviation, dtype=torch.float64)

    def in_units(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """What is said (A, 2K) as means and deviations (A, K) in the table's own units."""
        means, spreads = said.double().chunk(2, 1)
        return means * self.deviation + self.mean, spreads.exp() * self.deviation

    def score(
        self, answered: Answered, rows: Ids, said: Tensor, reach: Reach, deadline: Deadline = ENDLESS
    ) -> ValueScore:
        values = _as(Values, answered)
        means, deviations = self.in_units(said)
        nats = LIKELIHOODS["value"].nats(said.double(), torch.from_numpy(values.of(rows))).mean()
        reached = (deviations * torch.tensor(list(reach) or [NORMAL]).double()).numpy()
        return score_values(means.numpy(), values.numbers[rows], reached, float(nats), deadline)

    def constant(self, answered: Answered, training: Ids, rows: Ids) -> tuple[str, float]:
        values = _as(Values, answered)
        middle = np.median(values.numbers[training], 0)
        return f"always {self.output.write(middle.tolist())}", float(np.abs(values.numbers[rows] - middle).mean())

    def show(self, answered: Answered, place: int, said: Tensor) -> str:
        means, _ = self.in_units(said)
        return f"{self.output.write(means[0].tolist())} (correct: {answered.spelled(place)})"

    def wrong(self, answered: Answered, rows: Ids, said: Tensor) -> list[Wrong]:
        """Every row: of numbers the question is how far off; surety is in deviations of the training part."""
        means, _ = self.in_units(said)
        off = ((means - torch.from_numpy(_as(Values, answered).numbers[rows])).abs() / self.deviation).mean(1)
        return [Wrong(at, self.output.write(means[at].tolist()), float(off[at])) for at in range(len(rows))]

    def reach(self, said: Tensor, answers: Tensor) -> Reach:
        means, spreads = said.double().chunk(2, 1)
        return interval_reach((answers - means).numpy(), spreads.exp().numpy())


def teller_of(output: Output) -> Teller:
    """Who tells of an output's answers."""
    if isinstance(output, ValueOutput):
        return ValueTeller(output)
    if isinstance(output, TextOutput):
        raise TypeError("generated texts are scored by unrolled.tasks.seq2seq.summary")
    return LabelSetTeller(output) if isinstance(output, LabelSetOutput) else LabelTeller(output)


def nats_of(output: Output, said: Tensor, answers: Tensor) -> float:
    """Mean nats of the answers that are known; 0 where none is."""
    known = is_known(answers).nonzero()[:, 0]
    if not len(known):
        return 0.0
    rows = (known[piece] for piece in in_pieces(len(known), said.shape[1]))
    nats = [LIKELIHOODS[output.kind].nats(said[some].double(), answers[some]) for some in rows]
    return float(torch.cat(nats).mean())


def suited_nats(output: Output, said: Tensor, answers: Tensor, deadline: Deadline = ENDLESS) -> float:
    """The same at the temperature that suits these answers: sureness is put right at the end."""
    if not len(said):
        return 0.0
    family = LIKELIHOODS[output.kind]
    try:
        weights = fit_blend(family, [said], answers, deadline)
    except TrainingError:  # the nats say that it is not finite
        return math.inf
    return nats_of(output, blend(family, [said], weights), answers)


def facts_of(figures: Mapping[str, Any], figure: str, constant: tuple[str, float]) -> dict[str, Any]:
    """What run.json keeps of a score, with what a constant is worth beside it."""
    return {**figures, "figure": figure, "constant": {"answer": constant[0], figure: constant[1]}}


def _as(kind: type[Kind], answered: Answered) -> Kind:
    if not isinstance(answered, kind):
        raise TypeError(f"expected targets of kind {kind.__name__}, got {answered.output.kind}")
    return answered
