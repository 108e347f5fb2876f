"""The training loop: window after window through the gradient and the optimiser, and a report now and then."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled import states
from unrolled.data.windows import Batch
from unrolled.memory import draw_masks
from unrolled.memory.base import reading
from unrolled.model.language import LanguageModel, losses
from unrolled.seeds import generator
from unrolled.states import State
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan, plan_at, rate_at

Piece = Callable[[State, int, int], tuple[Tensor, State]]
Strategy = Callable[[Piece, State, int, torch.Generator], tuple[Tensor, State]]


class Batches(Protocol):
    """Where windows come from: batch k is a pure function of (seed, k)."""

    def batch(self, k: int) -> Batch: ...


@dataclass
class Learner:
    """All that changes while training, and that a checkpoint keeps."""

    model: LanguageModel
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

    The caller may append to `plans` meanwhile. `go_back()` is called when a loss is not finite: it restores the
    learner and appends a plan with a lower rate, or raises TrainingError.
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
            yield plan


def update(learner: Learner, batch: Batch, strategy: Strategy, plan: Plan, seed: int) -> tuple[float, int]:
    """One window: its summed nats and number of targets. Where either is not finite, no weight has changed."""
    step, device = learner.step, next(learner.model.parameters()).device
    asked = reading(batch.lengths, batch.targets.shape[1], batch.lengths.device) & (batch.targets >= 0)  # (B, T)
    count = int(asked.sum())
    if not count:  # an epoch of a small text may end with a batch of padding alone
        return 0.0, 0
    inputs, targets = batch.inputs.to(device), batch.targets.to(device)  # (B, T)
    start = learner.model.start(len(inputs))
    state = states.where(batch.fresh.to(device), start, learner.state)
    state = draw_masks(state, generator(seed, "dropout", step))

    def piece(state: State, a: int, b: int) -> tuple[Tensor, State]:
        lengths = (batch.lengths - a).clamp(0, b - a)  # (B,)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            logits, state = learner.model.unroll(inputs[:, a:b], state, lengths)  # (B, b - a, V)
        return losses(logits, targets[:, a:b], lengths), state

    loss, state = strategy(piece, state, inputs.shape[1], generator(seed, "gradient", step))
    nats = float(loss)
    if math.isfinite(nats):
        norm = learner.optimiser.update(plan, rate_at(plan, step), count, step)
        nats = nats if math.isfinite(norm) else math.nan
        learner.state = state
    else:
        learner.optimiser.forget_gradients()
    return nats, count
