"""Plans for examples: rows with targets, trained on for many epochs.

A model soon overfits few rows, so a training has a fixed number of epochs, or fewer where the budget is shorter;
spare time is left unused. Sizes and epochs are from docs/results/tables.md, except for seq2seq, where they are the
field's usual ones for as many rows (docs/tables.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from unrolled.data.modalities.base import Recipe
from unrolled.memory import in_blocks
from unrolled.memory.attention import HEAD
from unrolled.options import TrainSettings
from unrolled.training.measure import UPDATES, Rehearsal, fastest_threads, has_fast_bfloat16, seconds_per_update
from unrolled.training.plan import Plan
from unrolled.training.planning import (
    LEAST_VALIDATED,
    MEASURING_SHARE,
    gains_by_bfloat16,
    time_steps,
    validation_items,
)

LEAST_ROWS = 100  # for each validation, however few updates there are
REPORTS, VALIDATIONS = 60, 20  # per training, about
SAVE_SECONDS = 20.0  # between checkpoints, about


TAGGING = Recipe(256, 1, 128, 32, 3e-3, 0.4, 20)
"""Where each step has a target."""

SEQ2SEQ_RECIPES = {
    "few": Recipe(128, 1, 128, 32, 5e-3, 0.3, 100, 0.1),
    "subwords": Recipe(256, 1, 256, 64, 3e-3, 0.3, 30, 0.1, matrix_learning_rate=7.0, blocks_rate=4 / 3),
    "letters": Recipe(256, 1, 256, 64, 4e-3, 0.2, 30, 0.05, matrix_learning_rate=5.0),
}
"""For seq2seq: for few rows, else by the kind of target tokens."""
FEW_ROWS = 5_000
BLOCKS = 3  # layers of an encoder-decoder in blocks, for many rows
TUNED_FROM = 0.7  # share of the schedule after which the end of a pretrained net is trained too
MOST_FITS = 1 << 24  # numbers that attention holds at once: rows x tokens x steps, times units or heads


@dataclass(frozen=True)
class TableSize:
    """The properties of the examples that a plan depends on."""

    rows: int  # of the training split
    steps: float  # mean steps of a row
    recipe: Recipe
    rehearsal: Rehearsal  # a batch of its own rows
    padding: Callable[[int], float]  # rows of a batch -> share of padding
    embedding_size: int | None = None  # width of the embedding of the run to start from
    target_tokens: float | None = None  # seq2seq: mean tokens of a target text
    fine_tune: str = "no"  # seq2seq: whether the end of a pretrained net is trained too: yes, no or auto
    additive: bool = False  # seq2seq: whether attention is additive, which holds all units for a token and a step

    def recipe_for(self, model: str) -> Recipe:
        """The recipe for a model; for seq2seq, memories in blocks get more layers and another learning rate."""
        if self.target_tokens is None or not in_blocks(model):
            return self.recipe
        layers = 2 if self.rows < FEW_ROWS else BLOCKS
        return self.recipe._replace(layers=layers, learning_rate=self.recipe.learning_rate * self.recipe.blocks_rate)


def seq2seq_recipe(rows: int, in_words: bool) -> Recipe:
    """The recipe of an encoder-decoder for so many rows. in_words: target tokens are words or subwords."""
    return SEQ2SEQ_RECIPES["few" if rows < FEW_ROWS else "subwords" if in_words else "letters"]


def plan_row_steps(settings: TrainSettings, task: TableSize, device: str, threads: int) -> Plan:
    """The plan for `--steps N`: it depends only on the data and N, never on the clock or the machine's speed."""
    steps = settings.steps or 1
    report = max(1, steps // REPORTS)
    validations = max(1, steps // VALIDATIONS // report)
    plan = time_steps(shape_rows(settings, task, device, threads), steps, report, validations, validations)
    if task.target_tokens is not None:
        return replace(
            plan, validation=validation_items(plan, round(plan.batch_size * task.target_tokens), LEAST_VALIDATED)
        )
    return replace(plan, validation=validation_items(plan, plan.batch_size, LEAST_ROWS))


def plan_row_minutes(settings: TrainSettings, task: TableSize, device: str, threads: int, seconds: float) -> Plan:
    """The plan for a budget: the recipe's epochs, or as many as fit into `seconds` of updates and validations."""
    plan = shape_rows(settings, task, device, threads)
    if settings.threads is None and device == "cpu":
        plan = replace(plan, threads=fastest_threads(plan, task.rehearsal, seconds))
    pace = seconds_per_update(plan, task.rehearsal, MEASURING_SHARE * seconds)
    wanted = int(task.recipe_for(plan.model).epochs * task.rows / plan.batch_size)
    if plan.twice and wanted * pace > seconds:
        plan = replace(plan, twice=False)
        slow = UPDATES * pace > MEASURING_SHARE * seconds  # then there is no time to measure again
        pace = pace / 2 if slow else seconds_per_update(plan, task.rehearsal, MEASURING_SHARE * seconds)
    if task.fine_tune == "auto":
        slower = seconds_per_update(replace(plan, tuned_from=0.0), task.rehearsal, MEASURING_SHARE * seconds)
        if wanted * slower <= seconds:
            plan, pace = replace(plan, tuned_from=TUNED_FROM), slower
    plan = replace(plan, max_updates=max(1, wanted))
    steps = max(1, min(wanted, int(seconds / pace)))
    report = max(1, round(min(1.5, seconds / REPORTS) / pace))
    validations = max(1, round(steps / VALIDATIONS / report))
    saves = max(1, round(min(SAVE_SECONDS, seconds / 5) / pace / report))
    return time_steps(plan, steps, report, validations, saves)


def shape_rows(settings: TrainSettings, task: TableSize, device: str, threads: int) -> Plan:
    """The plan without its number of updates."""
    model = settings.net_name
    recipe = task.recipe_for(model)
    bfloat16 = device == "cuda" or (device == "cpu" and gains_by_bfloat16(model) and has_fast_bfloat16())
    batch, size, embed = (
        settings.batch_size or recipe.batch_size,
        settings.hidden_size or recipe.hidden_size,
        recipe.embedding_size,
    )
    dropout = recipe.dropout if settings.dropout is None else settings.dropout
    if task.target_tokens is not None:
        embed = size  # embedding and output layer share one matrix
        fits = int(MOST_FITS / max(1.0, task.steps * task.target_tokens * (size if task.additive else size / HEAD)))
        batch = settings.batch_size or max(1, min(batch, fits))
    return Plan(
        model=model, hidden_size=size, layers=settings.layers or recipe.layers,
        embedding_size=task.embedding_size or embed,
        batch_size=batch, window=round(task.steps if task.target_tokens is None else task.target_tokens), steps=1,
        learning_rate=settings.learning_rate or recipe.learning_rate,
        matrix_learning_rate=recipe.matrix_learning_rate, warmup=1,
        dropout=dropout, decay=0.01, matrix_decay=0.1,
        clip=1.0, average=0.99, bptt=settings.bptt, precision="bfloat16" if bfloat16 else "float32",
        device=device, threads=threads, report_every=1, validate_every=1, save_every=1,
        padding=round(task.padding(batch), 4), smoothing=recipe.smoothing, twice=recipe.twice and dropout > 0,
        tuned_from=TUNED_FROM if task.fine_tune == "yes" else None,
    )  # fmt: skip
