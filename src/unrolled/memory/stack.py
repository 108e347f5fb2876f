"""Memories that hold memories: layers one above the other, residual connections, dropout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, reading, zero_state
from unrolled.states import State


class Stack(Memory):
    """Memories one above the other; its state is the tuple of theirs (`layer0.hidden`, …)."""

    def __init__(self, memories: Sequence[Memory]) -> None:
        super().__init__()
        if not memories:
            raise OptionError("A stack of 0 memories was asked for; it needs at least 1.")
        for below, above in pairwise(memories):
            if below.size != above.input_size:
                raise OptionError(
                    f"A memory that reads {above.input_size} numbers a step stands on one that gives "
                    f"{below.size}; make its input_size {below.size}."
                )
        self.memories = nn.ModuleList(memories)
        self.input_size, self.size = memories[0].input_size, memories[-1].size

    def start(self, rows: int) -> tuple[State, ...]:
        return tuple(memory.start(rows) for memory in self._layers())

    def step(self, x: Tensor, state: tuple[State, ...]) -> tuple[Tensor, tuple[State, ...]]:
        after = []
        for memory, layer_state in zip(self._layers(), state, strict=True):
            x, layer_state = memory.unchecked_step(x, layer_state)  # (B, H)
            after.append(layer_state)
        return x, tuple(after)

    def unroll(
        self, xs: Tensor, state: tuple[State, ...], lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        after = []
        for memory, layer_state in zip(self._layers(), state, strict=True):
            xs, layer_state = memory.unroll(xs, layer_state, lengths)  # (B, T, H)
            after.append(layer_state)
        return xs, tuple(after)

    def _layers(self) -> list[Memory]:
        return [memory for memory in self.memories if isinstance(memory, Memory)]


class Residual(Memory):
    """Adds what a memory was given to what it gives (He et al. 2015); its state is the memory's."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        if memory.input_size != memory.size:
            raise OptionError(
                f"A residual connection adds {memory.input_size} numbers a step to {memory.size}; "
                "it needs a memory whose input_size and size are the same."
            )
        self.memory = memory
        self.input_size, self.size = memory.input_size, memory.size

    def start(self, rows: int) -> State:
        return self.memory.start(rows)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        output, state = self.memory.unchecked_step(x, state)
        return x + output, state

    def unroll(self, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        outputs, state = self.memory.unroll(xs, state, lengths)  # (B, T, H)
        if lengths is not None:
            xs = torch.where(reading(lengths, xs.shape[1], xs.device)[..., None], xs, 0.0)
        return xs + outputs, state


class DropoutState(NamedTuple):
    inner: State  # the memory's own
    mask: Tensor  # (B, H), what outputs are multiplied by: ones, until `draw_masks`
    rate: Tensor  # (B, 1), share of the outputs that `draw_masks` drops


class Dropout(Memory):
    """Drops outputs by a mask that stays the same from step to step (Gal & Ghahramani 2016, outputs alone).

    The mask is part of the state, so steps, chunks and replays agree in training too, and train()/eval()
    plays no part: a state from `start` drops nothing, one from `draw_masks` drops `rate` of the outputs.
    """

    def __init__(self, memory: Memory, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise OptionError(f"A dropout of {rate} was asked for; it is a share from 0 to below 1.")
        self.memory, self.rate = memory, rate
        self.input_size, self.size = memory.input_size, memory.size

    def start(self, rows: int) -> DropoutState:
        weight = next(chain(self.memory.parameters(), self.memory.buffers()))
        mask = torch.ones_like(zero_state(weight, rows, self.size))
        return DropoutState(self.memory.start(rows), mask, rate=mask.new_full((rows, 1), self.rate))

    def step(self, x: Tensor, state: DropoutState) -> tuple[Tensor, DropoutState]:
        output, inner = self.memory.unchecked_step(x, state.inner)
        return output * state.mask.to(output.dtype), state._replace(inner=inner)

    def unroll(self, xs: Tensor, state: DropoutState, lengths: Tensor | None = None) -> tuple[Tensor, DropoutState]:
        outputs, inner = self.memory.unroll(xs, state.inner, lengths)  # (B, T, H)
        return outputs * state.mask.to(outputs.dtype)[:, None], state._replace(inner=inner)


def draw_masks(state: State, generator: torch.Generator) -> State:
    """The state with every dropout mask drawn anew, row by row, from a generator on the CPU.

    What is kept is scaled by 1/(1 − rate). A state without masks comes back as it is.
    """
    if isinstance(state, DropoutState):
        chance = torch.rand(state.mask.shape, generator=generator).to(state.mask)  # (B, H)
        mask = (chance >= state.rate) / (1 - state.rate)
        return DropoutState(draw_masks(state.inner, generator), mask, state.rate)
    if isinstance(state, Tensor):
        return state
    branches = [draw_masks(branch, generator) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)
