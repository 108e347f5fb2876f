"""Memories that contain memories: stacks of layers, residual connections, dropout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, valid_steps, zero_state
from unrolled.memory.gru import GRU
from unrolled.memory.lstm import LSTM
from unrolled.memory.noise import NoiseState
from unrolled.memory.rnn import RNN
from unrolled.memory.torch_layers import layer_from_torch
from unrolled.states import State

TORCH_LAYERS: dict[type[nn.RNNBase], type[Memory]] = {nn.RNN: RNN, nn.GRU: GRU, nn.LSTM: LSTM}
"""Layers of torch, each with the memory that computes the same."""


class Stack(Memory):
    """A stack of memories; its state is the tuple of their states (`layer0.hidden`, …)."""

    def __init__(self, memories: Sequence[Memory]) -> None:
        super().__init__()
        if not memories:
            raise OptionError("A stack of 0 memories was requested; it needs at least 1.")
        for below, above in pairwise(memories):
            if below.size != above.input_size:
                raise OptionError(
                    f"A memory of input_size {above.input_size} is above a memory of size {below.size}; "
                    f"make its input_size {below.size}."
                )
        self.memories = nn.ModuleList(memories)
        self.input_size, self.size = memories[0].input_size, memories[-1].size

    @classmethod
    def from_torch(cls, layers: nn.RNN | nn.GRU | nn.LSTM) -> Stack:
        """A stack that computes what the layers of a module of torch compute, with a copy of their weights. It reads
        (rows, steps, width), as with `batch_first=True`. Raises OptionError for another module, two directions, a
        projection, or dropout between layers."""
        for kind, memory in TORCH_LAYERS.items():
            if isinstance(layers, kind):
                made = cls([layer_from_torch(memory, kind, layers, number) for number in range(layers.num_layers)])
                return made.train(layers.training)
        raise OptionError(
            f"Stack.from_torch takes a torch.nn.RNN, GRU or LSTM with all its layers; got {type(layers).__name__}."
        )

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
    """Adds a memory's input to its output (He et al. 2015); its state is the memory's."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        if memory.input_size != memory.size:
            raise OptionError(
                f"A residual connection adds {memory.input_size} numbers per step to {memory.size}; "
                "it needs a memory whose input_size and size are equal."
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
            xs = torch.where(valid_steps(lengths, xs.shape[1], xs.device)[..., None], xs, 0.0)
        return xs + outputs, state


class DropoutState(NamedTuple):
    inner: State  # the memory's state
    mask: Tensor  # (B, H), factor of the outputs: ones, until `draw_masks`
    rate: Tensor  # (B, 1), share of the outputs that `draw_masks` drops


class Dropout(Memory):
    """Dropout with a mask that is the same at all steps (Gal & Ghahramani 2016, for outputs only).

    The mask is part of the state, so steps, chunks and recomputations agree in training too. train() and eval() have
    no effect: a state from `start` drops nothing, one from `draw_masks` drops the share `rate` of the outputs.
    """

    def __init__(self, memory: Memory, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise OptionError(f"A dropout of {rate} was requested; it is a share from 0 to below 1.")
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
    """The state with new random dropout masks and noise, for each row, from a generator on the CPU.

    The remaining outputs are scaled by 1/(1 − rate). A state without masks and noise is returned unchanged.
    """
    if isinstance(state, NoiseState):
        return NoiseState(torch.randn(state.normal.shape, generator=generator).to(state.normal))
    if isinstance(state, DropoutState):
        uniform = torch.rand(state.mask.shape, generator=generator).to(state.mask)  # (B, H)
        mask = (uniform >= state.rate) / (1 - state.rate)
        return DropoutState(draw_masks(state.inner, generator), mask, state.rate)
    if isinstance(state, Tensor):
        return state
    branches = [draw_masks(branch, generator) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)
