"""What stands beside a net that answers about rows, made in seconds: a linear model, and where texts have labels the
n-grams of each label's texts."""

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

COUNTING = 0.3  # of the time for all of them, at most
FITTING = 0.75  # of what is left of it then; the rest is for the score on validation


class Rival(Part, Protocol):
    """A part that is not trained by updates."""

    def describe(self) -> str: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def facts(self) -> dict[str, Any]: ...


def rivals_of(examples: Examples) -> list[str]:
    """The names of those there are for these examples, in the order in which a mixture names them."""
    of_texts = isinstance(examples.intake, Tokens)
    outputs = [answered.output for answered in examples.answers.values()]
    labels = all(isinstance(output, LabelOutput) and not output.each for output in outputs)
    return [LINEAR, COUNTED] if of_texts and labels else [LINEAR]


def check_rivals(examples: Examples, model: str | None) -> None:
    """Raises OptionError for a model with a part that there is not for these examples."""
    if model is not None and COUNTED in model.split("+") and COUNTED not in rivals_of(examples):
        raise OptionError(
            f"--model {model}: the n-gram predicts one label per text. Requested for {examples.path}: "
            f"{examples.asked_for}, from {examples.intake.read_as}.\n"
            "Try --model lstm+linear."
        )


def fit_rivals(
    examples: Examples, names: Collection[str], seed: int, deadline: Deadline = ENDLESS
) -> dict[str, Rival]:
    """Those of these names, as much of each as there is time for; counting comes first."""
    counted: dict[str, Rival] = {}
    if COUNTED in names:
        counted[COUNTED] = _count(examples, seed, deadline.share(COUNTING))
    return ({LINEAR: _fit_linear(examples, seed, deadline.share(FITTING))} if LINEAR in names else {}) | counted


def save_rivals(run: RunFolder, rivals: dict[str, Rival]) -> None:
    """Keeps each in a file of the run."""
    for name, rival in rivals.items():
        save_tensors(run.rival(name), rival.tensors(), rival.facts())


def load_rival(run: RunFolder, name: str, intake: Intake) -> Rival:
    """What `save_rivals` kept by this name. Raises RunError where it is missing or damaged."""
    tensors, facts = load_tensors(run.rival(name))
    return (
        NGramBayes.from_tensors(tensors, facts)
        if name == COUNTED
        else LinearModel.from_tensors(tensors, facts, intake)
    )


def best_baseline(examples: Examples, rivals: dict[str, Rival], deadline: Deadline = ENDLESS) -> tuple[Baseline, int]:
    """The best of them on validation, each at the temperature that suits it, on as many rows as there is time for;
    and how many these are."""
    said, rows = answer_rows(examples, rivals, "validation", deadline)
    found = (_baseline(examples, rival, said[name], rows, deadline) for name, rival in rivals.items())
    return min(found, key=lambda one: one.validation or 0.0), len(rows)


def _baseline(
    examples: Examples, rival: Rival, said: Mapping[str, Tensor], rows: Ids, deadline: Deadline
) -> Baseline:
    if not len(rows):
        return Baseline(rival.describe(), None, None)
    nats, words = 0.0, []
    for name, found in said.items():
        answered = examples.answers[name]
        teller = teller_of(answered.output)
        nats += suited_nats(answered.output, found, torch.from_numpy(answered.of(rows)), deadline)
        score = teller.score(answered, rows, found.double(), (), deadline.within(0.0))  # no interval is shown
        words.append(f"{name} {SHORT[teller.figure].format(score.as_dict()[teller.figure])}")
    return Baseline(f"{rival.describe()}, {', '.join(words)}", nats, None)


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
