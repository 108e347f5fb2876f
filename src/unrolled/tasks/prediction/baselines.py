"""Baselines of a prediction net, fitted in seconds: a linear model and, for texts with labels, n-grams per label."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled.data.examples import Examples
from unrolled.data.features import Features
from unrolled.data.intake import Ids, Intake
from unrolled.data.outputs import LabelOutput
from unrolled.data.tokens import Tokens
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import OptionError
from unrolled.figures import SHORT
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.baselines.linear_fit import fit_linear
from unrolled.model.baselines.naive_bayes import NGramBayes, count_bayes
from unrolled.model.baselines.ngram_features import text_units
from unrolled.model.predictor import Part
from unrolled.registry import COUNTED, LINEAR
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.base import Baseline
from unrolled.tasks.prediction.metrics import suited_nats, teller_of
from unrolled.tasks.prediction.rows import answer_rows
from unrolled.training.checkpoint import load_tensors, save_tensors

COUNTING = 0.3  # largest share of the time, for counting n-grams
FITTING = 0.75  # share of the rest for the linear model; what remains is for validation scores


class Rival(Part, Protocol):
    """A model that is not trained by updates."""

    def describe(self) -> str: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def facts(self) -> dict[str, Any]: ...


def rivals_of(examples: Examples) -> list[str]:
    """The names of the baselines for these examples, in the order in which an ensemble names them."""
    of_texts = isinstance(examples.intake, Tokens)
    outputs = [answered.output for answered in examples.answers.values()]
    labels = all(isinstance(output, LabelOutput) and not output.each for output in outputs)
    return [LINEAR, COUNTED] if of_texts and labels else [LINEAR]


def check_rivals(examples: Examples, model: str | None) -> None:
    """Raise OptionError for a model with a baseline that these examples do not have."""
    if model is not None and COUNTED in model.split("+") and COUNTED not in rivals_of(examples):
        raise OptionError(
            f"--model {model}: the n-gram predicts one label per text. Requested for {examples.path}: "
            f"{examples.asked_for}, from {examples.intake.read_as}.\n"
            "Try --model lstm+linear."
        )


def fit_rivals(
    examples: Examples, names: Collection[str], seed: int, deadline: Deadline = ENDLESS
) -> dict[str, Rival]:
    """Fit the named baselines, each as far as there is time; n-grams are counted first."""
    counted: dict[str, Rival] = {}
    if COUNTED in names:
        counted[COUNTED] = _count(examples, seed, deadline.share(COUNTING))
    return ({LINEAR: _fit_linear(examples, seed, deadline.share(FITTING))} if LINEAR in names else {}) | counted


def save_rivals(run: RunFolder, rivals: dict[str, Rival]) -> None:
    """Save each in a file of the run."""
    for name, rival in rivals.items():
        save_tensors(run.rival(name), rival.tensors(), rival.facts())


def load_rival(run: RunFolder, name: str, intake: Intake) -> Rival:
    """The baseline of this name, saved by `save_rivals`. Raises RunError if it is missing or damaged."""
    tensors, facts = load_tensors(run.rival(name))
    return (
        NGramBayes.from_tensors(tensors, facts)
        if name == COUNTED
        else LinearModel.from_tensors(tensors, facts, intake)
    )


def best_baseline(examples: Examples, rivals: dict[str, Rival], deadline: Deadline = ENDLESS) -> tuple[Baseline, int]:
    """The best baseline on validation, each calibrated, on as many rows as there is time for; and the number of
    these rows."""
    predictions, rows = answer_rows(examples, rivals, "validation", deadline)
    found = (_baseline(examples, rival, predictions[name], rows, deadline) for name, rival in rivals.items())
    return min(found, key=lambda one: one.validation or 0.0), len(rows)


def _baseline(
    examples: Examples, rival: Rival, predictions: Mapping[str, Tensor], rows: Ids, deadline: Deadline
) -> Baseline:
    if not len(rows):
        return Baseline(rival.describe(), None, None)
    nats, figures = 0.0, []
    for name, found in predictions.items():
        answered = examples.answers[name]
        metric = teller_of(answered.output)
        nats += suited_nats(answered.output, found, torch.from_numpy(answered.of(rows)), deadline)
        score = metric.score(answered, rows, found.double(), (), deadline.within(0.0))  # without an interval
        figures.append(f"{name} {SHORT[metric.figure].format(score.as_dict()[metric.figure])}")
    return Baseline(f"{rival.describe()}, {', '.join(figures)}", nats, None)


def _count(examples: Examples, seed: int, deadline: Deadline) -> NGramBayes:
    texts, rows = examples.part_items("training"), examples.parts["training"]
    answers = {name: answered.of(rows) for name, answered in examples.answers.items()}
    outputs = {
        name: answered.output
        for name, answered in examples.answers.items()
        if isinstance(answered.output, LabelOutput)
    }
    return count_bayes(text_units(examples.intake), texts, answers, outputs, seed, deadline)


def _fit_linear(examples: Examples, seed: int, deadline: Deadline) -> LinearModel:
    intake = examples.intake
    each = any(answered.each for answered in examples.answers.values())
    units = "numbers" if isinstance(intake, Features) else "neighbours" if each else text_units(examples.intake)
    training, validation = (
        (
            examples.part_items(part),
            {name: answered.of(examples.parts[part]) for name, answered in examples.answers.items()},
        )
        for part in ("training", "validation")
    )
    outputs = {name: answered.output for name, answered in examples.answers.items()}
    return fit_linear(units, training, validation, outputs, intake, seed, deadline)
