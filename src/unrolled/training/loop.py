"""The training loop: window after window through the gradient and the optimiser, and a report now and then."""

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
    """B rows of T steps and what is asked about them: windows of a text, or whole examples."""

    @property
    def lengths(self) -> Tensor: ...

    @property
    def fresh(self) -> Tensor: ...  # (B,) whether a row starts anew

    @property
    def steps(self) -> int: ...

    @property
    def asked(self) -> int: ...  # answers that are due

    def to(self, device: torch.device) -> Self: ...

    def cut(self, a: int, b: int) -> Self: ...  # steps a to b - 1


class Batches(Protocol):
    """Where lessons come from: batch k is a pure function of (seed, k)."""

    def batch(self, k: int) -> Lesson: ...


@dataclass
class Learner:
    """All that changes while training, and that a checkpoint keeps."""

    model: Any  # start(rows) -> state, and loss(lesson, state) -> summed nats and the state after: a torch module
    optimiser: Optimiser
    state: State  # carried from window to window
    step: int = 0
    nats: float = 0.0  # summed since the last report
    targets: int = 0  # since the last report
    symbols: int = 0  # targets read in all
    best: float = math.inf  # nats a character on the validation part

    @property
    def loss(self) -> float:
        """Nats a symbol on what was trained on since the last report."""
        return self.nats / max(1, self.targets)

    def facts(self) -> dict[str, Any]:
        """The numbers a checkpoint keeps beside the tensors."""
        return {name: getattr(self, name) for name in ("nats", "targets", "symbols", "best")}

    def tensors(self) -> dict[str, Tensor]:
        """The tensors a checkpoint keeps."""
        carried = {f"state.{name}": leaf for name, leaf in states.leaves(self.state).items()}
        return self.optimiser.tensors() | carried

    def load(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Takes back what `tensors` and `facts` gave at `step`."""
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
    """Trains until the plan's updates are done or `stopped()`; hands over the plan in force wherever a report is due.

    The caller may append to `plans` meanwhile, `is_due` too. `go_back()` is called when a loss is not finite: it
    restores the learner and appends a plan with a lower rate, or raises TrainingError.
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
            yield plan_at(plans, learner.step)  # another, where time ran out


def update(learner: Learner, lesson: Lesson, strategy: Strategy, plan: Plan, seed: int) -> tuple[float, int]:
    """One lesson: its summed nats and number of answers. Where either is not finite, no weight has changed."""
    step, device = learner.step, next(learner.model.parameters()).device
    count = lesson.asked
    if not count:  # an epoch of a small text may end with a batch of padding alone
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
