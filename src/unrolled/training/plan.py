"""The plan: all settings that are chosen before training, and how the rest of a training is planned again.

Sizes come from a table fitted on several texts (docs/results/text.md). The measured speed times the seconds of the
budget is the number of tokens to train on; more tokens allow more units.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from unrolled.deadline import Deadline
from unrolled.errors import RunError
from unrolled.model.encoders.glimpse import GLIMPSE
from unrolled.model.nets.table import NETS
from unrolled.opening import CURE
from unrolled.registry import parse_component
from unrolled.schema import Within
from unrolled.settings import Settings

GRACE = 1.0  # seconds after a requested stop in which work in progress may finish
LEAST_END = 1.0  # seconds reserved for writing and exiting, at least,
ENDING = 0.3  # or this share of the seconds that starting took: a busy machine is slow in both
NOT_FINITE = "loss not finite"
MOST_STEPS = 1 << 24  # of all rows of an update


@dataclass(frozen=True)
class Plan(Settings):
    """The settings of training from `from_step` on. A run records every plan before it is used (plan.jsonl)."""

    model: Annotated[str, "the memory's name"]
    hidden_size: Annotated[int, "width of each layer, in units", Within(1, 65_536)]
    layers: Annotated[int, "layers", Within(1, 1024)]
    embedding_size: Annotated[int, "width of a token's embedding, in units", Within(1, 65_536)]
    batch_size: Annotated[int, "rows", Within(1, 1 << 20)]
    window: Annotated[int, "steps an update sees", Within(1, 1 << 24)]
    steps: Annotated[int, "updates in all", Within(0, 1e12)]
    learning_rate: Annotated[float, "highest learning rate", Within(0, 1)]
    matrix_learning_rate: Annotated[float, "times the rate, for the memory's matrices", Within(0, 1e6)]
    warmup: Annotated[int, "updates until the rate is reached", Within(1, 1e12)]
    dropout: Annotated[float, "share of a layer's outputs dropped", Within(0, 0.99)]
    decay: Annotated[float, "weight decay of the embedding and the output layer's matrix", Within(0, 1e3)]
    matrix_decay: Annotated[float, "weight decay of the memory's matrices", Within(0, 1e3)]
    clip: Annotated[float, "largest norm of the mean gradient", Within(1e-9, 1e12)]
    average: Annotated[float, "weight of the past in the averaged weights", Within(0, 1)]
    bptt: Annotated[str, "BPTT strategy"]
    precision: Annotated[Literal["float32", "bfloat16"], "float32, or bfloat16 for the matrix products"]
    device: Annotated[str, "cpu, cuda or mps"]
    threads: Annotated[int, "processor threads", Within(1, 1e6)]
    report_every: Annotated[int, "updates between reports", Within(1, 1e12)]
    validate_every: Annotated[int, "updates between validations, a multiple of report_every", Within(1, 1e12)]
    save_every: Annotated[int, "updates between checkpoints, a multiple of report_every", Within(1, 1e12)]
    max_updates: Annotated[
        Annotated[int, Within(0, 1e12)] | None, "maximum number of updates; spare time is left unused"
    ] = None
    padding: Annotated[Annotated[float, Within(0, 1)] | None, "share of padding in a batch"] = None
    smoothing: Annotated[float, "label smoothing, for generated texts and labels of whole images", Within(0, 1)] = 0.0
    twice: Annotated[bool, "whether an update sees each row twice, with a consistency loss"] = False
    tuned_from: Annotated[
        Annotated[float, Within(0, 1)] | None,
        "share of the schedule after which the last layers of a pretrained net in the model are trained too",
    ] = None
    validation: Annotated[int, "tokens of the validation split for each validation, at most", Within(1, 1e12)] = (
        200_000
    )
    from_step: Annotated[int, "the update from which this plan holds", Within(0, 1e12)] = 0
    progress: Annotated[float, "share of the schedule done at from_step", Within(0, 1)] = 0.0
    why: Annotated[str, "the reason for this plan"] = "start"

    @classmethod
    def from_json(cls, values: Any, source: str = "What was saved") -> Self:
        """The plan saved in `values`. Raises RunError as `Settings.from_json`, and for far too large an update."""
        plan = super().from_json(values, source)
        if plan.rows * plan.window > MOST_STEPS:
            raise RunError(
                f"{source} is damaged: an update of {plan.rows:,} rows x {plan.window:,} steps, and at most "
                f"{MOST_STEPS:,} steps in all were expected. {CURE}"
            )
        return plan

    @property
    def rows(self) -> int:
        """Rows of a batch, repeated ones included."""
        return self.batch_size * (2 if self.twice else 1)

    def line(self, parameters: int) -> str:
        """The plan in a line."""
        layers = f", {self.layers} layers of {self.hidden_size}" if self.layers > 1 else f", {self.hidden_size} wide"
        if parse_component(self.model)[0] in {*NETS, GLIMPSE}:
            layers = ""  # the net has layers of its own
        steps = f" x {self.window} steps" if layers else ""
        dropout = f", dropout {self.dropout:g}" if self.dropout else ""
        twice = " (each twice)" if self.twice else ""
        tuned = (
            "" if self.tuned_from is None else f", with the end of the pretrained net from {self.tuned_from:.0%} on"
        )
        padding = "" if self.padding is None or not layers else f", {self.padding:.0%} padding"
        return (
            f"{self.model}{layers}, {parameters:,} parameters; {self.steps:,} updates of {self.batch_size} rows"
            f"{twice}{steps}{padding}{dropout}{tuned}; {self.precision} on {self.device}, "
            f"{self.threads} {'thread' if self.threads == 1 else 'threads'}"
        )


class Clock:
    """The used and the remaining time of a budget in seconds; without a budget only the used time.

    A training has one clock, and takes the time from nowhere else.
    """

    def __init__(
        self,
        budget: float | None,
        started: float | None = None,
        used_before: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now = now
        self.budget = budget  # seconds for this session, or None
        self.used_before = used_before  # seconds that earlier commands used for this run
        self._started = now() if started is None else started
        self.startup_seconds = self.elapsed  # seconds that starting took, a measure of how busy the machine is
        self._stop: float | None = None  # time of a requested stop
        self.exit_seconds = max(LEAST_END, ENDING * self.startup_seconds)  # seconds reserved for writing and exiting

    def stop(self) -> None:
        """Requests a stop: it takes effect after the current update, or during fitting and validation after `GRACE`
        seconds."""
        self._stop = self._stop or self.now()

    @property
    def stopping(self) -> bool:
        """Whether a stop was requested."""
        return self._stop is not None

    def deadline(self) -> Deadline:
        """A deadline that leaves time to finish within the budget; infinite without one. It reacts to a stop."""
        return Deadline(None if self.budget is None else self.left - self.exit_seconds, self._is_pressing, self.now)

    def _is_pressing(self) -> bool:
        return self._stop is not None and self.now() - self._stop > GRACE

    @property
    def elapsed(self) -> float:
        """Seconds since this command started."""
        return self.now() - self._started

    @property
    def used(self) -> float:
        """Seconds that the run has used, earlier commands included."""
        return self.used_before + self.elapsed

    @property
    def left(self) -> float:
        """Seconds left of this command's budget; infinite without one."""
        return float("inf") if self.budget is None else self.budget - self.elapsed


