"""Metrics of predictions, by kind of output: scores, constant baselines and printed predictions.

Predictions come as (A, O), as `unrolled.model.likelihoods` defines them; A predictions, one per row or per step.
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

from unrolled.data.cells.written_numbers import shortened
from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, Output, TextOutput, ValueOutput
from unrolled.data.dataset.targets import (
    LONGEST_SHOWN,
    UNSEEN,
    LabelSetTargets,
    LabelTargets,
    Targets,
    ValueTargets,
    count_labels,
)
from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import TrainingError
from unrolled.metrics.classification import LabelScore, mark_spans, score_labels, span_f1
from unrolled.metrics.regression import (
    NORMAL,
    LabelSetScore,
    ValueScore,
    interval_half_widths,
    score_label_sets,
    score_values,
)
from unrolled.model.ensemble import combine, fit_weights, row_slices
from unrolled.model.likelihoods import LABEL_SETS, LIKELIHOODS, is_known

OutputScore: TypeAlias = LabelScore | LabelSetScore | ValueScore
HalfWidths: TypeAlias = Sequence[float]  # for K numbers: half-widths of intervals in standard deviations; else empty

SHOWN_TAGS = 12  # of a row, in samples during training

Kind = TypeVar("Kind", bound=Targets)


class WrongPrediction(NamedTuple):
    """A wrong prediction."""

    at: int  # its index
    prediction: str
    severity: float  # the confidence of a label; the error of numbers, in standard deviations of the training split
    target_probability: float | None = None  # of the target; None for a label that the run does not know, and numbers


class Metric(ABC):
    """The metrics of one output. A subclass is final."""

    figure: str  # the figure by which models are compared

    @abstractmethod
    def score(
        self, target: Targets, rows: Ids, predictions: Tensor, reach: HalfWidths, deadline: Deadline = UNLIMITED
    ) -> OutputScore:
        """Score the predictions for these rows against the targets."""

    @abstractmethod
    def constant(self, target: Targets, training: Ids, rows: Ids) -> tuple[str, float]:
        """The constant baseline (majority class or median of the training split), and its figure on these rows."""

    @abstractmethod
    def show(self, target: Targets, place: int, predictions: Tensor) -> str:
        """A row's prediction (A, O) as text, and whether it is correct; place: index of the row's first target."""

    @abstractmethod
    def wrong(self, target: Targets, rows: Ids, predictions: Tensor) -> list[WrongPrediction]:
        """The wrong predictions."""

    def reach(self, predictions: Tensor, targets: Tensor) -> HalfWidths:
        """The half-widths of intervals, from targets on which no weights were fitted."""
        return ()


class LabelMetric(Metric):
    """Metrics of one label per row or per step."""

    figure = "accuracy"

    def __init__(self, output: LabelOutput) -> None:
        self.output = output

    def score(
        self, target: Targets, rows: Ids, predictions: Tensor, reach: HalfWidths, deadline: Deadline = UNLIMITED
    ) -> LabelScore:
        labels = _as(LabelTargets, target)
        due = labels.has_target(rows)
        score = score_labels(predictions.numpy()[due], labels.of(rows)[due], labels.names, deadline)
        if not labels.each or not mark_spans(labels.all_names):
            return score
        ends = np.cumsum(labels.starts[rows + 1] - labels.starts[rows])[:-1]
        targets = np.split(predictions.argmax(1).numpy(), ends)
        right = np.split(labels.all_ids[labels.indices(rows)], ends)
        found = [[labels.names[tag] for tag in row] for row in targets]
        return replace(score, span_f1=span_f1(found, [[labels.all_names[tag] for tag in row] for row in right]))

    def constant(self, target: Targets, training: Ids, rows: Ids) -> tuple[str, float]:
        labels = _as(LabelTargets, target)
        label = int(np.argmax(count_labels(labels, training)))
        return f"always '{shortened(labels.names[label], LONGEST_SHOWN)}'", float(
            (labels.of(rows)[labels.has_target(rows)] == label).mean()
        )

    def show(self, target: Targets, place: int, predictions: Tensor) -> str:
        labels = _as(LabelTargets, target)
        best = predictions.argmax(1).tolist()
        if labels.each:
            right = labels.ids[place : place + len(best)]
            marked = [labels.names[b] if b == r else f"{labels.names[b]}?" for b, r in zip(best, right, strict=True)]
            return " ".join(marked[:SHOWN_TAGS]) + (" …" if len(marked) > SHOWN_TAGS else "")
        correct = "correct" if best[0] == labels.ids[place] else f"correct: {labels.as_written(place)}"
        return f"{labels.names[best[0]]} ({float(predictions[0, best[0]].exp()):.0%}, {correct})"

    def wrong(self, target: Targets, rows: Ids, predictions: Tensor) -> list[WrongPrediction]:
        probabilities, best = predictions.exp().max(1)
        labels = _as(LabelTargets, target)
        right = labels.of(rows)
        wrong = (best != torch.from_numpy(right)) & torch.from_numpy(labels.has_target(rows))
        return [
            WrongPrediction(
                at,
                self.output.names[int(best[at])],
                float(probabilities[at]),
                None if right[at] == UNSEEN else float(predictions[at, right[at]].exp()),
            )
            for at in torch.nonzero(wrong).flatten().tolist()
        ]


class LabelSetMetric(Metric):
    """Metrics of any number of labels per row."""

    figure = "micro_f1"

    def __init__(self, output: MultilabelOutput) -> None:
        self.output, self.family = output, LABEL_SETS[output.likelihood]

    def score(
        self, target: Targets, rows: Ids, predictions: Tensor, reach: HalfWidths, deadline: Deadline = UNLIMITED
    ) -> LabelSetScore:
        sets = _as(LabelSetTargets, target)
        right = sets.of(rows)
        nats = self.family.nats(predictions, torch.from_numpy(right)).mean()
        whole = np.array(
            [bool((sets.ids[sets.starts[r] : sets.starts[r + 1]] != UNSEEN).all()) for r in rows.tolist()]
        )
        found = self.family.found(predictions).numpy()
        return score_label_sets(
            found, predictions.numpy(), right > 0, whole, float(nats), self.output.names, deadline
        )

    def constant(self, target: Targets, training: Ids, rows: Ids) -> tuple[str, float]:
        sets = _as(LabelSetTargets, target)
        label = int(sets.of(training).sum(0).argmax())
        found = np.zeros((len(rows), len(self.output.names)), np.bool_)
        found[:, label] = True
        right = sets.of(rows) > 0
        both = found.sum() + right.sum()
        return f"always '{shortened(self.output.names[label], LONGEST_SHOWN)}'", float(
            2 * (found & right).sum() / both
        ) if both else 0.0

    def show(self, target: Targets, place: int, predictions: Tensor) -> str:
        right = _as(LabelSetTargets, target).of(np.array([place]))[0] > 0
        found = self.family.found(predictions[:1])[0].numpy()
        names = ", ".join(name for name, there in zip(self.output.names, found, strict=True) if there) or "none"
        return names if (found == right).all() else f"{names} (correct: {target.as_written(place) or 'none'})"

    def wrong(self, target: Targets, rows: Ids, predictions: Tensor) -> list[WrongPrediction]:
        sets = _as(LabelSetTargets, target)
        right, found = sets.of(rows) > 0, self.family.found(predictions).numpy()
        unseen = np.array(
            [bool((sets.ids[sets.starts[r] : sets.starts[r + 1]] == UNSEEN).any()) for r in rows.tolist()]
        )
        confidence = self.family.confidence(predictions)
        return [
            WrongPrediction(
                at,
                ", ".join(name for name, there in zip(self.output.names, found[at], strict=True) if there),
                float(confidence[at]),
            )
            for at in np.flatnonzero((right != found).any(1) | unseen).tolist()
        ]


class ValueMetric(Metric):
    """Metrics of one or several numbers per row."""

    figure = "mae"

    def __init__(self, output: ValueOutput) -> None:
        self.output = output
        self.mean = torch.tensor(output.mean, dtype=torch.float64)
        self.std = torch.tensor(output.std, dtype=torch.float64)

    def in_units(self, predictions: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions (A, 2K) as means and standard deviations (A, K), in the units of the table."""
        means, log_stds = predictions.double().chunk(2, 1)
        return means * self.std + self.mean, log_stds.exp() * self.std

    def score(
        self, target: Targets, rows: Ids, predictions: Tensor, reach: HalfWidths, deadline: Deadline = UNLIMITED
    ) -> ValueScore:
        values = _as(ValueTargets, target)
        means, stds = self.in_units(predictions)
        nats = LIKELIHOODS["regression"].nats(predictions.double(), torch.from_numpy(values.of(rows))).mean()
        half_widths = (stds * torch.tensor(list(reach) or [NORMAL]).double()).numpy()
        return score_values(means.numpy(), values.numbers[rows], half_widths, float(nats), deadline)

    def constant(self, target: Targets, training: Ids, rows: Ids) -> tuple[str, float]:
        values = _as(ValueTargets, target)
        middle = np.median(values.numbers[training], 0)
        return f"always {self.output.write(middle.tolist())}", float(np.abs(values.numbers[rows] - middle).mean())

    def show(self, target: Targets, place: int, predictions: Tensor) -> str:
        means, _ = self.in_units(predictions)
        return f"{self.output.write(means[0].tolist())} (correct: {target.as_written(place)})"

    def wrong(self, target: Targets, rows: Ids, predictions: Tensor) -> list[WrongPrediction]:
        """Every row, with its mean absolute error in standard deviations of the training split."""
        means, _ = self.in_units(predictions)
        off = ((means - torch.from_numpy(_as(ValueTargets, target).numbers[rows])).abs() / self.std).mean(1)
        return [WrongPrediction(at, self.output.write(means[at].tolist()), float(off[at])) for at in range(len(rows))]

    def reach(self, predictions: Tensor, targets: Tensor) -> HalfWidths:
        means, log_stds = predictions.double().chunk(2, 1)
        return interval_half_widths((targets - means).numpy(), log_stds.exp().numpy())


