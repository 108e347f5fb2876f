"""The gated recurrent unit (Cho et al. 2014)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory.base import Memory, init_weights, run_layer, unroll_by_chunks, zero_state
from unrolled.memory.torch_layers import layer_from_torch


class GRUState(NamedTuple):
    hidden: Tensor  # (B, H), also the output


class GRU(Memory):
    """Two gates over one hidden state. Parameters are named and shaped as torch.nn.GRUCell's.

    As in torch and cuDNN, and unlike the paper, the reset gate acts after W_hh has been applied.
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.weight_ih = nn.Parameter(torch.empty(3 * size, input_size))  # blocks: reset, update, candidate
        self.weight_hh = nn.Parameter(torch.empty(3 * size, size))
        self.bias_ih = nn.Parameter(torch.zeros(3 * size))
        self.bias_hh = nn.Parameter(torch.zeros(3 * size))
        init_weights(self.weight_ih, self.weight_hh)

    @classmethod
    def from_torch(cls, layer: nn.GRU | nn.GRUCell) -> GRU:
        """A memory that computes what a layer of torch computes, with a copy of its weights. Raises OptionError for
        several layers (`Stack.from_torch`), and for what the memory does not have, such as two directions."""
        return layer_from_torch(cls, nn.GRU, layer)

    def start(self, rows: int) -> GRUState:
        return GRUState(hidden=zero_state(self.weight_hh, rows, self.size))

    def step(self, x: Tensor, state: GRUState) -> tuple[Tensor, GRUState]:
        from_input = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=1)  # three of (B, H)
        from_past = F.linear(state.hidden, self.weight_hh, self.bias_hh).chunk(3, dim=1)
        reset = torch.sigmoid(from_input[0] + from_past[0])
        update = torch.sigmoid(from_input[1] + from_past[1])
        candidate = torch.tanh(from_input[2] + reset * from_past[2])
        hidden = (1 - update) * candidate + update * state.hidden  # (B, H)
        return hidden, GRUState(hidden)

    def unroll(self, xs: Tensor, state: GRUState, lengths: Tensor | None = None) -> tuple[Tensor, GRUState]:
        return unroll_by_chunks(self._kernel, self.size, xs, state, lengths)

    def _kernel(self, xs: Tensor, state: GRUState) -> tuple[Tensor, GRUState]:
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        outputs, after = run_layer(torch.gru, xs, state, weights)
        return outputs, GRUState(*after)
