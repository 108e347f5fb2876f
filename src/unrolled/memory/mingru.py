"""The minimal gated recurrent unit (Feng et al. 2024, arXiv 2410.01201)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory.base import Memory, at_least_float32, zero_state
from unrolled.memory.scan import unroll_by_scan


class MinGRUState(NamedTuple):
    hidden: Tensor  # (B, H), also the output


class MinGRU(Memory):
    """One gate that depends on the input alone, not on the past: h = (1 − z) h + z g(W x), z = σ(W_z x).

    So all steps are computed in parallel, by a scan. Unlike the paper's, it needs no logarithms (see `scan.py`).
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.update = nn.Linear(input_size, size)
        self.candidate = nn.Linear(input_size, size)

    def start(self, rows: int) -> MinGRUState:
        return MinGRUState(hidden=zero_state(self.update.weight, rows, self.size))

    def step(self, x: Tensor, state: MinGRUState) -> tuple[Tensor, MinGRUState]:
        decay, added = self._recurrence(x)  # (B, H)
        hidden = decay * state.hidden + added
        return hidden, MinGRUState(hidden)

    def unroll(self, xs: Tensor, state: MinGRUState, lengths: Tensor | None = None) -> tuple[Tensor, MinGRUState]:
        outputs, hidden = unroll_by_scan(self._recurrence, self.size, xs, state.hidden, lengths)
        return outputs, MinGRUState(hidden)

    def _recurrence(self, xs: Tensor) -> tuple[Tensor, Tensor]:
        """The decay of the state and the added input at each step."""
        gate = at_least_float32(self.update(xs))
        return torch.sigmoid(-gate), torch.sigmoid(gate) * positive(at_least_float32(self.candidate(xs)))


def positive(values: Tensor) -> Tensor:
    """g of the paper: v + ½ from 0 up, σ(v) below; smooth at 0, and never negative."""
    return torch.where(values >= 0, F.relu(values) + 0.5, torch.sigmoid(values))
