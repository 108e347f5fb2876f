"""The plan: all that is decided before training, and how what is left of it is planned again.

Sizes come from a table fitted on several texts (docs/results/text.md): the speed of this machine on this data's
shapes, times the seconds there are, is the number of symbols that can be read; more of them want more units.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from unrolled.deadline import Deadline
from unrolled.errors import RunError
from unrolled.opening import CURE
from unrolled.schema import Within
from unrolled.settings import Settings

GRACE = 1.0  # seconds after a stop was asked for in which what is under way may come to its end
LEAST_END = 1.0  # seconds that are kept for writing and leaving, whatever happens,
ENDING = 0.3  # or this share of what getting to work took: a busy machine is slow in both
NOT_FINITE = "loss not finite"
MOST_STEPS = 1 << 24  # of all rows of an update


@dataclass(frozen=True)
class Plan(Settings):
    """What training does, from `from_step` on. A run records every plan before it is used (plan.jsonl)."""

    model: Annotated[str, "the memory's name"]
    size: Annotated[int, "width of each layer, in units", Within(1, 65_536)]
    depth: Annotated[int, "layers", Within(1, 1024)]
    embed: Annotated[int, "width of a symbol's embedding, in units", Within(1, 65_536)]
    batch: Annotated[int, "rows", Within(1, 1 << 20)]
    window: Annotated[int, "steps an update sees", Within(1, 1 << 24)]
    steps: Annotated[int, "updates in all", Within(0, 1e12)]
    rate: Annotated[float, "highest learning rate", Within(0, 1)]
    matrix_rate: Annotated[float, "times the rate, for the memory's matrices", Within(0, 1e6)]
    warmup: Annotated[int, "updates until the rate is reached", Within(1, 1e12)]
    dropout: Annotated[float, "share of a layer's outputs dropped", Within(0, 0.99)]
    decay: Annotated[float, "weight decay of the embedding and the output layer's matrix", Within(0, 1e3)]
    matrix_decay: Annotated[float, "weight decay of the memory's matrices", Within(0, 1e3)]
    clip: Annotated[float, "largest norm of the mean gradient", Within(1e-9, 1e12)]
    average: Annotated[float, "weight of the past in the averaged weights", Within(0, 1)]
    gradient: Annotated[str, "how the loss is carried back"]
    precision: Annotated[Literal["float32", "bfloat16"], "float32, or bfloat16 for the matrix products"]
    device: Annotated[str, "cpu, cuda or mps"]
    threads: Annotated[int, "processor threads", Within(1, 1e6)]
    report_every: Annotated[int, "updates between reports", Within(1, 1e12)]
    validate_every: Annotated[int, "updates between validations, a multiple of report_every", Within(1, 1e12)]
    save_every: Annotated[int, "updates between checkpoints, a multiple of report_every", Within(1, 1e12)]
    most: Annotated[
        Annotated[int, Within(0, 1e12)] | None, "updates that serve: what a budget has beyond them is not spent"
    ] = None
    padding: Annotated[Annotated[float, Within(0, 1)] | None, "share of what is read that only fills rows up"] = None
    smoothing: Annotated[
        float, "share of a symbol's weight that is spread over all, of texts about rows", Within(0, 1)
    ] = 0.0
    twice: Annotated[bool, "whether an update reads each row twice, and is to say the same of it"] = False
    validation: Annotated[int, "symbols of the validation part that are read each time, at most", Within(1, 1e12)] = (
        200_000
    )
    from_step: Annotated[int, "the update from which this plan holds", Within(0, 1e12)] = 0
    progress: Annotated[float, "share of the schedule that was done at from_step", Within(0, 1)] = 0.0
    why: Annotated[str, "what made it"] = "start"

    @classmethod
    def from_json(cls, values: Any, source: str = "What was saved") -> Self:
        """The plan saved in `values`. Raises RunError as `Settings.from_json`, and for an update past all sense."""
        plan = super().from_json(values, source)
        if plan.rows * plan.window > MOST_STEPS:
            raise RunError(
                f"{source} is damaged: an update of {plan.rows:,} rows x {plan.window:,} steps, and at most "
                f"{MOST_STEPS:,} steps in all were expected. {CURE}"
            )
        return plan

    @property
    def rows(self) -> int:
        """Rows that an update reads side by side."""
        return self.batch * (2 if self.twice else 1)

    def line(self, parameters: int) -> str:
        """The plan in a line."""
        layers = f"{self.depth} layers of {self.size}" if self.depth > 1 else f"{self.size} wide"
        dropout = f", dropout {self.dropout:g}" if self.dropout else ""
        twice = " (each twice)" if self.twice else ""
        padding = "" if self.padding is None else f", {self.padding:.0%} padding"
        return (
            f"{self.model}, {layers}, {parameters:,} parameters; {self.steps:,} updates of {self.batch} rows{twice} "
            f"x {self.window} steps{padding}{dropout}; {self.precision} on {self.device}, {self.threads} threads"
        )


class Clock:
    """How much of a budget in seconds is used; with no budget it only tells the time used.

    A training has one, and asks no other for the time.
    """

    def __init__(
        self,
        budget: float | None,
        started: float | None = None,
        used_before: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now = now
        self.budget = budget  # seconds for this leg, or None
        self.used_before = used_before  # seconds that earlier sittings of this run took
        self._started = now() if started is None else started
        self.starting = self.sitting  # seconds that getting to work took, which tell how busy the machine is
        self._stop: float | None = None  # when a stop was asked for
        self.ending = max(LEAST_END, ENDING * self.starting)  # seconds kept for writing and leaving

    def stop(self) -> None:
        """Asks for a stop: between two updates at once, within what is fitted or validated after `GRACE` seconds."""
        self._stop = self._stop or self.now()

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop is not None

    def deadline(self) -> Deadline:
        """One that leaves time to end before the budget is over; endless without one. A stop is seen by it."""
        return Deadline(None if self.budget is None else self.left - self.ending, self._is_pressing, self.now)

    def _is_pressing(self) -> bool:
        return self._stop is not None and self.now() - self._stop > GRACE

    @property
    def sitting(self) -> float:
        """Seconds since this command started."""
        return self.now() - self._started

    @property
    def used(self) -> float:
        """Seconds that the run has taken, earlier sittings included."""
        return self.used_before + self.sitting

    @property
    def left(self) -> float:
        """Seconds of this command's budget that are left; endless without one."""
        return float("inf") if self.budget is None else self.budget - self.sitting


