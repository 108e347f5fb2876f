"""The summary of a prediction run: select the net, a baseline or their ensemble, and score each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unrolled.data.dataset.dataset import Examples
from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import TrainingError, command
from unrolled.figures import FORMATS, LOWER_IS_BETTER
from unrolled.model.ensemble import combine, combine_cross_fitted, fit_weights_in_time
from unrolled.model.likelihoods import LIKELIHOODS, Likelihood
from unrolled.model.predictor import Member
from unrolled.options import TrainSettings
from unrolled.registry import UNTRAINED
from unrolled.tasks.prediction.metrics import HalfWidths, OutputScore, facts_of, metric_of, nats_of
from unrolled.tasks.prediction.rows import predict_rows
from unrolled.tasks.selection import compare_with_baseline, select, selected_line, unfinished_line
from unrolled.tasks.trend import trend_line


@dataclass(frozen=True)
class PredictionSummary:
    """The summary of a prediction run. Nothing is selected on test rows."""

    model: str  # the selected model: lstm, linear, ngram or an ensemble such as lstm+linear+ngram
    split: str  # the scored split: test, or validation without a test split
    scores: Mapping[str, Mapping[str, OutputScore]]  # output -> model -> score; includes the selected model
    constants: Mapping[str, tuple[str, float]]  # output -> constant baseline, and its figure
    figures: Mapping[str, str]  # output -> the figure by which models are compared
    validation: Mapping[str, float]  # nats per prediction of each model, each half with weights of the other
    choice: bool  # whether the model was selected by them
    trend: str | None  # from `trend_of`; None without training
    baseline_name: str
    data: str  # the path of the training data
    unfitted: Sequence[str] = ()  # ensembles with equal weights, as none could be fitted
    unfinished: Sequence[str] = ()  # ensembles without time to finish fitting weights
    rows: int = 0  # scored rows of the split; fewer than all if time or memory was short
    rows_of_split: int = 0
    split_method: str = ""  # how the split was made
    net_options: Sequence[str] = ()  # of the command that trains a net on the same data

    @property
    def lines(self) -> list[str]:
        """The lines that the command prints."""
        lines = []
        for name, scores in self.scores.items():
            few = "" if self.rows == self.rows_of_split else f" ({self.rows:,} of its {self.rows_of_split:,} rows)"
            lines.append(f"{name}, {self.split}{few}, by {self.model}: {scores[self.model].line}.")
            lines.append(self._baselines(name))
            others = [f"{other} {score.short}" for other, score in scores.items() if self._is_other(other)]
            lines += [f"Others: {', '.join(others)}."] if others else []
        lines += [f"Split ({self.split}): {self.split_method}."] if self.split_method else []
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
            lines.append(unfinished_line(", ".join(self.unfinished)))
        if self.trend is not None:
            lines.append(trend_line(self.trend, self.net))
            return lines
        (what, how), again = UNTRAINED[self.model], command("train", self.data, *self.net_options)
        return [*lines, f"The {what} is {how}, not trained. Next: see what a net adds: {again}"]

    @property
    def net(self) -> str:
        """The name of the trained model."""
        return next(name for name in self.validation if name not in UNTRAINED and "+" not in name)

    def _is_other(self, name: str) -> bool:
        return name != self.model and name not in UNTRAINED

    def _baseline_scores(self, output: str) -> dict[str, OutputScore]:
        """The scores of the untrained models that were not selected."""
        scores = self.scores[output]
        return {name: score for name, score in scores.items() if name in UNTRAINED and name != self.model}

    def _baselines(self, output: str) -> str:
        """The figures of the baselines, and the comparison with the best of them."""
        figure, scores = self.figures[output], self.scores[output]
        more = figure not in LOWER_IS_BETTER
        found = {other: float(score.to_dict()[figure]) for other, score in self._baseline_scores(output).items()}
        constant, value = self.constants[output]
        found[constant] = value
        best = (max if more else min)(found.values())
        low, high = scores[self.model].to_dict()[f"{figure}_interval"]
        figures = ", ".join(f"{name} {FORMATS[figure].format(one)}" for name, one in found.items())
        return f"Baselines: {figures}. {compare_with_baseline(self.model, (low, high), best, more)}"

    def to_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
        return {
            "model": self.model,
            "split": self.split,
            "rows": self.rows,
            "rows_of_split": self.rows_of_split,
            "split_method": self.split_method,
            "outputs": {
                name: {
                    **facts_of(scores[self.model].to_dict(), self.figures[name], self.constants[name]),
                    "baselines": {other: score.to_dict() for other, score in self._baseline_scores(name).items()},
                    "others": {other: score.to_dict() for other, score in scores.items() if self._is_other(other)},
                }
                for name, scores in self.scores.items()
            },
            "validation": dict(self.validation),
            "trend": self.trend,
            "baseline_name": self.baseline_name,
        }


Weights = dict[str, list[float]]  # output -> a weight per member


@dataclass(frozen=True)
class Candidates:
    """Single models and ensembles, with weights fitted on validation, and their scores."""

    validation: dict[str, float]  # nats per prediction; each half of validation with weights fitted on the other
    weights: dict[str, Weights]  # candidate -> weights
    half_widths: dict[str, dict[str, HalfWidths]]  # candidate -> output -> half-widths
    split: str  # the scored split: test, or else validation, each half with weights fitted on the other
    rows: Ids  # the scored rows of that split
    scores: dict[str, dict[str, OutputScore]]  # output -> candidate
    unfitted: list[str]  # candidates with equal weights, as none could be fitted
    unfinished: list[str]  # ensembles whose fit the deadline cut short


FITTING_SHARE = 0.3  # share of the time left after validation, for weights
VALIDATION_SHARE = 0.4  # largest share of the time, for predictions on validation
TEST_SHARE = 0.7  # share of the time left after fitting, for test predictions; the rest is for intervals


def fit_and_score(
    examples: Examples,
    members: Mapping[str, Member],
    candidates: Mapping[str, list[str]],
    deadline: Deadline = UNLIMITED,
) -> Candidates:
    """Fit the weights of each candidate on validation, and score it on the test split; on as many rows of both as
    there is time for."""
    predictions, read = predict_rows(examples, members, "validation", deadline.share(VALIDATION_SHARE))
    targets = targets_of(examples, read)
    outputs = {name: target.output for name, target in examples.targets.items()}
    families = {name: LIKELIHOODS[output.likelihood] for name, output in outputs.items()}
    metrics = {name: metric_of(output) for name, output in outputs.items()}
    validation, weights, half_widths = {}, {}, {}
    unfitted, unfinished = [], []
    scored: dict[str, dict[str, Tensor]] = {}
    fitting = deadline.share(FITTING_SHARE)
    for place, (label, some) in enumerate(candidates.items()):
        own = fitting.share(1 / (len(candidates) - place))
        try:
            unseen, weights[label], in_time = fit_candidate(
                families, [predictions[one] for one in some], targets, own
            )
            unfinished += [label] if len(some) > 1 and not in_time else []
        except TrainingError:
            unfitted.append(label)
            weights[label] = {out: [1 / len(some)] * len(some) for out in targets}
            unseen = ensemble_predictions(families, [predictions[one] for one in some], weights[label])
        half_widths[label] = {out: metrics[out].reach(unseen[out], targets[out]) for out in targets}
        validation[label] = sum(nats_of(outputs[out], unseen[out], targets[out]) for out in targets)
        if not examples.count("test"):
            scored[label] = unseen
    split, rows = "validation", read
    if examples.count("test"):
        split, predictions, unseen = "test", {}, {}  # frees the validation predictions first
        predictions, rows = predict_rows(examples, members, "test", deadline.share(TEST_SHARE))
    scores: dict[str, dict[str, OutputScore]] = {out: {} for out in targets}
    left = len(candidates) * len(targets)
    for label, some in candidates.items():
        target = scored.pop(label, None) or ensemble_predictions(
            families, [predictions[one] for one in some], weights[label]
        )
        for out in targets:
            own = deadline.share(1 / left)
            scores[out][label] = metrics[out].score(
                examples.targets[out], rows, target[out], half_widths[label][out], own
            )
            left -= 1
    return Candidates(validation, weights, half_widths, split, rows, scores, unfitted, unfinished)


def ensemble_predictions(
    families: Mapping[str, Likelihood], predictions: Sequence[Mapping[str, Tensor]], weights: Weights
) -> dict[str, Tensor]:
    """The predictions of an ensemble for each output."""
    return {out: combine(families[out], [one[out] for one in predictions], each) for out, each in weights.items()}


def fit_candidate(
    families: Mapping[str, Likelihood], predictions: Sequence[Mapping[str, Tensor]], targets: Mapping[str, Tensor],
    deadline: Deadline,
) -> tuple[dict[str, Tensor], Weights, bool]:  # fmt: skip
    """The predictions of an ensemble for each output, each half of the rows under weights fitted on the other half;
    the weights fitted on all rows; and whether the fit finished in time. Raises TrainingError if that fails."""
    unseen: dict[str, Tensor] = {}
    weights: Weights = {}
    all_in_time = True
    for place, out in enumerate(targets):
        found, own = [one[out] for one in predictions], deadline.share(1 / (len(targets) - place))
        unseen[out] = combine_cross_fitted(families[out], found, targets[out], own.share(0.6))
        weights[out], in_time = fit_weights_in_time(families[out], found, targets[out], own)
        all_in_time = all_in_time and in_time
    return unseen, weights, all_in_time


@dataclass(frozen=True)
class Selected:
    """The selected model: its members, weights and half-widths of intervals."""

    members: list[str]
    weights: Weights
    half_widths: dict[str, HalfWidths]

    def facts(self) -> dict[str, object]:
        """The facts for run.json."""
        half_widths = {name: list(reach) for name, reach in self.half_widths.items() if reach}
        return {
            "selected": self.members,
            "weights": self.weights,
            **({"interval_half_widths": half_widths} if half_widths else {}),
        }


def summarise_prediction(
    examples: Examples,
    members: Mapping[str, Member],
    settings: TrainSettings,
    trend: str,
    baseline: str,
    deadline: Deadline = UNLIMITED,
) -> tuple[PredictionSummary, Selected]:
    """Score each model and their ensemble (or the requested one); select the requested or the best on validation."""
    names = list(members)
    requested = (settings.model or "").split("+") if settings.is_ensemble else list(UNTRAINED)
    together = [name for name in names if name not in UNTRAINED or name in requested]
    whole = "+".join(together)
    candidates: dict[str, list[str]] = {name: [name] for name in names} | {whole: together}
    fitted = fit_and_score(examples, members, candidates, deadline)
    selected = select(fitted.validation) if settings.model is None else whole if settings.is_ensemble else names[0]
    summary = _summary(examples, fitted, selected, settings.model is None, trend, baseline)
    return summary, Selected(candidates[selected], fitted.weights[selected], fitted.half_widths[selected])


def summarise_single(
    examples: Examples,
    members: Mapping[str, Member],
    net_options: Sequence[str],
    baseline: str,
    deadline: Deadline = UNLIMITED,
) -> tuple[PredictionSummary, Selected]:
    """The summary of a single model, and its temperature for each output. net_options: of the command that trains a
    net on the same data."""
    (name,) = members
    fitted = fit_and_score(examples, members, {name: [name]}, deadline)
    summary = _summary(examples, fitted, name, False, None, baseline)
    summary = replace(summary, net_options=net_options)
    return summary, Selected([name], fitted.weights[name], fitted.half_widths[name])


def _summary(
    examples: Examples, fitted: Candidates, selected: str, choice: bool, trend: str | None, baseline: str
) -> PredictionSummary:
    metrics = {name: metric_of(target.output) for name, target in examples.targets.items()}
    training, rows = examples.splits["training"], fitted.rows
    return PredictionSummary(
        model=selected, split=fitted.split, scores=fitted.scores,
        constants={name: one.constant(examples.targets[name], training, rows) for name, one in metrics.items()},
        figures={name: one.figure for name, one in metrics.items()}, validation=fitted.validation, choice=choice,
        trend=trend, baseline_name=baseline, data=str(examples.path), unfitted=fitted.unfitted,
        unfinished=fitted.unfinished, rows=len(rows),
        rows_of_split=examples.count(fitted.split),
        split_method=examples.split_method,
    )  # fmt: skip


def targets_of(examples: Examples, rows: Ids) -> dict[str, Tensor]:
    """The targets of these rows, for each output."""
    return {out: torch.from_numpy(target.of(rows)) for out, target in examples.targets.items()}
