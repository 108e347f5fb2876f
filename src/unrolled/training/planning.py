"""From a budget to a plan: sizes from a table fitted on several texts (docs/results.md), times from this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from unrolled.settings import TrainSettings
from unrolled.training.measure import fastest_threads, has_fast_bfloat16, seconds_an_update
from unrolled.training.plan import Plan

SIZES = (64, 128, 192, 256, 384, 512)
WINDOW, BATCH, EMBED = 64, 32, 64
PROBED_SIZE = 256  # units with which numbers of threads are compared
LOOKING = 0.03  # of the time, at most, for trying sizes
REPORTS = 60  # a training, about
VALIDATIONS = 10  # a training, about
SAVE_SECONDS = 20.0  # between checkpoints, about
SYMBOLS_A_UNIT = 5_000  # symbols to be read for every unit of width


@dataclass(frozen=True)
class Task:
    """What of the data a plan depends on."""

    symbols: int  # V
    training: int  # targets of the training part
    document: float  # targets of a document, on average


def plan_steps(settings: TrainSettings, task: Task, device: str, threads: int) -> Plan:
    """The plan for `--steps N`: it depends on the data and N alone, never on the clock or the machine's speed."""
    steps = settings.steps or 1
    window, batch = settings.window or window_for(task), settings.batch or batch_for(task)
    read = steps * window * batch
    size = max((size for size in SIZES if size * SYMBOLS_A_UNIT <= read), default=SIZES[0])
    plan = shape(settings, task, device, threads, settings.size or size, read)
    report = max(1, steps // REPORTS)
    validations = max(1, steps // VALIDATIONS // report)
    return time_steps(plan, steps, report, validations, validations)


def plan_minutes(settings: TrainSettings, task: Task, device: str, threads: int, seconds: float) -> Plan:
    """The plan for a budget: `seconds` are what is left for updates and validations.

    Sizes are tried from the smallest up, each for a few updates, until one would read too little in the time.
    `threads` are at most as many as are used, and where they were not asked for, fewer if these are faster.
    """
    if settings.threads is None and device == "cpu":
        probe = shape(settings, task, device, threads, settings.size or PROBED_SIZE, task.training)
        threads = fastest_threads(probe, task.symbols)
    sizes = (settings.size,) if settings.size else SIZES
    chosen, pace = measured(settings, task, device, threads, sizes[0], seconds)
    until = time.monotonic() + LOOKING * seconds
    for size in sizes[1:]:
        if time.monotonic() > until:
            break
        larger, larger_pace = measured(settings, task, device, threads, size, seconds)
        if seconds / larger_pace * larger.batch * larger.window < size * SYMBOLS_A_UNIT:
            break
        chosen, pace = larger, larger_pace
    steps = max(1, int(seconds / pace))
    report = max(1, round(min(1.5, seconds / REPORTS) / pace))
    validations = max(1, round(steps / VALIDATIONS / report))
    saves = max(1, round(min(SAVE_SECONDS, seconds / 5) / pace / report))
    return time_steps(chosen, steps, report, validations, saves)


def measured(
    settings: TrainSettings, task: Task, device: str, threads: int, size: int, seconds: float
) -> tuple[Plan, float]:
    """The plan of a size, and the seconds that an update of it takes here."""
    pace = seconds_an_update(shape(settings, task, device, threads, size, task.training), task.symbols)
    batch, window = settings.batch or batch_for(task), settings.window or window_for(task)
    return shape(settings, task, device, threads, size, int(seconds / pace) * batch * window), pace


def window_for(task: Task) -> int:
    """Steps an update sees: shorter where documents are."""
    return max(8, min(WINDOW, int(task.document)))


def batch_for(task: Task) -> int:
    """Rows: more where documents are short, so that an update sees about as many symbols."""
    return min(8 * BATCH, BATCH * WINDOW // window_for(task))


def shape(settings: TrainSettings, task: Task, device: str, threads: int, size: int, read: int) -> Plan:
    """Everything but the steps, for a training that reads `read` symbols."""
    epochs = read / max(1, task.training)
    dropout = dropout_for(epochs, size) if settings.dropout is None else settings.dropout
    bfloat16 = device == "cuda" or (device == "cpu" and settings.model == "lstm" and has_fast_bfloat16())
    return Plan(
        model=settings.model, size=size, depth=settings.depth or 1, embed=min(EMBED, max(16, task.symbols)),
        batch=settings.batch or batch_for(task), window=settings.window or window_for(task), steps=1,
        rate=settings.rate or 8e-3, matrix_rate=3.75, warmup=1, dropout=dropout, decay=0.01, clip=1.0,
        average=0.99, gradient=settings.gradient, precision="bfloat16" if bfloat16 else "float32",
        device=device, threads=threads, report_every=1, validate_every=1, save_every=1,
    )  # fmt: skip


def dropout_for(epochs: float, size: int) -> float:
    """More where the same text is read more often by a larger model."""
    if epochs < 3:
        return 0.0
    return 0.1 if epochs < 5 else 0.2 if epochs < 8 else 0.35


def time_steps(plan: Plan, steps: int, report_every: int, validations: int, saves: int) -> Plan:
    """The plan with its number of updates, and what falls on multiples of them."""
    return replace(
        plan, steps=steps, warmup=max(10, steps // 50), report_every=report_every,
        validate_every=report_every * validations, save_every=report_every * saves,
    )  # fmt: skip
