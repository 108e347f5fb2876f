"""The contract of encoders. B rows, S steps, D in, H out."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor

from unrolled.memory.checking import Checked
from unrolled.states import State


class Encoded(NamedTuple):
    """Features of whole rows."""

    features: Tensor  # (B, S, H), zero past a row's length
    lengths: Tensor  # (B,), on the CPU


class Encoder(Checked):
    """Turns whole inputs into features, one vector per step. Every feature may depend on the whole row, so an encoder
    has no `step`, unlike a memory. A subclass is final: wrap it, do not override it. The arguments of `encode` are
    checked before it runs."""

    input_size: int  # D
    size: int  # H
    mixes = True  # whether each feature depends on the whole row, and not on its own step alone

    @abstractmethod
    def start(self, rows: int) -> State:
        """The start state; in training, `unrolled.memory.draw_masks` draws dropout's masks in it."""

    @abstractmethod
    def encode(self, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Encoded:
        """Encode inputs (B, S, D) of these lengths (B,), or of S where None, from `state`, or from the start."""

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Encoded:
        """The same as `encode`."""
        return self.encode(inputs, lengths, state)

    def blank(self) -> State:
        """The start state of one row."""
        return self.start(1)
