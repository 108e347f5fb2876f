"""From a budget to a plan for examples: rows with answers, which are read many times over.

Few rows are soon learnt by heart, so a training is as long as so many readings of them take, or as the budget, if
that is shorter; what is left of it is not spent. Sizes and readings are from docs/results.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from unrolled.settings import DEFAULT_MODEL, TrainSettings
from unrolled.training.measure import Rehearsal, fastest_threads, has_fast_bfloat16, seconds_an_update
from unrolled.training.plan import Plan
from unrolled.training.planning import gains_by_bfloat16, time_steps

REPORTS, VALIDATIONS = 60, 20  # a training, about
SAVE_SECONDS = 20.0  # between checkpoints, about


class Recipe(NamedTuple):
    """What serves a kind of examples."""

    size: int  # units in a layer
    depth: int
    embed: int
    batch: int
    rate: float
    dropout: float
    readings: float  # of every row


RECIPES = {
    "symbols": Recipe(256, 2, 64, 64, 8e-3, 0.35, 60),
    "words": Recipe(128, 1, 128, 64, 3e-3, 0.4, 10),  # with a vector each, rows are learnt by heart sooner
    "tags": Recipe(256, 1, 128, 32, 3e-3, 0.4, 20),  # an answer a step
    "vectors": Recipe(128, 1, 64, 64, 5e-3, 0.1, 60),
    "sound": Recipe(128, 1, 128, 32, 3e-3, 0.3, 60),
    "rows": Recipe(128, 1, 128, 64, 3e-3, 0.2, 12),  # of a picture
    "patches": Recipe(128, 2, 128, 64, 3e-3, 0.1, 12),
}
"""By what a step is."""


@dataclass(frozen=True)
class RowTask:
    """What of the examples a plan depends on."""

    rows: int  # of the training part
    steps: float  # of a row, on average
    kind: str  # of its recipe
    rehearsal: Rehearsal  # a batch of its own rows
    padding: Callable[[int], float]  # rows of a batch -> share of what is read that is padding
    embed: int | None = None  # of the run whose weights are the start


def plan_row_steps(settings: TrainSettings, task: RowTask, device: str, threads: int) -> Plan:
    """The plan for `--steps N`: it depends on the data and N alone, never on the clock or the machine's speed."""
    steps = settings.steps or 1
    report = max(1, steps // REPORTS)
    validations = max(1, steps // VALIDATIONS // report)
    return time_steps(shape_rows(settings, task, device, threads), steps, report, validations, validations)


def plan_row_minutes(settings: TrainSettings, task: RowTask, device: str, threads: int, seconds: float) -> Plan:
    """The plan for a budget: as many readings as serve, or as fit into `seconds` of updates and validations."""
    plan = shape_rows(settings, task, device, threads)
    if settings.threads is None and device == "cpu":
        plan = replace(plan, threads=fastest_threads(plan, task.rehearsal))
    pace = seconds_an_update(plan, task.rehearsal)
    wanted = int(RECIPES[task.kind].readings * task.rows / plan.batch)
    plan = replace(plan, most=max(1, wanted))
    steps = max(1, min(wanted, int(seconds / pace)))
    report = max(1, round(min(1.5, seconds / REPORTS) / pace))
    validations = max(1, round(steps / VALIDATIONS / report))
    saves = max(1, round(min(SAVE_SECONDS, seconds / 5) / pace / report))
    return time_steps(plan, steps, report, validations, saves)


def shape_rows(settings: TrainSettings, task: RowTask, device: str, threads: int) -> Plan:
    """Everything but the steps."""
    model, recipe = settings.model or DEFAULT_MODEL, RECIPES[task.kind]
    bfloat16 = device == "cuda" or (device == "cpu" and gains_by_bfloat16(model) and has_fast_bfloat16())
    batch = settings.batch or recipe.batch
    return Plan(
        model=model, size=settings.size or recipe.size, depth=settings.depth or recipe.depth,
        embed=task.embed or recipe.embed,
        batch=batch, window=settings.window or round(task.steps), steps=1,
        rate=settings.rate or recipe.rate, matrix_rate=3.75, warmup=1,
        dropout=recipe.dropout if settings.dropout is None else settings.dropout, decay=0.01, matrix_decay=0.1,
        clip=1.0, average=0.99, gradient=settings.gradient, precision="bfloat16" if bfloat16 else "float32",
        device=device, threads=threads, report_every=1, validate_every=1, save_every=1,
        padding=round(task.padding(batch), 4),
    )  # fmt: skip
