"""The verdict on answers: which of net, linear model and both is left, and what it is worth beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unrolled.data.examples import Examples, count_labels
from unrolled.model.answerer import Part
from unrolled.model.blend import blend, blend_unseen, fit_blend
from unrolled.run.verdict import trend_of
from unrolled.scores import LabelScore, mark_spans, score_labels, span_f1
from unrolled.settings import LINEAR, TrainSettings

if TYPE_CHECKING:
    from unrolled.model.linear import LinearModel
    from unrolled.run.watching import Watch

TRENDS = {
    "learning": "The net was still learning: more time helps.",
    "flat": "The net had stopped getting better: more rows help most.",
    "overfitting": "The net had begun to learn rows by heart; its best weights are from before.",
}
AS_GOOD = 0.002  # nats by which a part alone may be worse than both to be left alone


@dataclass(frozen=True)
class AnswerVerdict:
    """What came out. Test scores are of rows that nothing was chosen by."""

    model: str  # what is left: lstm, linear, or lstm+linear
    part: str  # that scores are on: test, or validation where there is no test part
    scores: Mapping[str, Mapping[str, LabelScore]]  # output -> of each model, the one that is left among them
    frequent: Mapping[str, tuple[str, float]]  # output -> the most frequent label of the training part, share right
    validation: Mapping[str, float]  # nats an answer of each model on validation, weighed on its other half
    choice: bool  # whether the model was chosen by them
    trend: str | None
    baseline_name: str

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        lines = []
        for name, scores in self.scores.items():
            lines.append(f"{name}, {self.part} part, by {self.model}: {scores[self.model].line}.")
            others = [f"{other} {score.accuracy:.1%}" for other, score in scores.items() if other != self.model]
            label, share = self.frequent[name]
            others.append(f"always '{label}' {share:.1%}")
            lines.append(f"Beside it, right: {', '.join(others)}.")
        lines.append(self._words())
        if self.trend is not None:
            lines.append(TRENDS[self.trend])
        return lines

    def _words(self) -> str:
        nats = ", ".join(f"{name} {value:.3f}" for name, value in self.validation.items())
        if self.model == LINEAR and len(self.validation) == 1:
            return f"Linear alone, {nats} nats on validation. To see what a net adds: unroll train DATA"
        if not self.choice:
            return f"On validation: {nats} nats an answer."
        net = next(name for name in self.validation if name != LINEAR and "+" not in name)
        than = "better than" if self.validation[LINEAR] < self.validation[net] else "not as good as"
        return f"Left is {self.model}, best on validation ({nats} nats); the linear model alone is {than} the net."

    def as_dict(self) -> dict[str, Any]:
        """The figures in plain names."""
        return {
            "model": self.model,
            "part": self.part,
            "outputs": {
                name: {
                    **scores[self.model].as_dict(),
                    "beside": {other: score.as_dict() for other, score in scores.items() if other != self.model},
                    "most_frequent": {"label": self.frequent[name][0], "accuracy": self.frequent[name][1]},
                }
                for name, scores in self.scores.items()
            },
            "validation": dict(self.validation),
            "trend": self.trend,
            "baseline": self.baseline_name,
        }


Logs = dict[str, dict[str, Tensor]]  # part's name -> output -> log-chances (N, K)


@dataclass(frozen=True)
class Weighed:
    """Candidates, each of one part or several, weighed on validation and scored."""

    validation: dict[str, float]  # nats an answer of each, each half of validation weighed by the other
    weights: dict[str, dict[str, list[float]]]  # of each candidate, for each output
    part: str  # that is scored: test, or validation where there is none, its halves weighed by each other
    scores: dict[str, dict[str, LabelScore]]  # output -> candidate


def weigh(examples: Examples, parts: Mapping[str, Part], candidates: Mapping[str, list[str]]) -> Weighed:
    """Fits each candidate's weights on validation, and scores it on the test part."""
    logs, answers = read_part(examples, parts, "validation")
    unseen = {
        label: {out: blend_unseen([logs[one][out] for one in some], answers[out]) for out in answers}
        for label, some in candidates.items()
    }
    weights = {
        label: {out: fit_blend([logs[one][out] for one in some], answers[out]) for out in answers}
        for label, some in candidates.items()
    }
    scored, part = unseen, "validation"
    if examples.count("test"):
        tested, _ = read_part(examples, parts, "test")
        part = "test"
        scored = {
            label: {out: blend([tested[one][out] for one in some], weights[label][out]) for out in answers}
            for label, some in candidates.items()
        }
    return Weighed(
        {label: sum(nats_of(found[out], answers[out]) for out in answers) for label, found in unseen.items()},
        weights,
        part,
        {
            out: {label: score_part(examples, part, out, scored[label][out]) for label in candidates}
            for out in answers
        },
    )