def progress_at(plan: Plan, step: int) -> float:
    """The share of the schedule done before update `step`, 0 to 1: straight from what was done to the end."""
    ahead = max(1, plan.steps - plan.from_step)
    return min(1.0, plan.progress + (1.0 - plan.progress) * (step - plan.from_step) / ahead)


def rate_at(plan: Plan, step: int) -> float:
    """The learning rate of update `step`: linear warm-up, then linear decay to nothing at the plan's end."""
    return plan.rate * min(1.0, (step + 1) / plan.warmup) * (1.0 - progress_at(plan, step))


def plan_at(plans: Sequence[Plan], step: int) -> Plan:
    """The plan in force at update `step`: of those that hold there, the one recorded last."""
    return next(plan for plan in reversed(plans) if plan.from_step <= step)


def replan(plan: Plan, step: int, steps: int, why: str) -> Plan:
    """The same plan from update `step` on, with another number of updates in all."""
    return replace(plan, steps=max(step, steps), from_step=step, progress=progress_at(plan, step), why=why)


def lower_rate(plan: Plan, step: int, factor: float = 0.5) -> Plan:
    """The same plan from update `step` on at a lower rate, after a loss that was not finite."""
    progress = progress_at(plan, step)
    return replace(plan, rate=plan.rate * factor, from_step=step, progress=progress, why=NOT_FINITE)


def second_leg(plan: Plan, step: int, steps: int) -> Plan:
    """A finished run's next leg: the schedule anew from update `step`, at half the rate, to `steps` in all."""
    return replace(plan, steps=steps, from_step=step, progress=0.5, why="second leg", most=None)
