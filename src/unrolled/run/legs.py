"""What a training goes on from: a run's legs and what is left of them, its plans, another run's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from unrolled.errors import RunError
from unrolled.run.folder import RunFolder
from unrolled.threads import threads_for
from unrolled.training.plan import Plan, replan, second_leg

GUESSED_PACE = 0.1  # seconds an update, where nothing was measured yet


@dataclass(frozen=True)
class Leg:
    """One budget of a run: the first is its `train`'s, each later one a `resume` with a new budget (run.json)."""

    minutes: float | None  # None: so many updates, or a recorded plan
    steps: int | None
    used: float = 0.0  # seconds that the run had taken when this leg began

    def seconds_left(self, used: float) -> float | None:
        """Seconds of this leg that are left once the run has taken `used`, 1 at least; None without a clock."""
        return None if self.minutes is None else max(1.0, 60 * self.minutes - (used - self.used))

    def plan(
        self, plan: Plan, step: int, seconds: float, reports: Sequence[Mapping[str, Any]], finished: bool
    ) -> Plan:
        """The plan from update `step` on: after the schedule's end it begins anew, before it the rest is stretched.

        reports: those so far, as log.jsonl has them, which tell how many updates fit into `seconds`.
        """
        pace = pace_of(reports)
        steps = step + (self.steps or max(1, int(seconds / pace)))
        if finished:
            return second_leg(plan, step, steps)
        return replan(plan, step, steps if plan.most is None else min(steps, plan.most), "resumed")


def pace_of(reports: Sequence[Mapping[str, Any]]) -> float:
    """Seconds an update, by the newest report with a speed. What it counts, symbols, rows or steps, it counts for the
    speed and for all updates alike, so that it falls out."""
    for report in reversed(reports):
        step, read, speed = (report.get(name) or 0 for name in ("step", "symbols", "symbols_a_second"))
        if min(step, read, speed) > 0:
            return float(read / step / speed)
    return GUESSED_PACE


def recorded_plans(folder: RunFolder, **changes: Any) -> list[Plan]:
    """The plans of a run, in the order in which they were made, but for `changes`; never on more threads than there
    are cores. Raises RunError where there is none."""
    plans = [Plan.from_json({k: v for k, v in line.items() if k != "step"} | changes) for line in folder.read_plans()]
    plans = [replace(plan, threads=threads_for(plan.threads)) for plan in plans]
    if not plans:
        raise RunError(f"{folder.path}/plan.jsonl is empty: the run is damaged. Train again.")
    return plans


def best_weights(source: RunFolder, model: nn.Module) -> list[Tensor]:
    """The best weights of a run, in the order of a model like its own. Raises RunError where it is damaged."""
    tensors, _ = source.read_model(dict(model.named_parameters()))
    return [tensors[name] for name, _ in model.named_parameters()]


def set_weights(model: nn.Module, weights: Sequence[Tensor]) -> None:
    """Gives a model weights by their order: dropout, where one of two models has it, changes names alone."""
    names = [name for name, _ in model.named_parameters()]
    model.load_state_dict(dict(zip(names, weights, strict=True)))