def progress_at(plan: Plan, step: int) -> float:
    """The share of the schedule done before update `step`, 0 to 1: linear from `plan.progress` to 1."""
    updates = max(1, plan.steps - plan.from_step)
    return min(1.0, plan.progress + (1.0 - plan.progress) * (step - plan.from_step) / updates)


def rate_at(plan: Plan, step: int) -> float:
    """The learning rate of update `step`: linear warm-up, then linear decay to 0 at the plan's end."""
    return plan.learning_rate * min(1.0, (step + 1) / plan.warmup) * (1.0 - progress_at(plan, step))


def is_tuned(plan: Plan, step: int) -> bool:
    """Whether update `step` also trains the last layers of a pretrained net in the model."""
    return plan.tuned_from is not None and progress_at(plan, step) >= plan.tuned_from


def plan_at(plans: Sequence[Plan], step: int) -> Plan:
    """The plan in force at update `step`: the last recorded one whose `from_step` is not later."""
    return next(plan for plan in reversed(plans) if plan.from_step <= step)


def replan(plan: Plan, step: int, steps: int, why: str) -> Plan:
    """The plan from update `step` on, with `steps` updates in all."""
    return replace(plan, steps=max(step, steps), from_step=step, progress=progress_at(plan, step), why=why)


def lower_rate(plan: Plan, step: int, factor: float = 0.5) -> Plan:
    """The plan from update `step` on at a lower learning rate, after a loss that was not finite."""
    progress = progress_at(plan, step)
    return replace(plan, learning_rate=plan.learning_rate * factor, from_step=step, progress=progress, why=NOT_FINITE)


def next_session(plan: Plan, step: int, steps: int) -> Plan:
    """The plan of a finished run's next session: the schedule restarts at update `step`, at half the rate, up to
    `steps` updates in all."""
    return replace(plan, steps=steps, from_step=step, progress=0.5, why="next session", max_updates=None)
