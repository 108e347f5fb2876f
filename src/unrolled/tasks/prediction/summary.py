"""The verdict on answers: which of a net, what stands beside it and all weighed is left, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unrolled.data.examples import Examples
from unrolled.data.intake import Ids
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import TrainingError, command
from unrolled.figures import SHORT, SMALLER
from unrolled.model.ensemble import blend, blend_unseen, fit_in_time
from unrolled.model.likelihoods import LIKELIHOODS, Likelihood
from unrolled.model.predictor import Part
from unrolled.options import TrainSettings
from unrolled.registry import UNTRAINED
from unrolled.tasks.prediction.metrics import Reach, Score, facts_of, nats_of, teller_of
from unrolled.tasks.prediction.rows import answer_rows
from unrolled.tasks.selection import select, selected_line, standing, too_short
from unrolled.tasks.trend import trend_line


@dataclass(frozen=True)
class AnswerVerdict:
    """What came out. Test scores are of rows that nothing was chosen by."""

    model: str  # what is left: lstm, linear, ngram, or several: lstm+linear+ngram
    part: str  # that scores are on: test, or validation where there is no test part
    scores: Mapping[str, Mapping[str, Score]]  # output -> of each model, the one that is left among them
    constants: Mapping[str, tuple[str, float]]  # output -> a constant answer, and its figure
    figures: Mapping[str, str]  # output -> the figure by which models are set beside each other
    validation: Mapping[str, float]  # nats an answer of each model on validation, weighed on its other half
    choice: bool  # whether the model was chosen by them
    trend: str | None  # as `trend_of` has it; None where nothing was trained
    baseline_name: str
    data: str  # the path of what it was trained on
    unfitted: Sequence[str] = ()  # models whose parts count alike, as no weights could be fitted
    unfinished: Sequence[str] = ()  # models whose weights there was no time to fit to the end
    rows: int = 0  # of the part, that were read; fewer than it has where time or room was short
    rows_of_part: int = 0
    split: str = ""  # how the part was made
    asked: Sequence[str] = ()  # words of the command that trains a net on the same, behind the path

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        lines = []
        for name, scores in self.scores.items():
            few = "" if self.rows == self.rows_of_part else f" ({self.rows:,} of its {self.rows_of_part:,} rows)"
            lines.append(f"{name}, {self.part}{few}, by {self.model}: {scores[self.model].line}.")
            lines.append(self._baselines(name))
            others = [f"{other} {score.short}" for other, score in scores.items() if self._is_other(other)]
            lines += [f"Others: {', '.join(others)}."] if others else []
        lines += [f"Split ({self.part}): {self.split}."] if self.split else []
        unit = "nats per prediction"
        if self.choice:
            lines.append(selected_line(self.model, self.validation, unit))
        else:
            nats = ", ".join(f"{name} {value:.3f}" for name, value in self.validation.items())
            lines.append(f"On validation: {nats} {unit}.")
        if self.unfitted:
            lines.append(
                f"No ensemble weights were fitted for {', '.join(self.unfitted)}: some predictions are not finite."
            )
        if self.unfinished:
            lines.append(too_short(", ".join(self.unfinished)))
        if self.trend is not None:
            lines.append(trend_line(self.trend, self.net))
            return lines
        (what, how), again = UNTRAINED[self.model], command("train", self.data, *self.asked)
        return [*lines, f"The {what} is {how}, not trained. Next: see what a net adds: {again}"]

    @property
    def net(self) -> str:
        """The name of the part that was trained."""
        return next(name for name in self.validation if name not in UNTRAINED and "+" not in name)

    def _is_other(self, name: str) -> bool:
        return name != self.model and name not in UNTRAINED

    def _baselines(self, output: str) -> str:
        """The figures of what is not trained, and how the model stands beside the best of them."""
        figure, scores = self.figures[output], self.scores[output]
        more = figure not in SMALLER
        found = {
            other: float(score.as_dict()[figure])
            for other, score in scores.items()
            if other in UNTRAINED and other != self.model
        }
        constant, value = self.constants[output]
        found[constant] = value
        best = (max if more else min)(found.values())
        low, high = scores[self.model].as_dict()[f"{figure}_interval"]
        told = ", ".join(f"{name} {SHORT[figure].format(one)}" for name, one in found.items())
        return f"Baselines: {told}. {standing(self.model, (low, high), best, more)}"

    def as_dict(self) -> dict[str, Any]:
        """The figures in plain names."""
        return {
            "model": self.model,
            "part": self.part,
            "rows": self.rows,
            "rows_of_part": self.rows_of_part,
            "split": self.split,
            "outputs": {
                name: {
                    **facts_of(scores[self.model].as_dict(), self.figures[name], self.constants[name]),
                    "beside": {other: score.as_dict() for other, score in scores.items() if other != self.model},
                }
                for name, scores in self.scores.items()
            },
            "validation": dict(self.validation),
            "trend": self.trend,
            "baseline": self.baseline_name,
        }


Weights = dict[str, list[float]]  # of each output


@dataclass(frozen=True)
class Weighed:
    """Candidates, each of one part or several, weighed on validation and scored."""

    validation: dict[str, float]  # nats an answer of each, each half of validation weighed by the other
    weights: dict[str, Weights]  # of each candidate
    reaches: dict[str, dict[str, Reach]]  # of each candidate, for each output
    part: str  # that is scored: test, or validation where there is none, its halves weighed by each other
    rows: Ids  # of that part, which were read
    scores: dict[str, dict[str, Score]]  # output -> candidate
    unfitted: list[str]  # candidates whose parts count alike, as no weights could be fitted
    unfinished: list[str]  # candidates of several parts whose weights the deadline left half fitted


FITTING = 0.3  # of what is left then, for weights
WEIGHING = 0.4  # of the time for all of it, at most, for what is said on validation
READING = 0.7  # of what is left then, for what is said on the test part; the rest is for intervals


def weigh(
    examples: Examples, parts: Mapping[str, Part], candidates: Mapping[str, list[str]], deadline: Deadline = ENDLESS
) -> Weighed:
    """Fits each candidate's weights on validation, and scores it on the test part; on as many rows of both as there
    is time for."""
    said, read = answer_rows(examples, parts, "validation", deadline.share(WEIGHING))
    answers = right_answers(examples, read)
    outputs = {name: answered.output for name, answered in examples.answers.items()}
    families = {name: LIKELIHOODS[output.kind] for name, output in outputs.items()}
    tellers = {name: teller_of(output) for name, output in outputs.items()}
    validation, weights, reaches = {}, {}, {}
    unfitted, unfinished = [], []
    scored: dict[str, dict[str, Tensor]] = {}
    fitting = deadline.share(FITTING)
    for place, (label, some) in enumerate(candidates.items()):
        own = fitting.share(1 / (len(candidates) - place))
        try:
            unseen, weights[label], in_time = fit_candidate(families, [said[one] for one in some], answers, own)
            unfinished += [label] if len(some) > 1 and not in_time else []
        except TrainingError:
            unfitted.append(label)
            weights[label] = {out: [1 / len(some)] * len(some) for out in answers}
            unseen = blended(families, [said[one] for one in some], weights[label])
        reaches[label] = {out: tellers[out].reach(unseen[out], answers[out]) for out in answers}
        validation[label] = sum(nats_of(outputs[out], unseen[out], answers[out]) for out in answers)
        if not examples.count("test"):
            scored[label] = unseen
    part, rows = "validation", read
    if examples.count("test"):
        part, said, unseen = "test", {}, {}  # what is said of validation is let go before as much again is read
        said, rows = answer_rows(examples, parts, "test", deadline.share(READING))
    scores: dict[str, dict[str, Score]] = {out: {} for out in answers}
    left = len(candidates) * len(answers)
    for label, some in candidates.items():
        answered = scored.pop(label, None) or blended(families, [said[one] for one in some], weights[label])
        for out in answers:
            own = deadline.share(1 / left)
            scores[out][label] = tellers[out].score(
                examples.answers[out], rows, answered[out], reaches[label][out], own
            )
            left -= 1
    return Weighed(validation, weights, reaches, part, rows, scores, unfitted, unfinished)


def blended(
    families: Mapping[str, Likelihood], said: Sequence[Mapping[str, Tensor]], weights: Weights
) -> dict[str, Tensor]:
    """What several parts say of each output together."""
    return {out: blend(families[out], [one[out] for one in said], each) for out, each in weights.items()}


def fit_candidate(
    families: Mapping[str, Likelihood], said: Sequence[Mapping[str, Tensor]], answers: Mapping[str, Tensor],
    deadline: Deadline,
) -> tuple[dict[str, Tensor], Weights, bool]:  # fmt: skip
    """What several parts say of each output together, each half of the rows under weights fitted on the other; the
    weights fitted on all; and whether there was time for these. Raises TrainingError where there are none."""
    unseen: dict[str, Tensor] = {}
    weights: Weights = {}
    all_in_time = True
    for place, out in enumerate(answers):
        found, own = [one[out] for one in said], deadline.share(1 / (len(answers) - place))
        unseen[out] = blend_unseen(families[out], found, answers[out], own.share(0.6))
        weights[out], in_time = fit_in_time(families[out], found, answers[out], own)
        all_in_time = all_in_time and in_time
    return unseen, weights, all_in_time


@dataclass(frozen=True)
class Left:
    """What a run answers with."""

    parts: list[str]
    weights: Weights
    reaches: dict[str, Reach]

    def facts(self) -> dict[str, object]:
        """What run.json keeps."""
        reaches = {name: list(reach) for name, reach in self.reaches.items() if reach}
        return {"left": self.parts, "weights": self.weights, **({"reaches": reaches} if reaches else {})}


def judge_answers(
    examples: Examples,
    parts: Mapping[str, Part],
    settings: TrainSettings,
    trend: str,
    baseline: str,
    deadline: Deadline = ENDLESS,
) -> tuple[AnswerVerdict, Left]:
    """Weighs each part and all of them, or those that were asked for, and leaves these or what is best on
    validation."""
    names = list(parts)
    asked = (settings.model or "").split("+") if settings.mixed else list(UNTRAINED)
    together = [name for name in names if name not in UNTRAINED or name in asked]
    whole = "+".join(together)
    candidates: dict[str, list[str]] = {name: [name] for name in names} | {whole: together}
    weighed = weigh(examples, parts, candidates, deadline)
    left = select(weighed.validation) if settings.model is None else whole if settings.mixed else names[0]
    verdict = _verdict(examples, weighed, left, settings.model is None, trend, baseline)
    return verdict, Left(candidates[left], weighed.weights[left], weighed.reaches[left])


def judge_alone(
    examples: Examples,
    parts: Mapping[str, Part],
    settings: TrainSettings,
    baseline: str,
    deadline: Deadline = ENDLESS,
) -> tuple[AnswerVerdict, Left]:
    """The verdict on the one part there is, and its temperature for each output."""
    (name,) = parts
    weighed = weigh(examples, parts, {name: [name]}, deadline)
    verdict = _verdict(examples, weighed, name, False, None, baseline)
    verdict = replace(verdict, asked=settings.net_options())
    return verdict, Left([name], weighed.weights[name], weighed.reaches[name])


def _verdict(
    examples: Examples, weighed: Weighed, left: str, choice: bool, trend: str | None, baseline: str
) -> AnswerVerdict:
    tellers = {name: teller_of(answered.output) for name, answered in examples.answers.items()}
    training, rows = examples.parts["training"], weighed.rows
    return AnswerVerdict(
        model=left, part=weighed.part, scores=weighed.scores,
        constants={name: one.constant(examples.answers[name], training, rows) for name, one in tellers.items()},
        figures={name: one.figure for name, one in tellers.items()}, validation=weighed.validation, choice=choice,
        trend=trend, baseline_name=baseline, data=str(examples.path), unfitted=weighed.unfitted,
        unfinished=weighed.unfinished, rows=len(rows),
        rows_of_part=examples.count(weighed.part),
        split=examples.split,
    )  # fmt: skip


def right_answers(examples: Examples, rows: Ids) -> dict[str, Tensor]:
    """What is right about these rows, of each output."""
    return {out: torch.from_numpy(answered.of(rows)) for out, answered in examples.answers.items()}
