"""Cross-attention of a decoder to its input. B rows, T steps, S source places, D in, H out.

A `CrossAttention` has the three methods of a memory, but its `start` takes the source. `CrossAttentionMemory` wraps
it as a memory, so that stacks, residual connections and dropout can hold it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled import states
from unrolled.arguments import Count
from unrolled.errors import TensorError
from unrolled.memory.attention import check_heads, split_heads
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps, zero_state
from unrolled.memory.checking import Checked, check_input, check_lengths
from unrolled.model.encoders import Encoded
from unrolled.states import State


class CrossAttentionState(NamedTuple):
    """The keys and values of the source; they do not change while the decoder runs."""

    keys: Tensor  # (B, S, H), zero past a source's length
    values: Tensor  # (B, S, H), likewise
    lengths: Tensor  # (B,) int64, of the sources


class CrossAttention(Checked):
    """Cross-attention: at each step a weighted mean of the source's features, or zeros for a source of no steps.

    A subclass defines the weights, and is final. The arguments of its methods are checked.
    """

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        """input_size: of the input at each step; source_size: of the source's features; size: of the output."""
        super().__init__()
        self.input_size, self.source_size, self.size = input_size, source_size, size
        self.key = nn.Linear(source_size, size, bias=False)
        self.value = nn.Linear(source_size, size, bias=False)
        self.mix: nn.Module = nn.Identity()  # applied to the weighted mean
        self.seen: nn.Module = nn.Identity()  # applied to the weights; a hook on it sees them

    @abstractmethod
    def scores(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        """xs (B, T, D) -> attention weights (B, heads, T, S)."""

    def start(self, source: Encoded) -> CrossAttentionState:
        """Compute the state from an encoder's features (B, S, D)."""
        if not hasattr(source, "features") or not hasattr(source, "lengths"):
            raise TensorError(
                f"{type(self).__name__}.start takes the output of an encoder, with features and lengths; got "
                f"{type(source).__name__}. Encode the input first, or pass Encoded(features, lengths)."
            )
        check_input(self, "start", source.features, ("rows", "steps", self.source_size))
        check_lengths(self, "start", source.lengths, *source.features.shape[:2])
        alive = valid_steps(source.lengths, source.features.shape[1], source.features.device)[..., None]  # (B, S, 1)
        features = torch.where(alive, source.features, 0.0)
        keys, values = (torch.where(alive, at_least_float32(of(features)), 0.0) for of in (self.key, self.value))
        return CrossAttentionState(keys, values, source.lengths.to(keys.device, torch.int64))

    def step(self, x: Tensor, state: CrossAttentionState) -> tuple[Tensor, CrossAttentionState]:
        """x (B, D) -> output (B, H), and the state."""
        outputs, state = self.unchecked_unroll(x[:, None], state)
        return outputs[:, 0], state

    def unroll(
        self, xs: Tensor, state: CrossAttentionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, CrossAttentionState]:
        """xs (B, T, D) -> outputs (B, T, H), zero past a row's length, and the state."""
        weights = self.seen(self.scores(xs, state))  # (B, heads, T, S)
        values = split_heads(state.values, weights.shape[1])  # (B, heads, S, H / heads)
        outputs = self.mix((weights @ values.to(weights.dtype)).transpose(1, 2).flatten(2))  # (B, T, H)
        if (lengths := ragged(lengths, xs.shape[1])) is not None:
            outputs = torch.where(valid_steps(lengths, xs.shape[1], xs.device)[..., None], outputs, 0.0)
        return at_least_float32(outputs), state

    def forward(
        self, xs: Tensor, state: CrossAttentionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, CrossAttentionState]:
        """The same as `unroll`."""
        return self.unroll(xs, state, lengths)

    def blank(self) -> CrossAttentionState:
        """The state of one row with a source of no steps."""
        return self.attend_to_nothing(1)

    def check_within(self, method: str, state: State) -> None:
        keys, values, lengths = state
        if keys.shape[1] != values.shape[1]:
            raise TensorError(
                f"{type(self).__name__}.{method}: the state has {keys.shape[1]} keys and {values.shape[1]} values "
                "per row; the two numbers must be equal. Pass a state that start returned."
            )
        if method != "step":
            check_lengths(self, method, lengths, *keys.shape[:2])

    def attend_to_nothing(self, rows: int) -> CrossAttentionState:
        """The state of rows whose sources have no steps."""
        nothing = zero_state(self.key.weight, rows, 0).view(rows, 0, 1).expand(rows, 0, self.size)
        return CrossAttentionState(nothing, nothing, torch.zeros(rows, dtype=torch.int64, device=nothing.device))

    def weights(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        """xs (B, T, D) -> weights (B, T, S), averaged over heads: they sum to 1; 0 past a source's length."""
        return self.scores(xs, state).mean(1)


class Context(CrossAttention):
    """One context vector for the whole text: a weighted mean of the features, with the same weights at every step.

    It is `Additive` without a query, so a comparison of the two shows what attention at each step is worth. Cho et
    al. (2014) and Sutskever et al. (2014) take an encoder's last state instead; it depends more on the last steps,
    and images and self-attention have no such state.
    """

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def scores(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        scores = self.score(torch.tanh(state.keys)).transpose(1, 2)  # (B, 1, S)
        return softmax(scores[:, None], state.lengths).expand(-1, -1, xs.shape[1], -1)


class Additive(CrossAttention):
    """v · tanh(W q + U k): a small net scores each place (Bahdanau et al. 2015)."""

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.query = nn.Linear(input_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def scores(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        queries = at_least_float32(self.query(xs))
        # in place: this is the largest tensor of a training on images
        hidden = (queries[:, :, None] + state.keys[:, None]).tanh_()  # (B, T, S, H)
        return softmax(self.score(hidden)[:, None, ..., 0], state.lengths)


class Dot(CrossAttention):
    """q · k / √H (Luong et al. 2015, "general"; scaled as in Vaswani et al. 2017)."""

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.query = nn.Linear(input_size, size, bias=False)

    def scores(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        return scaled_dot(at_least_float32(self.query(xs)), state, 1)


class Multihead(CrossAttention):
    """Multi-head attention: several heads, each with its own queries, keys and values (Vaswani et al. 2017).

    heads: if left out, as many as give each head at least 32 units, but at least two.
    """

    def __init__(self, input_size: int, source_size: Count, size: int, heads: Count | None = None) -> None:
        super().__init__(input_size, source_size, size)
        self.heads = check_heads(size, heads)
        self.query = nn.Linear(input_size, size, bias=False)
        self.mix = nn.Linear(size, size, bias=False)

    def scores(self, xs: Tensor, state: CrossAttentionState) -> Tensor:
        return scaled_dot(at_least_float32(self.query(xs)), state, self.heads)


def scaled_dot(queries: Tensor, state: CrossAttentionState, heads: int) -> Tensor:
    """queries (B, T, H) -> attention weights softmax(q · k / √(H / heads)), (B, heads, T, S)."""
    split, keys = split_heads(queries, heads), split_heads(state.keys, heads)
    return softmax(split @ keys.transpose(2, 3) / math.sqrt(keys.shape[3]), state.lengths)


def softmax(scores: Tensor, lengths: Tensor) -> Tensor:
    """scores (B, heads, T, S) -> weights over the first `lengths` (B,) places; all 0 for a length of 0."""
    alive = valid_steps(lengths, scores.shape[3], scores.device)[:, None, None]  # (B, 1, 1, S)
    scores = at_least_float32(scores)
    weights = torch.where(alive, scores, torch.finfo(scores.dtype).min).softmax(3)
    return torch.where(alive, weights, 0.0)


CROSS_ATTENTIONS: dict[str, Callable[..., CrossAttention]] = {
    "none": Context,
    "additive": Additive,
    "dot": Dot,
    "multihead": Multihead,
}
"""Kinds of cross-attention, by the name that `--attention` takes."""


class CrossAttentionMemory(Memory):
    """A cross-attention as a memory. Its start has sources of no steps; `with_source` puts sources into a state."""

    def __init__(self, cross_attention: CrossAttention) -> None:
        super().__init__()
        self.cross_attention = cross_attention
        self.input_size, self.size = cross_attention.input_size, cross_attention.size

    def start(self, rows: int) -> CrossAttentionState:
        return self.cross_attention.attend_to_nothing(rows)

    def step(self, x: Tensor, state: CrossAttentionState) -> tuple[Tensor, CrossAttentionState]:
        return self.cross_attention.unchecked_step(x, state)

    def unroll(
        self, xs: Tensor, state: CrossAttentionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, CrossAttentionState]:
        outputs, state = self.cross_attention(xs, state, lengths)  # a call, so that forward hooks run
        return outputs, state


def cross_attentions_of(memory: nn.Module) -> list[CrossAttention]:
    """The cross-attention layers in a stack, from the first layer on."""
    return [module for module in memory.modules() if isinstance(module, CrossAttention)]


def with_source(memory: Memory, state: State, source: Encoded, of_row: Tensor | None = None) -> State:
    """Put a source into the state of every cross-attention of a stack; all else, dropout masks too, is unchanged.

    of_row: (B,) the row of the source for each row of the state; None: the same row.
    """
    starts = (cross_attention.start(source) for cross_attention in cross_attentions_of(memory))
    return _put_starts(state, starts if of_row is None else (states.take(start, of_row) for start in starts))


def _put_starts(state: State, starts: Iterator[CrossAttentionState]) -> State:
    if isinstance(state, CrossAttentionState):
        return next(starts)
    if isinstance(state, Tensor):
        return state
    branches = [_put_starts(branch, starts) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)
