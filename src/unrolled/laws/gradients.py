"""Laws of BPTT strategies, each checked on a memory with ragged rows and a loss at every step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.gradient import BPTTStrategy, SegmentLoss
from unrolled.laws.trials import LawError, demand_same, hostile_trial, padding_of
from unrolled.memory import Memory
from unrolled.states import State


class Segment(NamedTuple):
    """A segment to backpropagate through: its loss, the state before it, and its number of steps."""

    loss: SegmentLoss
    state: State
    steps: int


def hostile_segment(memory: Memory) -> Segment:
    """Make a sequence of seven steps with a squared error at each; steps past a row's length are not counted."""
    trial = hostile_trial(memory)
    rows, steps = trial.inputs.shape[:2]
    targets = torch.randn(rows, steps, memory.size, generator=torch.Generator().manual_seed(2)).to(trial.inputs)
    valid = ~padding_of(trial.inputs, trial.lengths)  # (B, T)

    def segment_loss(state: State, start: int, stop: int) -> tuple[Tensor, State]:
        lengths = (trial.lengths - start).clamp(0, stop - start)
        outputs, state = memory.unroll(trial.inputs[:, start:stop], state, lengths)  # (B, stop - start, H)
        errors = (outputs - targets[:, start:stop]) ** 2 * valid[:, start:stop, None]
        return errors.sum(), state

    return Segment(segment_loss, trial.state, steps)


def gradient_by(strategy: BPTTStrategy, memory: Memory, segment: Segment) -> dict[str, Tensor]:
    """Run a strategy on cleared gradients and return `.grad` of each parameter."""
    memory.zero_grad()
    strategy(segment.loss, segment.state, segment.steps, torch.Generator().manual_seed(0))
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in memory.named_parameters()
    }


def gradient_of_loss(loss: Tensor, memory: Memory) -> dict[str, Tensor]:
    """Compute the gradient of one loss by plain autograd, by parameter."""
    weights = dict(memory.named_parameters())
    gradients = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    return dict(zip(weights, gradients, strict=True))


def an_exact_gradient_is_that_of_the_whole_loss(strategy: BPTTStrategy, memory: Memory) -> None:
    """The gradient agrees with plain autograd through all steps and, in float64, with finite differences."""
    segment = hostile_segment(memory)
    found = gradient_by(strategy, memory, segment)
    whole, _ = segment.loss(segment.state, 0, segment.steps)
    demand_same(found, gradient_of_loss(whole, memory), "compared with plain autograd")
    generator, small = torch.Generator().manual_seed(3), 1e-5
    for name, weight in memory.named_parameters():
        if weight.dtype != torch.float64:
            continue  # finite differences this small are lost in rounding
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)
        loss_above = _loss_shifted(segment, weight, small * direction)
        loss_below = _loss_shifted(segment, weight, -small * direction)
        difference, slope = (loss_above - loss_below) / (2 * small), (found[name] * direction).sum().item()
        if abs(difference - slope) > 1e-5 * max(1.0, abs(difference)):
            raise LawError(f"in one direction of {name} the loss rises by {difference:.6g}; .grad gives {slope:.6g}")


@torch.no_grad()
def _loss_shifted(segment: Segment, weight: Tensor, shift: Tensor) -> float:
    weight += shift
    loss, _ = segment.loss(segment.state, 0, segment.steps)
    weight -= shift
    return loss.item()


def an_inexact_gradient_is_seen_to_be_inexact(strategy: BPTTStrategy, memory: Memory) -> None:
    """A strategy with `exact = False` gives another gradient than that of the whole loss."""
    segment = hostile_segment(memory)
    whole, _ = segment.loss(segment.state, 0, segment.steps)
    try:
        demand_same(gradient_by(strategy, memory, segment), gradient_of_loss(whole, memory), "")
    except LawError:
        return
    raise LawError(f"{strategy} has exact = False, but gave the exact gradient of {segment.steps} steps")


def a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2(strategy: BPTTStrategy, memory: Memory) -> None:
    """The gradient is the sum over segments of k1 steps, each backpropagated through k2 − k1 steps before it too."""
    k1: int = getattr(strategy, "k1", 0)
    if not k1:
        raise LawError(f"{strategy} has no attribute k1: the number of steps between two cuts")
    segment = hostile_segment(memory)
    overlap = (getattr(strategy, "k2", None) or k1) - k1
    expected = {name: torch.zeros_like(weight) for name, weight in memory.named_parameters()}
    for start in range(0, segment.steps, k1):
        origin, state = max(0, start - overlap), segment.state
        for t in range(start):
            state = states.detach(state) if t == origin else state
            _, state = segment.loss(state, t, t + 1)
        state = states.detach(state) if start == origin else state
        loss, _ = segment.loss(state, start, min(start + k1, segment.steps))
        for name, gradient in gradient_of_loss(loss, memory).items():
            expected[name] += gradient
    demand_same(
        gradient_by(strategy, memory, segment), expected, "compared with the sum over graphs cut at k1 and k2"
    )


def a_strategy_returns_the_loss_and_state_of_a_forward_pass(strategy: BPTTStrategy, memory: Memory) -> None:
    """A strategy returns the summed loss of all steps and the state after the last, both detached."""
    segment = hostile_segment(memory)
    loss, after = strategy(segment.loss, segment.state, segment.steps, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected_loss, expected_after = segment.loss(segment.state, 0, segment.steps)
    found = {"loss": loss, **states.leaves(after)}
    demand_same(
        found,
        {"loss": expected_loss, **states.leaves(expected_after)},
        "compared with a forward pass without gradients",
    )
    if held := [name for name, leaf in found.items() if leaf.requires_grad]:
        raise LawError(f"{', '.join(held)}: still attached to the autograd graph")


def a_gradient_adds_to_what_is_there(strategy: BPTTStrategy, memory: Memory) -> None:
    """A strategy adds to `.grad`, so that several calls make one update."""
    segment = hostile_segment(memory)
    once = gradient_by(strategy, memory, segment)
    strategy(segment.loss, segment.state, segment.steps, torch.Generator().manual_seed(0))
    twice = {name: weight.grad for name, weight in memory.named_parameters() if weight.grad is not None}
    demand_same(twice, {name: 2 * gradient for name, gradient in once.items()}, "after two calls")


def zero_steps_have_no_gradient(strategy: BPTTStrategy, memory: Memory) -> None:
    """Zero steps give a loss of 0, leave `.grad` unchanged and return the same state."""
    segment = hostile_segment(memory)
    before = gradient_by(strategy, memory, segment)
    loss, after = strategy(segment.loss, segment.state, 0, torch.Generator().manual_seed(0))
    if loss.item() != 0:
        raise LawError(f"zero steps have a loss of {loss.item()}")
    demand_same(states.leaves(after), states.leaves(segment.state), "the state after zero steps")
    left = {name: weight.grad for name, weight in memory.named_parameters() if weight.grad is not None}
    demand_same(left, before, "after a call with zero steps")
