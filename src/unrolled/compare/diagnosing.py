"""One cell of a diagnostic task: trains a small model on it and measures its accuracy."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from unrolled.compare.cells import ComparisonCell, train_settings
from unrolled.compare_options import CompareSettings
from unrolled.data import DIAGNOSTICS, Diagnostic
from unrolled.environment import find_device
from unrolled.errors import TrainingError
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.registry import build
from unrolled.tasks.build import build_model
from unrolled.threads import iterate_with_threads, threads_for
from unrolled.training.loop import TrainingState, train
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan
from unrolled.training.planning import TextSize, plan_minutes, plan_steps
from unrolled.training.statistics import estimate_statistics

SIZE, ROWS = 64, 32  # units of a layer, unless given; rows of a batch
LEARNT = 0.999  # accuracy on validation at which a training ends early
VALIDATION_BATCHES, TEST_BATCHES = 8, 32
VALIDATIONS = 20  # validations per training
ENDLESS = 1_000_000_000  # number of targets: the task generates any number


def diagnose(task: str, cell: ComparisonCell, settings: CompareSettings) -> Iterator[dict[str, Any]]:
    """Yields progress from time to time, the last time with `accuracy` on the test rows.

    Trains on whole rows for the minutes or steps of the settings, and ends early once it makes no mistakes. Raises
    TrainingError where a loss is not finite.
    """
    started = time.monotonic()
    training, validation, test = (
        Diagnostic(task, cell.lag or 1, ROWS, seed) for seed in (3 * cell.seed, 3 * cell.seed + 1, 3 * cell.seed + 2)
    )
    options, size = options_and_size(task, cell, settings)
    device, threads = find_device(options.device), threads_for(options.threads)
    if options.steps is not None:
        plan = plan_steps(options, size, device, threads)
    else:
        plan = plan_minutes(options, size, device, threads, 0.85 * 60 * (options.minutes or 1))
    plan = replace(plan, precision="float32", report_every=max(1, plan.steps // VALIDATIONS))
    learning = learn(cell, plan, (training, validation, test), started + 60 * (options.minutes or math.inf))
    for facts in iterate_with_threads(learning, lambda: plan.threads):
        yield facts | {"seconds": time.monotonic() - started}


def learn(
    cell: ComparisonCell, plan: Plan, diagnostics: tuple[Diagnostic, Diagnostic, Diagnostic], until: float
) -> Iterator[dict[str, Any]]:
    """Trains by `plan` on the first of three diagnostics, validates on the second and tests on the third.

    until: time.monotonic() at which it ends at the latest.
    """
    training, validation, test = diagnostics
    model = build_model(plan, training.tokens, cell.seed)
    state = TrainingState(model, Optimiser(model, plan), model.start(ROWS))
    averaged, accuracies = state.optimiser.averaged, [0.0]

    def is_over() -> bool:  # early once it makes no mistakes; by the clock where the machine is slow
        return accuracies[-1] >= LEARNT or time.monotonic() > until

    def fail() -> None:
        raise TrainingError(f"{cell.model} by {cell.bptt} at lag {cell.lag}: the loss is not finite.")

    for _ in train(
        state, training, build("bptt", BPTT_STRATEGIES, plan.bptt), [plan], cell.seed,
        is_over, lambda plan: state.step % plan.report_every == 0, fail,
    ):  # fmt: skip
        estimate_statistics(state, training)
        accuracies.append(accuracy_of(averaged, validation, VALIDATION_BATCHES))
        yield {"step": state.step, "steps": plan.steps, "loss": state.loss, "accuracy": accuracies[-1]}
        state.nats, state.targets = 0.0, 0
    yield {
        "step": state.step, "steps": plan.steps, "accuracy": accuracy_of(averaged, test, TEST_BATCHES),
        "chance_accuracy": DIAGNOSTICS[training.task][1], "hidden_size": plan.hidden_size, "layers": plan.layers,
        "parameters": sum(p.numel() for p in model.parameters()),
    }  # fmt: skip


def options_and_size(task: str, cell: ComparisonCell, settings: CompareSettings) -> tuple[TrainOptions, TextSize]:
    """The options of a cell's training, and the size of its data, from which the plan is made."""
    diagnostic = Diagnostic(task, cell.lag or 1, ROWS, 0)
    sizes = {cell.model: (settings.hidden_size or SIZE, settings.layers or depth_of(cell.model))}
    options = replace(train_settings(settings, cell, sizes), window=diagnostic.steps, batch_size=ROWS, dropout=0.0)
    return options, TextSize(diagnostic.tokens, ENDLESS, diagnostic.steps)


def depth_of(model: str) -> int:
    """Two layers, so that a layer can use what the one below it found; one where the name lists layers."""
    return 1 if "/" in model else 2


@torch.no_grad()
def accuracy_of(model: LanguageModel, diagnostic: Diagnostic, batches: int) -> float:
    """The accuracy of the predictions at the end of each row: of one, or of all where a task has several."""
    right = total = 0
    for k in range(batches):
        batch = diagnostic.batch(k)
        logits, _ = model.unroll(batch.inputs, model.start(len(batch.inputs)))
        due = batch.targets.clone()
        if diagnostic.task == "parity":
            due[:, :-1] = -100
        counted = due >= 0
        right += int((logits.argmax(2).cpu() == due)[counted].sum())
        total += int(counted.sum())
    return right / total
