"""The training loop: one batch per update, through the BPTT strategy and the optimiser, with reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from unrolled import states
from unrolled.memory import draw_masks
from unrolled.seeds import generator
from unrolled.states import State
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan, plan_at, rate_at

Piece = Callable[[State, int, int], tuple[Tensor, State]]
Strategy = Callable[[Piece, State, int, torch.Generator], tuple[Tensor, State]]


class Lesson(Protocol):
    """A batch: B rows of T steps and their targets, as windows of a text or as whole examples."""

    @property
    def lengths(self) -> Tensor: ...

    @property
    def fresh(self) -> Tensor: ...  # (B,) whether a row starts from a fresh state

    @property
    def steps(self) -> int: ...

    @property
    def asked(self) -> int: ...  # number of targets

    def to(self, device: torch.device) -> Self: ...

    def cut(self, a: int, b: int) -> Self: ...  # steps a to b - 1


class Batches(Protocol):
    """The source of batches: batch k is a pure function of (seed, k)."""

    def batch(self, k: int) -> Lesson: ...


@dataclass
class Learner:
    """All that changes during training and is saved in a checkpoint."""

    model: Any  # a module with start(rows) -> state and loss(batch, state) -> summed nats and the state after
    optimiser: Optimiser
    state: State  # carried over from window to window
    step: int = 0  # updates done
    nats: float = 0.0  # summed since the last report
    targets: int = 0  # since the last report
    symbols: int = 0  # targets in all
    best: float = math.inf  # best nats per character on the validation split

    @property
    def loss(self) -> float:
        """Mean nats per target since the last report."""
        return self.nats / max(1, self.targets)

    def facts(self) -> dict[str, Any]:
        """The numbers of a checkpoint beside its tensors."""
        return {name: getattr(self, name) for name in ("nats", "targets", "symbols", "best")}

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint."""
        carried = {f"state.{name}": leaf for name, leaf in states.leaves(self.state).items()}
        return self.optimiser.tensors() | carried

    def load(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Restores the state that `tensors` and `facts` saved at `step`."""
        self.optimiser.load(tensors)
        device = next(self.model.parameters()).device
        carried = {
            name.removeprefix("state."): t.to(device) for name, t in tensors.items() if name.startswith("state.")
        }
        self.state = states.rebuild(self.state, carried)
        self.step = step
        for name in ("nats", "targets", "symbols", "best"):
            setattr(self, name, facts[name])


def train(
    learner: Learner,
    batches: Batches,
    strategy: Strategy,
    plans: list[Plan],
    seed: int,
    stopped: Callable[[], bool],
    is_due: Callable[[Plan], bool],
    go_back: Callable[[], None],
) -> Iterator[Plan]:
    """Trains until the plan's updates are done or `stopped()`; yields the current plan where a report is due.

    The caller and `is_due` may append to `plans` meanwhile. `go_back()` is called after a loss that is not finite: it
    restores a checkpoint and appends a plan with a lower learning rate, or raises TrainingError.
    """
    while not stopped() and learner.step < (plan := plan_at(plans, learner.step)).steps:
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        nats, targets = update(learner, batches.batch(learner.step), strategy, plan, seed)
        if not math.isfinite(nats):
            go_back()
            continue
        learner.nats, learner.targets = learner.nats + nats, learner.targets + targets
        learner.symbols += targets
        learner.step += 1
        if is_due(plan):
            yield plan_at(plans, learner.step)  # `is_due` may have added one


def update(learner: Learner, lesson: Lesson, strategy: Strategy, plan: Plan, seed: int) -> tuple[float, int]:
    """One update; returns the batch's summed nats and number of targets. Without finite nats and a finite gradient
    no weight changes."""
    step, device = learner.step, next(learner.model.parameters()).device
    count = lesson.asked
    if not count:  # an epoch of a small text may end with a batch of padding only
        return 0.0, 0
    on_device = lesson.to(device)
    start = learner.model.start(len(lesson.lengths))
    state = states.where(lesson.fresh.to(device), start, learner.state)
    state = draw_masks(state, generator(seed, "dropout", step))

    def piece(state: State, a: int, b: int) -> tuple[Tensor, State]:
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            loss, after = learner.model.loss(on_device.cut(a, b), state)
        return loss, after

    loss, state = strategy(piece, state, lesson.steps, generator(seed, "gradient", step))
    nats = float(loss)
    if math.isfinite(nats):
        norm = learner.optimiser.update(plan, rate_at(plan, step), count, step)
        nats = nats if math.isfinite(norm) else math.nan
        learner.state = state
    else:
        learner.optimiser.forget_gradients()
    return nats, count
