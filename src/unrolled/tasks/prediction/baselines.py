"""Baselines of a prediction net, fitted in seconds: a linear model and, for texts with labels, n-grams per label."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.modalities.base import Featurizer, Ids
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.text import TextFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError
from unrolled.figures import FORMATS
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.baselines.linear_fit import fit_linear
from unrolled.model.baselines.naive_bayes import NGramBayes, count_bayes
from unrolled.model.baselines.ngram_features import text_units
from unrolled.model.predictor import Member
from unrolled.registry import COUNTED, LINEAR, UNTRAINED
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.base import Baseline
from unrolled.tasks.prediction.metrics import calibrated_nats, metric_of
from unrolled.tasks.prediction.rows import predict_rows
from unrolled.training.checkpoint import save_tensors

COUNTING = 0.3  # largest share of the time, for counting n-grams
FITTING = 0.75  # share of the rest for the linear model; what remains is for validation scores


class BaselineModel(Member, Protocol):
    """A model that is not trained by updates."""

    def describe(self) -> str: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def facts(self) -> dict[str, Any]: ...


def baseline_names(examples: Examples) -> list[str]:
    """The names of the baselines for these examples, in the order in which an ensemble names them."""
    of_texts = isinstance(examples.featurizer, TextFeaturizer)
    outputs = [target.output for target in examples.targets.values()]
    labels = all(isinstance(output, LabelOutput) and not output.each for output in outputs)
    return [LINEAR, COUNTED] if of_texts and labels else [LINEAR]


def available_members(examples: Examples, model: str | None) -> str | None:
    """An ensemble of another run, without the baselines that these examples do not have."""
    names = baseline_names(examples)
    return model and "+".join(one for one in model.split("+") if one not in UNTRAINED or one in names)


def check_baselines(examples: Examples, model: str | None) -> None:
    """Raise OptionError for a model with a baseline that these examples do not have."""
    if model is not None and COUNTED in model.split("+") and COUNTED not in baseline_names(examples):
        raise OptionError(
            f"--model {model}: the n-gram predicts one label per text. Requested for {examples.path}: "
            f"{examples.outputs_description}, from {examples.featurizer.step_description}.\n"
            "Try --model lstm+linear."
        )


def fit_baselines(
    examples: Examples, names: Collection[str], seed: int, deadline: Deadline = UNLIMITED
) -> dict[str, BaselineModel]:
    """Fit the named baselines, each as far as there is time; n-grams are counted first."""
    counted: dict[str, BaselineModel] = {}
    if COUNTED in names:
        counted[COUNTED] = _count(examples, seed, deadline.share(COUNTING))
    return ({LINEAR: _fit_linear(examples, seed, deadline.share(FITTING))} if LINEAR in names else {}) | counted


def save_baselines(run: RunFolder, baselines: dict[str, BaselineModel]) -> None:
    """Save each in a file of the run."""
    for name, baseline in baselines.items():
        save_tensors(run.baseline_file(name), baseline.tensors(), baseline.facts())


def load_baseline(run: RunFolder, name: str, featurizer: Featurizer) -> BaselineModel:
    """The baseline of this name, saved by `save_baselines`. Raises RunError if it is missing or damaged."""
    tensors, facts = run.read_baseline(name)
    return (
        NGramBayes.from_tensors(tensors, facts)
        if name == COUNTED
        else LinearModel.from_tensors(tensors, facts, featurizer)
    )


def best_baseline(
    examples: Examples, baselines: dict[str, BaselineModel], deadline: Deadline = UNLIMITED
) -> tuple[Baseline, int]:
    """The best baseline on validation, each calibrated, on as many rows as there is time for; and the number of
    these rows."""
    predictions, rows = predict_rows(examples, baselines, "validation", deadline)
    found = (_baseline(examples, baseline, predictions[name], rows, deadline) for name, baseline in baselines.items())
    return min(found, key=lambda one: one.validation or 0.0), len(rows)


def _baseline(
    examples: Examples, baseline: BaselineModel, predictions: Mapping[str, Tensor], rows: Ids, deadline: Deadline
) -> Baseline:
    if not len(rows):
        return Baseline(baseline.describe(), None, None)
    nats, figures = 0.0, []
    for name, found in predictions.items():
        target = examples.targets[name]
        metric = metric_of(target.output)
        nats += calibrated_nats(target.output, found, torch.from_numpy(target.of(rows)), deadline)
        score = metric.score(target, rows, found.double(), (), deadline.within(0.0))  # without an interval
        figures.append(f"{name} {FORMATS[metric.figure].format(score.to_dict()[metric.figure])}")
    return Baseline(f"{baseline.describe()}, {', '.join(figures)}", nats, None)


def _count(examples: Examples, seed: int, deadline: Deadline) -> NGramBayes:
    texts, rows = examples.split_items("training"), examples.splits["training"]
    targets = {name: target.of(rows) for name, target in examples.targets.items()}
    outputs = {
        name: target.output for name, target in examples.targets.items() if isinstance(target.output, LabelOutput)
    }
    return count_bayes(text_units(examples.featurizer), texts, targets, outputs, seed, deadline)


def _fit_linear(examples: Examples, seed: int, deadline: Deadline) -> LinearModel:
    featurizer = examples.featurizer
    each = any(target.each for target in examples.targets.values())
    units = (
        "numbers"
        if isinstance(featurizer, NumericFeaturizer)
        else "neighbours"
        if each
        else text_units(examples.featurizer)
    )
    training, validation = (
        (
            examples.split_items(split),
            {name: target.of(examples.splits[split]) for name, target in examples.targets.items()},
        )
        for split in ("training", "validation")
    )
    outputs = {name: target.output for name, target in examples.targets.items()}
    return fit_linear(units, training, validation, outputs, featurizer, seed, deadline)
