"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, init_weights, run_layer, unroll_by_chunks, zero_state
from unrolled.memory.torch_layers import layer_from_torch


class LSTMState(NamedTuple):
    hidden: Tensor  # (B, H), also the output
    cell: Tensor  # (B, H)


class LSTM(Memory):
    """A cell state with input, forget and output gates. Parameters are named and shaped as torch.nn.LSTMCell's.

    The forget gate's bias starts at 1 (Jozefowicz et al. 2015); there are no peepholes. horizon: in steps, at least
    3. The biases of the input and forget gates then give each unit a random time constant of 1 to about `horizon`
    steps (chrono initialisation: Tallec & Ollivier 2018, arXiv 1804.11188).
    """

    def __init__(self, input_size: int, size: int, horizon: int | None = None) -> None:
        super().__init__()
        if horizon is not None and horizon < 3:
            raise OptionError(f"An lstm with a horizon of {horizon} was requested; it is in steps, at least 3.")
        self.input_size, self.size = input_size, size
        self.weight_ih = nn.Parameter(torch.empty(4 * size, input_size))  # blocks: input, forget, cell, output
        self.weight_hh = nn.Parameter(torch.empty(4 * size, size))
        self.bias_ih = nn.Parameter(torch.zeros(4 * size))
        self.bias_hh = nn.Parameter(torch.zeros(4 * size))
        init_weights(self.weight_ih, self.weight_hh)
        with torch.no_grad():
            self.bias_ih[size : 2 * size] = 1.0
            if horizon is not None:
                held = torch.empty(size).uniform_(1, horizon - 1).log()
                self.bias_ih[:size], self.bias_ih[size : 2 * size] = -held, held

    @classmethod
    def from_torch(cls, layer: nn.LSTM | nn.LSTMCell) -> LSTM:
        """A memory that computes what a layer of torch computes, with a copy of its weights. Raises OptionError for
        several layers (`Stack.from_torch`), and for what the memory does not have, such as two directions."""
        return layer_from_torch(cls, nn.LSTM, layer)

    def start(self, rows: int) -> LSTMState:
        return LSTMState(
            hidden=zero_state(self.weight_hh, rows, self.size),
            cell=zero_state(self.weight_hh, rows, self.size),
        )

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        from_input = F.linear(x, self.weight_ih, self.bias_ih)  # (B, 4H)
        from_past = F.linear(state.hidden, self.weight_hh, self.bias_hh)  # (B, 4H)
        input_gate, forget_gate, candidate, output_gate = (from_input + from_past).chunk(4, dim=1)  # four of (B, H)
        cell = torch.sigmoid(forget_gate) * state.cell + torch.sigmoid(input_gate) * torch.tanh(candidate)
        hidden = torch.sigmoid(output_gate) * torch.tanh(cell)
        return hidden, LSTMState(hidden, cell)

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        return unroll_by_chunks(self._kernel, self.size, xs, state, lengths)

    def _kernel(self, xs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        outputs, after = run_layer(torch.lstm, xs, state, weights)
        return outputs, LSTMState(*after)
