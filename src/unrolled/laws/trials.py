"""Hostile inputs for the laws, and the comparison of tensors at the end of every law."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.errors import TensorError
from unrolled.memory import draw_masks
from unrolled.memory.base import valid_steps
from unrolled.states import State

Unroll = Callable[[Tensor, State, Tensor | None], tuple[Tensor, State]]
Component = Any  # a component with start, step and unroll: a memory, or a model of `tokens` different tokens

LENGTHS = (7, 1, 4, 0, 6)  # steps of each row of a trial, by default


class LawError(AssertionError):
    """A component breaks a law; the message names the difference."""


class Trial(NamedTuple):
    """Hostile inputs: unequal rows, distinct steps, ragged lengths, large padding values."""

    inputs: Tensor  # (B, T, D), or (B, T) tokens
    lengths: Tensor  # (B,), on the CPU, with a 1, a 0 and T among them
    state: State  # not the start: after two steps, different in each row, with dropout masks drawn


def hostile_trial(component: Component, lengths: Sequence[int] = LENGTHS, seed: int = 0) -> Trial:
    """Draw a trial for this component, after perturbing its weights so that no zero hides a fault.

    The tensors have the dtype and device of the component's weights.
    """
    generator = torch.Generator().manual_seed(seed)
    perturb(component, generator)
    rows, steps = len(lengths), max(lengths)
    inputs = hostile_inputs(component, rows, steps + 2, generator)
    state = draw_masks(component.start(rows), generator)
    for t in range(2):
        try:
            state = states.detach(component.step(inputs[:, steps + t], state)[1])
        except TensorError as problem:
            raise LawError(f"step refuses a state that it returned itself: {problem}") from None
    each = torch.tensor(lengths)
    return Trial(pad(component, inputs[:, :steps], each, 1e3), each, state)


@torch.no_grad()
def perturb(component: Component, generator: torch.Generator) -> None:
    """Add a little noise to every weight."""
    for weight in component.parameters():
        weight += 0.2 * torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)


def hostile_inputs(component: Component, rows: int, steps: int, generator: torch.Generator) -> Tensor:
    """Draw inputs (B, T, D) in the dtype of the weights, or tokens (B, T) if the component takes tokens."""
    like = next(iter(component.parameters()), torch.zeros((), dtype=torch.float64))
    if tokens := getattr(component, "tokens", None):
        return torch.randint(0, tokens, (rows, steps), generator=generator).to(like.device)
    return torch.randn(rows, steps, component.input_size, generator=generator, dtype=torch.float64).to(like)


def padding_of(inputs: Tensor, lengths: Tensor) -> Tensor:
    """Mask (B, T), true past a row's length."""
    return ~valid_steps(lengths, inputs.shape[1], inputs.device)


def pad(component: Component, inputs: Tensor, lengths: Tensor, value: float) -> Tensor:
    """Fill the inputs with `value` past each row's length; tokens with the nearest valid token."""
    padding = padding_of(inputs, lengths)
    if inputs.is_floating_point():
        return torch.where(padding[..., None], value, inputs)
    return torch.where(padding, int(min(max(value, 0), component.tokens - 1)), inputs)


def outputs_and_gradients(unroll: Unroll, component: Component, trial: Trial) -> dict[str, Tensor]:
    """Compute outputs, state and all gradients of one forward and backward pass, by name."""

    def differentiable(leaf: Tensor) -> Tensor:
        return leaf.detach().clone().requires_grad_(leaf.is_floating_point())

    inputs, state = differentiable(trial.inputs), states.map_leaves(differentiable, trial.state)
    outputs, after = unroll(inputs, state, trial.lengths)
    found = {"outputs": outputs} | {f"state '{name}'": leaf for name, leaf in states.leaves(after).items()}
    starts = {f"start '{name}'": leaf for name, leaf in states.leaves(state).items()}
    all_sources = {"inputs": inputs, **starts, **dict(component.named_parameters())}
    sources = {name: leaf for name, leaf in all_sources.items() if leaf.requires_grad}
    loss = sum((torch.cos(_count(leaf)) * leaf).sum() for leaf in found.values() if leaf.requires_grad)
    if isinstance(loss, Tensor):
        gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
        for (name, source), gradient in zip(sources.items(), gradients, strict=True):
            found[f"gradient of {name}"] = torch.zeros_like(source) if gradient is None else gradient
    return {name: leaf.detach() for name, leaf in found.items()}


def _count(leaf: Tensor) -> Tensor:
    return torch.arange(leaf.numel(), dtype=leaf.dtype, device=leaf.device).view(leaf.shape)


def demand_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], when: str) -> None:
    """Raise LawError if the two differ in names, shapes or dtypes, or in values by more than rounding."""
    if found.keys() != expected.keys():
        raise LawError(f"{when}: the tensors are {sorted(found)}, not {sorted(expected)}")
    for name, value in found.items():
        other = expected[name]
        if value.shape != other.shape or value.dtype != other.dtype:
            raise LawError(
                f"{when}: {name} is {value.dtype} {tuple(value.shape)}, not {other.dtype} {tuple(other.shape)}"
            )
        relative, absolute = 1e-9, 1e-9
        if value.dtype != torch.float64:  # a small sum of large terms has the rounding error of the terms
            largest = other.abs().max().item() if other.numel() else 1.0
            relative, absolute = 1e-4, 1e-5 * max(1.0, largest)
        if not torch.allclose(value, other, rtol=relative, atol=absolute):
            raise LawError(f"{when}: {name} differs by up to {(value - other).abs().max().item():.2g}")
