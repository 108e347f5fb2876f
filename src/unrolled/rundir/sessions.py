"""What is needed to resume a run: its sessions and the rest of their budgets, its plans and its best weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unrolled.errors import OptionError, RunError
from unrolled.model.weights import Components, by_component, copy_tensors, named_tensors
from unrolled.rundir.folder import RunFolder
from unrolled.threads import threads_for
from unrolled.training.plan import Plan, next_session, replan

Model = TypeVar("Model", bound=nn.Module)
INITIALIZERS = ("normal_", "uniform_", "trunc_normal_", "xavier_uniform_", "kaiming_uniform_", "orthogonal_")
GUESSED_PACE = 0.1  # seconds per update, before any measurement


@dataclass(frozen=True)
class Session:
    """One session of a run, with its budget: the first is `train`, each later one a `resume` with a new budget."""

    minutes: float | None  # None: a number of updates, or a recorded plan
    steps: int | None
    used: float = 0.0  # seconds that the run had used when this session began

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Session:
        """The session of these `facts`, which have been checked."""
        return cls(facts["minutes"], facts["steps"], facts["used"])

    def seconds_left(self, used: float) -> float | None:
        """Seconds left of this session once the run has used `used`, 1 at least; None without a budget in minutes."""
        return None if self.minutes is None else max(1.0, 60 * self.minutes - (used - self.used))

    def plan(
        self, plan: Plan, step: int, seconds: float, reports: Sequence[Mapping[str, Any]], finished: bool
    ) -> Plan:
        """The plan from update `step` on: a finished schedule restarts, an unfinished one gets another length.

        reports: the lines of log.jsonl; their speed gives the number of updates that fit into `seconds`.
        """
        pace = pace_of(reports)
        steps = step + (self.steps or max(1, int(seconds / pace)))
        if finished:
            return next_session(plan, step, steps)
        return replan(plan, step, steps if plan.max_updates is None else min(steps, plan.max_updates), "resumed")


def pace_of(reports: Sequence[Mapping[str, Any]]) -> float:
    """Seconds per update, from the newest report with a speed. Its unit (tokens, rows or steps) is the same for the
    speed and for the updates, so that it cancels."""
    for report in reversed(reports):
        step, read, speed = (report.get(name) or 0 for name in ("step", "tokens", "tokens_per_second"))
        if min(step, read, speed) > 0:
            return float(read / step / speed)
    return GUESSED_PACE


def recorded_plans(folder: RunFolder, **changes: Any) -> list[Plan]:
    """The plans of a run in their order, with `changes`, and with at most as many threads as there are cores.

    Raises RunError where there is none.
    """
    plans, path = [], folder.path / "plan.jsonl"
    for number, line in enumerate(folder.log.read_plans(), start=1):
        values = {name: value for name, value in line.items() if name != "step"}
        plans.append(Plan.from_json(values, f"{path}, line {number},"))
    if not plans:
        raise RunError(f"{path} is missing or empty: the run is damaged. Train again.")
    plans = [replace(plan, **changes) for plan in plans]
    return [replace(plan, threads=threads_for(plan.threads)) for plan in plans]


class WithoutInitialization(TorchFunctionMode):
    """Modules made in this mode skip the initialization of their weights. On the device meta weights have no
    values, and to initialize them torch would load its compiler, which takes a second or two."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = keywords or {}
        if function.__name__ in INITIALIZERS:
            return args[0] if args else keywords["tensor"]
        return function(*args, **keywords)


def best_weights(source: RunFolder, plan: Plan, make: Callable[[Plan], nn.Module]) -> dict[str, Tensor]:
    """The best weights and buffers of a run by name, checked against the model that `make` builds from its plan.

    That model is built on the device meta, so that a damaged plan cannot allocate more than the saved weights.
    Raises RunError where they do not fit, or the plan makes no model.
    """
    tensors, _ = source.read_model(named_tensors(_meta_model(source, plan, make)))
    return tensors


def best_components(source: RunFolder, plan: Plan, make: Callable[[Plan], nn.Module]) -> Components:
    """The best weights of a run by component. Raises RunError as `best_weights`."""
    return by_component(_meta_model(source, plan, make), best_weights(source, plan, make))


def _meta_model(source: RunFolder, plan: Plan, make: Callable[[Plan], nn.Module]) -> nn.Module:
    """The model on the device meta: shapes without values."""
    try:
        with torch.device("meta"), WithoutInitialization():
            return make(replace(plan, device="meta"))
    except OptionError as error:
        raise RunError(f"{source.path}/plan.jsonl is damaged: {error}") from None


def load_best(source: RunFolder, plan: Plan, make: Callable[[Plan], Model]) -> Model:
    """The model that `make` builds from a run's plan, with its best weights, in eval mode. Raises RunError as
    `best_weights`."""
    tensors = best_weights(source, plan, make)
    model = make(plan)
    copy_tensors(model, tensors)
    return model.eval()
