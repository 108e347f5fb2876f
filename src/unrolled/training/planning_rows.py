"""From a budget to a plan for examples: rows with answers, which are read many times over.

Few rows are soon learnt by heart, so a training is as long as so many readings of them take, or as the budget, if
that is shorter; what is left of it is not spent. Sizes and readings are from docs/results/tables.md, but those
of texts that are written about rows, which are what the field takes for as many rows (docs/answers.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from unrolled.memory import in_blocks
from unrolled.options import DEFAULT_MODEL, TrainSettings
from unrolled.training.measure import UPDATES, Rehearsal, fastest_threads, has_fast_bfloat16, seconds_an_update
from unrolled.training.plan import Plan
from unrolled.training.planning import LEAST_VALIDATED, LOOKING, gains_by_bfloat16, time_steps, validated

LEAST_ROWS = 100  # that are validated on each time, however few updates there are
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
    smoothing: float = 0.0  # of the texts that are written
    twice: bool = False  # whether rows are read twice in an update, where there is time for it
    matrix_rate: float = 3.75  # times the rate
    blocks_rate: float = 0.5  # times the rate, of what stands in blocks


RECIPES = {
    "symbols": Recipe(256, 2, 64, 64, 8e-3, 0.35, 60),
    "words": Recipe(128, 1, 128, 64, 3e-3, 0.4, 10, twice=True),  # with a vector each, rows are soon learnt by heart
    "tags": Recipe(256, 1, 128, 32, 3e-3, 0.4, 20),  # an answer a step
    "vectors": Recipe(128, 1, 64, 64, 5e-3, 0.1, 60),
    "sound": Recipe(128, 1, 128, 32, 3e-3, 0.3, 60),
    "rows": Recipe(128, 1, 128, 64, 3e-3, 0.2, 12),  # of a picture
    "patches": Recipe(128, 2, 128, 64, 3e-3, 0.1, 12),
}
"""By what a step is."""


WRITING = {
    "few": Recipe(128, 1, 128, 32, 5e-3, 0.3, 100, 0.1),
    "pieces": Recipe(256, 1, 256, 64, 3e-3, 0.3, 30, 0.1, matrix_rate=7.0, blocks_rate=4 / 3),
    "letters": Recipe(256, 1, 256, 64, 4e-3, 0.2, 30, 0.05, matrix_rate=5.0),
}
"""Of texts about rows: of few rows, else by what is written."""
FEW_ROWS = 5_000
BLOCKS = 3  # of a writer that stands in blocks, where there are many rows
MOST_FITS = 1 << 24  # numbers that an additive reader holds at once: rows x symbols x steps x units


@dataclass(frozen=True)
class RowTask:
    """What of the examples a plan depends on."""

    rows: int  # of the training part
    steps: float  # of a row, on average
    kind: str  # of its recipe
    rehearsal: Rehearsal  # a batch of its own rows
    padding: Callable[[int], float]  # rows of a batch -> share of what is read that is padding
    embed: int | None = None  # of the run whose weights are the start
    written: float | None = None  # symbols of a row's text, on average, where texts are written

    def recipe(self, model: str) -> Recipe:
        """What serves: for texts that are written, more layers of what stands in blocks, at a rate of its own."""
        if self.written is None:
            return RECIPES[self.kind]
        few = self.rows < FEW_ROWS
        found = WRITING["few" if few else self.kind]
        if in_blocks(model):
            found = found._replace(depth=2 if few else BLOCKS, rate=found.rate * found.blocks_rate)
        return found


def plan_row_steps(settings: TrainSettings, task: RowTask, device: str, threads: int) -> Plan:
    """The plan for `--steps N`: it depends on the data and N alone, never on the clock or the machine's speed."""
    steps = settings.steps or 1
    report = max(1, steps // REPORTS)
    validations = max(1, steps // VALIDATIONS // report)
    plan = time_steps(shape_rows(settings, task, device, threads), steps, report, validations, validations)
    if task.written is not None:
        return replace(plan, validation=validated(plan, round(plan.batch * task.written), LEAST_VALIDATED))
    return replace(plan, validation=validated(plan, plan.batch, LEAST_ROWS))


def plan_row_minutes(settings: TrainSettings, task: RowTask, device: str, threads: int, seconds: float) -> Plan:
    """The plan for a budget: as many readings as serve, or as fit into `seconds` of updates and validations."""
    plan = shape_rows(settings, task, device, threads)
    if settings.threads is None and device == "cpu":
        plan = replace(plan, threads=fastest_threads(plan, task.rehearsal, seconds))
    pace = seconds_an_update(plan, task.rehearsal, LOOKING * seconds)
    wanted = int(task.recipe(plan.model).readings * task.rows / plan.batch)
    if plan.twice and wanted * pace > seconds:
        plan = replace(plan, twice=False)
        slow = UPDATES * pace > LOOKING * seconds  # then there is no time to look again
        pace = pace / 2 if slow else seconds_an_update(plan, task.rehearsal, LOOKING * seconds)
    plan = replace(plan, most=max(1, wanted))
    steps = max(1, min(wanted, int(seconds / pace)))
    report = max(1, round(min(1.5, seconds / REPORTS) / pace))
    validations = max(1, round(steps / VALIDATIONS / report))
    saves = max(1, round(min(SAVE_SECONDS, seconds / 5) / pace / report))
    return time_steps(plan, steps, report, validations, saves)


def shape_rows(settings: TrainSettings, task: RowTask, device: str, threads: int) -> Plan:
    """Everything but the steps."""
    model = settings.model or DEFAULT_MODEL
    recipe = task.recipe(model)
    bfloat16 = device == "cuda" or (device == "cpu" and gains_by_bfloat16(model) and has_fast_bfloat16())
    batch, size, embed = settings.batch or recipe.batch, settings.size or recipe.size, recipe.embed
    dropout = recipe.dropout if settings.dropout is None else settings.dropout
    if task.written is not None:
        embed = size  # symbols are read and written by one matrix
        fits = int(MOST_FITS / max(1.0, task.steps * task.written * size))
        batch = settings.batch or max(1, min(batch, fits))
    return Plan(
        model=model, size=size, depth=settings.depth or recipe.depth, embed=task.embed or embed,
        batch=batch, window=round(task.steps if task.written is None else task.written), steps=1,
        rate=settings.rate or recipe.rate, matrix_rate=recipe.matrix_rate, warmup=1,
        dropout=dropout, decay=0.01, matrix_decay=0.1,
        clip=1.0, average=0.99, gradient=settings.gradient, precision="bfloat16" if bfloat16 else "float32",
        device=device, threads=threads, report_every=1, validate_every=1, save_every=1,
        padding=round(task.padding(batch), 4), smoothing=recipe.smoothing, twice=recipe.twice and dropout > 0,
    )  # fmt: skip
