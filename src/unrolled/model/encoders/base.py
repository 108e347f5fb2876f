"""What an encoder is. B rows, S steps, D in, H out."""

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
    """Turns whole inputs into features, a vector a step. It has seen a row's end before its first feature is known,
    so it does not step; what steps is a memory. A subclass is final: wrap it, do not override it. What `encode` is
    given is checked before it runs."""

    input_size: int  # D
    size: int  # H

    @abstractmethod
    def start(self, rows: int) -> State:
        """What a reading begins from: `unrolled.memory.draw_masks` draws dropout's masks in it, in training."""

    @abstractmethod
    def encode(self, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Encoded:
        """inputs (B, S, D) of these lengths (B,), all of S where None, read from `state`, or from the start."""

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Encoded:
        """The same as `encode`."""
        return self.encode(inputs, lengths, state)

    def blank(self) -> State:
        """The start of one row."""
        return self.start(1)