def metric_of(output: Output) -> Metric:
    """The metrics of an output."""
    if isinstance(output, ValueOutput):
        return ValueMetric(output)
    if isinstance(output, TextOutput):
        raise TypeError("generated texts are scored by unrolled.tasks.seq2seq.summary")
    return LabelSetMetric(output) if isinstance(output, MultilabelOutput) else LabelMetric(output)


def nats_of(output: Output, predictions: Tensor, targets: Tensor) -> float:
    """Mean nats of the known targets; 0 without any."""
    known = is_known(targets).nonzero()[:, 0]
    if not len(known):
        return 0.0
    rows = (known[chunk] for chunk in row_slices(len(known), predictions.shape[1]))
    nats = [LIKELIHOODS[output.likelihood].nats(predictions[some].double(), targets[some]) for some in rows]
    return float(torch.cat(nats).mean())


def calibrated_nats(output: Output, predictions: Tensor, targets: Tensor, deadline: Deadline = UNLIMITED) -> float:
    """Mean nats at the best temperature for these targets, as the selected model is calibrated at the end."""
    if not len(predictions):
        return 0.0
    family = LIKELIHOODS[output.likelihood]
    try:
        weights = fit_weights(family, [predictions], targets, deadline)
    except TrainingError:  # infinite nats mark predictions that are not finite
        return math.inf
    return nats_of(output, combine(family, [predictions], weights), targets)


def facts_of(figures: Mapping[str, Any], figure: str, constant: tuple[str, float]) -> dict[str, Any]:
    """The facts of a score for run.json, with those of the constant baseline."""
    return {**figures, "metric": figure, "constant_baseline": {"name": constant[0], figure: constant[1]}}


def _as(kind: type[Kind], target: Targets) -> Kind:
    if not isinstance(target, kind):
        raise TypeError(f"expected targets of kind {kind.__name__}, got {target.output.kind}")
    return target
