"""The training loop: one batch per update, through the BPTT strategy and the optimiser, with reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from unrolled import states
from unrolled.gradient import BPTTStrategy
from unrolled.memory import draw_masks
from unrolled.seeds import make_generator, number
from unrolled.states import State
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan, plan_at, rate_at


class Batch(Protocol):
    """A batch: B rows of T steps and their targets, as windows of a text or as whole examples."""

    @property
    def lengths(self) -> Tensor: ...

    @property
    def fresh(self) -> Tensor: ...  # (B,) whether a row starts from a fresh state

    @property
    def steps(self) -> int: ...

    @property
    def target_count(self) -> int: ...  # number of targets

    def to(self, device: torch.device) -> Self: ...

    def cut(self, a: int, b: int) -> Self: ...  # steps a to b - 1


class BatchSource(Protocol):
    """The source of batches: batch k is a pure function of (seed, k)."""

    def batch(self, k: int) -> Batch: ...


@dataclass
class TrainingState:
    """All that changes during training and is saved in a checkpoint."""

    model: Any  # a module with start(rows) -> state and loss(batch, state) -> summed nats and the state after
    optimiser: Optimiser
    state: State  # carried over from window to window
    step: int = 0  # updates done
    nats: float = 0.0  # summed since the last report
    targets: int = 0  # since the last report
    tokens: int = 0  # targets in all
    best: float = math.inf  # best nats per character on the validation split

    @property
    def loss(self) -> float:
        """Mean nats per target since the last report."""
        return self.nats / max(1, self.targets)

    def facts(self) -> dict[str, Any]:
        """The numbers of a checkpoint beside its tensors."""
        return {name: getattr(self, name) for name in ("nats", "targets", "tokens", "best")}

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
        for name in ("nats", "targets", "tokens", "best"):
            setattr(self, name, facts[name])


def train(
    training_state: TrainingState,
    batches: BatchSource,
    strategy: BPTTStrategy,
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
    while not stopped() and training_state.step < (plan := plan_at(plans, training_state.step)).steps:
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        nats, targets = update(training_state, batches.batch(training_state.step), strategy, plan, seed)
        if not math.isfinite(nats):
            go_back()
            continue
        training_state.nats, training_state.targets = training_state.nats + nats, training_state.targets + targets
        training_state.tokens += targets
        training_state.step += 1
        if is_due(plan):
            yield plan_at(plans, training_state.step)  # `is_due` may have added one


def update(
    training_state: TrainingState, batch: Batch, strategy: BPTTStrategy, plan: Plan, seed: int
) -> tuple[float, int]:
    """One update; returns the batch's summed nats and number of targets. Without finite nats and a finite gradient
    no weight changes."""
    step, device = training_state.step, next(training_state.model.parameters()).device
    count = batch.target_count
    if not count:  # an epoch of a small text may end with a batch of padding only
        return 0.0, 0
    on_device = batch.to(device)
    start = training_state.model.start(len(batch.lengths))
    state = states.where(batch.fresh.to(device), start, training_state.state)
    state = draw_masks(state, make_generator(seed, "dropout", step))

    def segment_loss(state: State, a: int, b: int) -> tuple[Tensor, State]:
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            loss, after = training_state.model.loss(on_device.cut(a, b), state)
        return loss, after

    training_state.optimiser.choose_trained(plan, step)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(number(seed, "dropout", step))  # for nets whose dropout draws from torch's own generator
        loss, state = strategy(segment_loss, state, batch.steps, make_generator(seed, "gradient", step))
    nats = float(loss)
    if math.isfinite(nats):
        norm = training_state.optimiser.update(plan, rate_at(plan, step), count, step)
        nats = nats if math.isfinite(norm) else math.nan
        training_state.state = state
    else:
        training_state.optimiser.forget_gradients()
    return nats, count
