"""The scalar LSTM of xLSTM (Beck et al. 2024, arXiv 2405.04517): exponential gates, scaled to stay finite."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import states
from unrolled.memory.base import Memory, at_least_float32, init_weights, valid_steps, zero_state


class SLSTMState(NamedTuple):
    hidden: Tensor  # (B, H), also the output
    cell: Tensor  # (B, H), times e^-scale
    normaliser: Tensor  # (B, H), times e^-scale; at least 1
    scale: Tensor  # (B, H), the largest log gate so far


class SLSTM(Memory):
    """An LSTM whose input gate is an exponential, so that a late input can outweigh all earlier ones.

    Every gate depends on the last output. So it cannot be computed in parallel, but it can count modulo two, where
    linear memories cannot. The normaliser starts at 1, not at 0 as in the paper, and is never less, so that it can be
    divided by. One head; no convolution before the gates. Parameters are named as torch.nn.LSTMCell's.
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.weight_ih = nn.Parameter(torch.empty(4 * size, input_size))  # blocks: input, forget, cell, output
        self.weight_hh = nn.Parameter(torch.empty(4 * size, size))
        self.bias = nn.Parameter(torch.zeros(4 * size))
        init_weights(self.weight_ih, self.weight_hh)
        with torch.no_grad():
            self.bias[size : 2 * size] = 1.0

    def start(self, rows: int) -> SLSTMState:
        zero = zero_state(self.weight_hh, rows, self.size)
        return SLSTMState(hidden=zero, cell=zero.clone(), normaliser=torch.ones_like(zero), scale=zero.clone())

    def step(self, x: Tensor, state: SLSTMState) -> tuple[Tensor, SLSTMState]:
        return self._step(F.linear(x, self.weight_ih, self.bias), state)

    def unroll(self, xs: Tensor, state: SLSTMState, lengths: Tensor | None = None) -> tuple[Tensor, SLSTMState]:
        steps = xs.shape[1]
        from_input = F.linear(xs, self.weight_ih, self.bias)  # (B, T, 4H), for all steps at once
        alive = None if lengths is None else valid_steps(lengths, steps, xs.device)  # (B, T)
        outputs = [state.hidden[:, None][:, :0]]
        for t in range(steps):
            output, after = self._step(from_input[:, t], state)
            if alive is not None:
                output = torch.where(alive[:, t, None], output, 0.0)
                after = states.where(alive[:, t], after, state)
            state = after
            outputs.append(output[:, None])
        return torch.cat(outputs, dim=1), state

    def _step(self, from_input: Tensor, state: SLSTMState) -> tuple[Tensor, SLSTMState]:
        gates = at_least_float32(from_input + F.linear(state.hidden, self.weight_hh))  # (B, 4H)
        input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=1)  # four of (B, H)
        forget_gate = F.logsigmoid(forget_gate) + state.scale
        # one of the two factors below is 1, so the normaliser stays at 1 or more
        scale = torch.maximum(forget_gate, input_gate)
        kept, added = torch.exp(forget_gate - scale), torch.exp(input_gate - scale)
        cell = kept * state.cell + added * torch.tanh(candidate)
        normaliser = kept * state.normaliser + added
        hidden = torch.sigmoid(output_gate) * cell / normaliser
        return hidden, SLSTMState(hidden, cell, normaliser, scale)