def judge_answers(
    watch: Watch, examples: Examples, parts: Mapping[str, Part], settings: TrainSettings, baseline: str
) -> tuple[AnswerVerdict, list[str], dict[str, list[float]]]:
    """Weighs net, linear model and both, and leaves what was asked for or is best on validation.

    Hands back the verdict, the parts that are left, and their weights for each output.
    """
    names = list(parts)
    whole = "+".join(names)
    candidates: dict[str, list[str]] = {name: [name] for name in names} | {whole: names}
    weighed = weigh(examples, parts, candidates)
    least = min(weighed.validation.values())
    best = min(weighed.validation, key=lambda label: weighed.validation[label])
    for alone in names:
        best = alone if weighed.validation[alone] <= least + AS_GOOD else best
    left = best if settings.model is None else whole if settings.mixed else names[0]
    verdict = AnswerVerdict(
        model=left, part=weighed.part, scores=weighed.scores, frequent=most_frequent(examples, weighed.part),
        validation=weighed.validation, choice=settings.model is None, trend=trend_of(watch.validations),
        baseline_name=baseline,
    )  # fmt: skip
    return verdict, candidates[left], weighed.weights[left]


def judge_linear(
    examples: Examples, linear: LinearModel, baseline: str
) -> tuple[AnswerVerdict, dict[str, list[float]]]:
    """The verdict on the linear model alone, and its temperature for each output."""
    weighed = weigh(examples, {LINEAR: linear}, {LINEAR: [LINEAR]})
    verdict = AnswerVerdict(
        model=LINEAR, part=weighed.part, scores=weighed.scores, frequent=most_frequent(examples, weighed.part),
        validation=weighed.validation, choice=False, trend=None, baseline_name=baseline,
    )  # fmt: skip
    return verdict, weighed.weights[LINEAR]


def read_part(examples: Examples, parts: Mapping[str, Part], part: str) -> tuple[Logs, dict[str, Tensor]]:
    """What each of the models says about a part's rows, and what is right."""
    texts, rows = list(examples.part_texts(part)), examples.parts[part]
    logs = {name: one.answer(texts) for name, one in parts.items()}
    return logs, {out: torch.from_numpy(labels.of(rows)) for out, labels in examples.answers.items()}


def score_part(examples: Examples, part: str, out: str, logs: Tensor) -> LabelScore:
    """The score of an output's log-chances (A, K) about a part's rows; of tags that mark spans, of spans too."""
    labels, rows = examples.answers[out], examples.parts[part]
    score = score_labels(logs.numpy(), labels.of(rows), labels.names)
    if not labels.each or not mark_spans(labels.given):
        return score
    ends = np.cumsum(labels.starts[rows + 1] - labels.starts[rows])[:-1]
    answered = np.split(logs.argmax(1).numpy(), ends)
    right = np.split(labels.given_ids[labels.places(rows)], ends)
    said = [[labels.names[tag] for tag in row] for row in answered]
    return replace(score, span_f1=span_f1(said, [[labels.given[tag] for tag in row] for row in right]))


def nats_of(logs: Tensor, answers: Tensor) -> float:
    """Mean nats of the answers that are known; 0 where none is."""
    known = answers >= 0
    return -float(logs[known, answers[known]].mean()) if bool(known.any()) else 0.0


def most_frequent(examples: Examples, part: str) -> dict[str, tuple[str, float]]:
    """For each output the training part's most frequent label, and how often a part's rows have it."""
    found = {}
    for out, labels in examples.answers.items():
        label = int(np.argmax(count_labels(labels, examples.parts["training"])))
        found[out] = labels.names[label], float((labels.of(examples.parts[part]) == label).mean())
    return found
