"""The minimal LSTM (Feng et al. 2024, arXiv 2410.01201)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory.base import Memory, at_least_float32, zero_state
from unrolled.memory.mingru import positive
from unrolled.memory.scan import unroll_by_scan


class MinLSTMState(NamedTuple):
    hidden: Tensor  # (B, H), also the output


class MinLSTM(Memory):
    """Two gates that depend on the input alone and are scaled to sum to 1: h = f' h + i' g(W x).

    f' = f/(f + i), i' = i/(f + i). So all steps are computed in parallel, by a scan.
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.forget = nn.Linear(input_size, size)
        self.enter = nn.Linear(input_size, size)
        self.candidate = nn.Linear(input_size, size)

    def start(self, rows: int) -> MinLSTMState:
        return MinLSTMState(hidden=zero_state(self.forget.weight, rows, self.size))

    def step(self, x: Tensor, state: MinLSTMState) -> tuple[Tensor, MinLSTMState]:
        decay, added = self._recurrence(x)  # (B, H)
        hidden = decay * state.hidden + added
        return hidden, MinLSTMState(hidden)

    def unroll(self, xs: Tensor, state: MinLSTMState, lengths: Tensor | None = None) -> tuple[Tensor, MinLSTMState]:
        outputs, hidden = unroll_by_scan(self._recurrence, self.size, xs, state.hidden, lengths)
        return outputs, MinLSTMState(hidden)

    def _recurrence(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """The decay of the state and the added input at each step."""
        # log f − log i, whose sigmoid is f': an underflow of the gates cannot make it 0/0
        forget, enter, candidate = (at_least_float32(of(xs)) for of in (self.forget, self.enter, self.candidate))
        odds = F.logsigmoid(forget) - F.logsigmoid(enter)
        return torch.sigmoid(odds), torch.sigmoid(-odds) * positive(candidate)
