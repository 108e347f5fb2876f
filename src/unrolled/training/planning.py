"""Plans for language models: sizes from a table fitted on texts (docs/results/text.md), speed from this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from unrolled.memory import IN_BLOCKS, in_blocks
from unrolled.model.nets.table import NETS
from unrolled.options import DEFAULT_MODEL, LanguageModelingSettings
from unrolled.registry import parse_component
from unrolled.training.measure import fastest_threads, has_fast_bfloat16, rehearse_language, seconds_per_update
from unrolled.training.plan import Plan

SIZES = ((64, 1), (128, 1), (192, 1), (256, 1), (256, 2), (384, 2), (512, 2))  # units in a layer, and layers
BLOCK_SIZES = ((64, 2), (96, 3), (128, 4), (192, 4), (256, 4), (256, 6), (384, 6))  # of memories in blocks
WINDOW, BATCH, EMBED = 64, 32, 64
PROBED_SIZE = 256  # units of the model by which numbers of threads are compared
MEASURING_SHARE = 0.03  # share of the time, at most, for trying sizes
REPORTS = 60  # per training, about
VALIDATIONS = 10  # per training, about
VALIDATED, LEAST_VALIDATED = 0.1, 1_000  # all validations as a share of training; tokens per validation, at least
SAVE_SECONDS = 20.0  # between checkpoints, about
TOKENS_PER_UNIT = 4_000  # training tokens per unit, with the units of all layers counted


@dataclass(frozen=True)
class TextSize:
    """The properties of the data that a plan depends on."""

    tokens: int  # V, the size of the vocabulary
    training: int  # targets of the training split
    document: float  # mean targets of a document


def plan_steps(settings: LanguageModelingSettings, text: TextSize, device: str, threads: int) -> Plan:
    """The plan for `--steps N`: it depends only on the data and N, never on the clock or the machine's speed."""
    steps = settings.steps or 1
    window, batch = settings.window or window_for(text), settings.batch_size or batch_for(text)
    tokens_seen = steps * window * batch
    sizes = sizes_for(settings)
    size, depth = next((s for s in reversed(sizes) if has_enough_tokens(s, tokens_seen)), sizes[0])
    plan = plan_of_size(settings, text, device, threads, size, depth, tokens_seen)
    report = max(1, steps // REPORTS)
    validations = max(1, steps // VALIDATIONS // report)
    plan = time_steps(plan, steps, report, validations, validations)
    return replace(plan, validation=validation_items(plan, window * batch, LEAST_VALIDATED))


def validation_items(plan: Plan, items_per_update: int, least: int) -> int:
    """Items of the validation split for each validation, so that all validations together use a tenth of the items
    of training, but at least `least`, to find the best weights."""
    times = 2 + plan.steps // plan.validate_every  # the first, the last and those between
    return max(least, min(plan.validation, int(VALIDATED * items_per_update * plan.steps / times)))


def plan_minutes(
    settings: LanguageModelingSettings, text: TextSize, device: str, threads: int, seconds: float
) -> Plan:
    """The plan for a budget: `seconds` is the time for updates and validations.

    Sizes are tried from the smallest up, each for a few updates, until one would see too few tokens in the time.
    `threads`: the maximum; without `--threads`, fewer are used where that is faster.
    """
    if settings.threads is None and device == "cpu":
        probe = plan_of_size(settings, text, device, threads, settings.hidden_size or PROBED_SIZE, 1, text.training)
        threads = fastest_threads(probe, rehearse_language(text.tokens), seconds)
    (size, depth), *larger = sizes_for(settings)
    chosen, pace = measure_plan(settings, text, device, threads, size, depth, seconds)
    until = time.monotonic() + MEASURING_SHARE * seconds
    for size, depth in larger:
        if time.monotonic() > until:
            break
        plan, plan_pace = measure_plan(settings, text, device, threads, size, depth, seconds)
        if not has_enough_tokens((size, depth), int(seconds / plan_pace) * plan.batch_size * plan.window):
            break
        chosen, pace = plan, plan_pace
    steps = max(1, int(seconds / pace))
    report = max(1, round(min(1.5, seconds / REPORTS) / pace))
    validations = max(1, round(steps / VALIDATIONS / report))
    saves = max(1, round(min(SAVE_SECONDS, seconds / 5) / pace / report))
    return time_steps(chosen, steps, report, validations, saves)


def measure_plan(
    settings: LanguageModelingSettings,
    text: TextSize,
    device: str,
    threads: int,
    size: int,
    depth: int,
    seconds: float,
) -> tuple[Plan, float]:
    """The plan for a size and depth, and the seconds of an update of it on this machine."""
    plan = plan_of_size(settings, text, device, threads, size, depth, text.training)
    pace = seconds_per_update(plan, rehearse_language(text.tokens), MEASURING_SHARE * seconds)
    tokens_seen = int(seconds / pace) * plan.batch_size * plan.window
    return plan_of_size(settings, text, device, threads, size, depth, tokens_seen), pace


def sizes_for(settings: LanguageModelingSettings) -> list[tuple[int, int]]:
    """(units, layers) to choose from, the smallest first; a requested size or depth is the same in all."""
    table = BLOCK_SIZES if in_blocks(settings.model or DEFAULT_MODEL) else SIZES
    return list(dict.fromkeys((settings.hidden_size or size, settings.layers or depth) for size, depth in table))


def has_enough_tokens(units_and_layers: tuple[int, int], tokens_seen: int) -> bool:
    """Whether `tokens_seen` training tokens are enough for a model of these (units, layers)."""
    size, depth = units_and_layers
    return size * depth * TOKENS_PER_UNIT <= tokens_seen


def window_for(text: TextSize) -> int:
    """Steps of an update's window: fewer where documents are short."""
    return max(8, min(WINDOW, int(text.document)))


def batch_for(text: TextSize) -> int:
    """Rows of a batch: more where documents are short, so that an update sees about as many tokens."""
    return min(8 * BATCH, BATCH * WINDOW // window_for(text))


def plan_of_size(
    settings: LanguageModelingSettings,
    text: TextSize,
    device: str,
    threads: int,
    size: int,
    depth: int,
    tokens_seen: int,
) -> Plan:
    """The plan without its number of updates, for a training on `tokens_seen` tokens."""
    model, epochs = settings.model or DEFAULT_MODEL, tokens_seen / max(1, text.training)
    dropout = dropout_for(epochs) if settings.dropout is None else settings.dropout
    bfloat16 = device == "cuda" or (device == "cpu" and gains_by_bfloat16(model) and has_fast_bfloat16())
    return Plan(
        model=model, hidden_size=size, layers=depth, embedding_size=min(EMBED, max(16, text.tokens)),
        batch_size=settings.batch_size or batch_for(text), window=settings.window or window_for(text), steps=1,
        learning_rate=settings.learning_rate or 8e-3, matrix_learning_rate=3.75, warmup=1, dropout=dropout,
        decay=0.01, matrix_decay=0.1,
        clip=1.0, average=0.99, bptt=settings.bptt, precision="bfloat16" if bfloat16 else "float32",
        device=device, threads=threads, report_every=1, validate_every=1, save_every=1,
    )  # fmt: skip


def gains_by_bfloat16(model: str) -> bool:
    """Whether bfloat16 products make all layers of a model faster on a CPU, with their states still in float32."""
    return all(parse_component(name)[0] in ("lstm", *IN_BLOCKS, *NETS) for name in model.split("/"))


def dropout_for(epochs: float) -> float:
    """The dropout for a number of epochs: more for more epochs."""
    if epochs < 3:
        return 0.0
    if epochs < 5:
        return 0.1
    return 0.2 if epochs < 12 else 0.35


def time_steps(plan: Plan, steps: int, report_every: int, validations: int, saves: int) -> Plan:
    """The plan with its number of updates, warm-up, and intervals of reports, validations and checkpoints."""
    return replace(
        plan, steps=steps, warmup=max(10, steps // 50), report_every=report_every,
        validate_every=report_every * validations, save_every=report_every * saves,
    )  # fmt: skip
