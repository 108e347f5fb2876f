"""The plain recurrent net (Elman 1990)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory.base import Memory, init_weights, run_layer, unroll_by_chunks, zero_state
from unrolled.memory.torch_layers import layer_from_torch


class RNNState(NamedTuple):
    hidden: Tensor  # (B, H), also the output


class RNN(Memory):
    """h = tanh(W_ih x + b_ih + W_hh h + b_hh). Parameters are named and shaped as torch.nn.RNNCell's."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.weight_ih = nn.Parameter(torch.empty(size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(size, size))
        self.bias_ih = nn.Parameter(torch.zeros(size))
        self.bias_hh = nn.Parameter(torch.zeros(size))
        init_weights(self.weight_ih, self.weight_hh)

    @classmethod
    def from_torch(cls, layer: nn.RNN | nn.RNNCell) -> RNN:
        """A memory that computes what a layer of torch computes, with a copy of its weights. Raises OptionError for
        several layers (`Stack.from_torch`), and for what the memory does not have, such as two directions."""
        return layer_from_torch(cls, nn.RNN, layer)

    def start(self, rows: int) -> RNNState:
        return RNNState(hidden=zero_state(self.weight_hh, rows, self.size))

    def step(self, x: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        from_input = F.linear(x, self.weight_ih, self.bias_ih)  # (B, H)
        from_past = F.linear(state.hidden, self.weight_hh, self.bias_hh)  # (B, H)
        hidden = torch.tanh(from_input + from_past).to(state.hidden.dtype)
        return hidden, RNNState(hidden)

    def unroll(self, xs: Tensor, state: RNNState, lengths: Tensor | None = None) -> tuple[Tensor, RNNState]:
        return unroll_by_chunks(self._kernel, self.size, xs, state, lengths)

    def _kernel(self, xs: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        outputs, after = run_layer(torch.rnn_tanh, xs, state, weights)
        return outputs, RNNState(*after)
