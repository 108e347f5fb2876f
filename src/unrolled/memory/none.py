"""No memory: every input is processed on its own, as in the lecture's feed-forward net."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.memory.base import Memory, at_least_float32, valid_steps

WITHOUT_PAST = {
    "a_tiny_batch_is_overfit": "the rows differ in their first token, which it does not remember",
    "an_inexact_gradient_is_seen_to_be_inexact": "no loss depends on the past, so a cut loses nothing",
}


class NoState(NamedTuple):
    """An empty state."""


class NoMemory(Memory):
    """Applies a module to every step by itself: tanh(W x + b), or the given one, (…, D) -> (…, H).

    Has no state. Alone it is the lowest reference of every comparison; in a stack it holds the norms and feed-forward
    layers between memories.
    """

    excuses: ClassVar[dict[str, str]] = WITHOUT_PAST

    def __init__(self, input_size: int, size: int, module: nn.Module | None = None) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        self.module = nn.Sequential(nn.Linear(input_size, size), nn.Tanh()) if module is None else module

    def start(self, rows: int) -> NoState:
        return NoState()

    def step(self, x: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        return at_least_float32(self.module(at_least_float32(x))), state

    def unroll(self, xs: Tensor, state: NoState, lengths: Tensor | None = None) -> tuple[Tensor, NoState]:
        outputs, state = self.unchecked_step(xs, state)  # (B, T, H)
        if lengths is not None:
            outputs = torch.where(valid_steps(lengths, xs.shape[1], xs.device)[..., None], outputs, 0.0)
        return outputs, state
