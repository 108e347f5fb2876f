"""Pooling of a row's features into one vector: the last step, the mean, or an attention-weighted mean.

Each is a memory, so that a prediction is available at every step, in constant memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, valid_steps, zero_state
from unrolled.memory.none import NoState

SHARPEST = 8.0  # largest absolute score: the weights of two steps differ by at most a factor of e¹⁶


class PoolState(NamedTuple):
    total: Tensor  # (B, H), weighted sum of the steps so far
    weight: Tensor  # (B, 1), sum of the weights


class Last(Memory):
    """The features of the last step, that is, the output of a memory at the end of the row."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        check_width(input_size, size)
        self.input_size = self.size = size
        self.register_buffer("place", torch.zeros(()), persistent=False)  # knows device and type

    def start(self, rows: int) -> NoState:
        return NoState()

    def step(self, x: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        return at_least_float32(x), state

    def unroll(self, xs: Tensor, state: NoState, lengths: Tensor | None = None) -> tuple[Tensor, NoState]:
        xs = at_least_float32(xs)
        if lengths is not None:
            xs = torch.where(valid_steps(lengths, xs.shape[1], xs.device)[..., None], xs, 0.0)
        return xs, state


class Mean(Memory):
    """The mean of all steps so far: every step has the same weight, regardless of order and distance."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        check_width(input_size, size)
        self.input_size = self.size = size
        self.register_buffer("place", torch.zeros(()), persistent=False)  # knows device and type

    def start(self, rows: int) -> PoolState:
        return start_pool(self.get_buffer("place"), rows, self.size)

    def step(self, x: Tensor, state: PoolState) -> tuple[Tensor, PoolState]:
        outputs, state = pool(x[:, None], torch.ones_like(x[:, None, :1]), state, None)
        return outputs[:, 0], state

    def unroll(self, xs: Tensor, state: PoolState, lengths: Tensor | None = None) -> tuple[Tensor, PoolState]:
        return pool(xs, torch.ones_like(xs[..., :1]), state, lengths)


class AttentionPool(Memory):
    """A weighted mean of the steps; the weights exp(8 tanh(u · tanh(W x))) come from a learnt query u (the attention
    of Bahdanau et al. 2015, with one query for all rows)."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        check_width(input_size, size)
        self.input_size = self.size = size
        self.look = nn.Linear(size, size)
        self.query = nn.Linear(size, 1, bias=False)
        nn.init.zeros_(self.query.weight)  # the plain mean at first

    def start(self, rows: int) -> PoolState:
        return start_pool(self.query.weight, rows, self.size)

    def step(self, x: Tensor, state: PoolState) -> tuple[Tensor, PoolState]:
        outputs, state = self.unchecked_unroll(x[:, None], state)
        return outputs[:, 0], state

    def unroll(self, xs: Tensor, state: PoolState, lengths: Tensor | None = None) -> tuple[Tensor, PoolState]:
        return pool(xs, self._weights(xs), state, lengths)

    def shares(self, xs: Tensor) -> Tensor:
        """The weight of each step in the mean of whole rows without padding: xs (B, T, H) -> (B, T), sum 1."""
        weights = self._weights(xs)[..., 0]
        return weights / weights.sum(1, keepdim=True)

    def _weights(self, xs: Tensor) -> Tensor:
        scores = at_least_float32(self.query(torch.tanh(self.look(xs))))  # (B, T, 1)
        return torch.exp(SHARPEST * torch.tanh(scores))


def pool(xs: Tensor, weights: Tensor, state: PoolState, lengths: Tensor | None) -> tuple[Tensor, PoolState]:
    """The mean (B, T, H) of xs (B, T, H) up to each step, weighted by weights (B, T, 1), and the state after them."""
    if not xs.shape[1]:
        return at_least_float32(xs), state
    xs, weights = at_least_float32(xs), at_least_float32(weights)
    alive = None if lengths is None else valid_steps(lengths, xs.shape[1], xs.device)[..., None]  # (B, T, 1)
    if alive is not None:
        xs, weights = torch.where(alive, xs, 0.0), torch.where(alive, weights, 0.0)
    total = state.total[:, None] + (weights * xs).cumsum(1)  # (B, T, H)
    weight = state.weight[:, None] + weights.cumsum(1)  # (B, T, 1)
    means = total / weight.clamp_min(torch.finfo(weight.dtype).tiny)
    outputs = means if alive is None else torch.where(alive, means, 0.0)
    return outputs, PoolState(total[:, -1], weight[:, -1])


def start_pool(weight: Tensor, rows: int, size: int) -> PoolState:
    """The state before the first step."""
    return PoolState(zero_state(weight, rows, size), zero_state(weight, rows, 1))


def check_width(input_size: int, size: int) -> None:
    """Raise OptionError unless a pool's output is as wide as its input."""
    if input_size != size:
        raise OptionError(f"A pool of {input_size} numbers per step gives {input_size}, not {size}.")


POOLS: dict[str, Callable[[int, int], Memory]] = {"last": Last, "mean": Mean, "attention": AttentionPool}
"""Poolings by their name in `--pool`."""
