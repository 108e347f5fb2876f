"""How an answer that is being written looks back at its input. B rows, T steps, S places looked at, D in, H out.

A reader has a memory's three verbs, but for its start, which takes what it looks at. `Looking` makes a memory of it,
so that stacks, residual connections and dropout hold it as they hold any other.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.errors import TensorError
from unrolled.memory.attention import check_heads, split_heads
from unrolled.memory.base import Memory, at_least_float32, ragged, reading, zero_state
from unrolled.memory.checking import Checked, check_input, check_lengths
from unrolled.model.encoders import Encoded
from unrolled.states import State


class ReaderState(NamedTuple):
    """All that a reader keeps of the source; it stays as it is while a text is written."""

    keys: Tensor  # (B, S, H), what a query is held against, zero past a source's length
    values: Tensor  # (B, S, H), what is then handed on
    lengths: Tensor  # (B,) int64, of the sources


class Reader(Checked):
    """At each step a mean of the source's features, those that matter now weighing most. Where a source has no
    steps, zeros are looked at. A subclass says what matters, and is final. What the verbs are given is checked."""

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        """input_size: of what is given at each step; source_size: of the features looked at; size: of the answer."""
        super().__init__()
        self.input_size, self.source_size, self.size = input_size, source_size, size
        self.key = nn.Linear(source_size, size, bias=False)
        self.value = nn.Linear(source_size, size, bias=False)
        self.mix: nn.Module = nn.Identity()  # of what was looked at

    @abstractmethod
    def weigh(self, xs: Tensor, state: ReaderState) -> Tensor:
        """xs (B, T, D) -> how much each place weighs in each part of the answer, (B, parts, T, S)."""

    def start(self, source: Encoded) -> ReaderState:
        """What is looked at: the features (B, S, D) of an encoder."""
        if not hasattr(source, "features") or not hasattr(source, "lengths"):
            raise TensorError(
                f"{type(self).__name__}.start takes the output of an encoder, with features and lengths; got "
                f"{type(source).__name__}. Encode the input first, or pass Encoded(features, lengths)."
            )
        check_input(self, "start", source.features, ("rows", "steps", self.source_size))
        check_lengths(self, "start", source.lengths, *source.features.shape[:2])
        alive = reading(source.lengths, source.features.shape[1], source.features.device)[..., None]  # (B, S, 1)
        features = torch.where(alive, source.features, 0.0)
        keys, values = (torch.where(alive, at_least_float32(of(features)), 0.0) for of in (self.key, self.value))
        return ReaderState(keys, values, source.lengths.to(keys.device, torch.int64))

    def step(self, x: Tensor, state: ReaderState) -> tuple[Tensor, ReaderState]:
        """x (B, D) -> what was looked at (B, H), and the state."""
        outputs, state = self.unchecked_unroll(x[:, None], state)
        return outputs[:, 0], state

    def unroll(self, xs: Tensor, state: ReaderState, lengths: Tensor | None = None) -> tuple[Tensor, ReaderState]:
        """xs (B, T, D) -> what was looked at at each step (B, T, H), zero past a row's length, and the state."""
        weights = self.weigh(xs, state)  # (B, parts, T, S)
        values = split_heads(state.values, weights.shape[1])  # (B, parts, S, H / parts)
        outputs = self.mix((weights @ values.to(weights.dtype)).transpose(1, 2).flatten(2))  # (B, T, H)
        if (lengths := ragged(lengths, xs.shape[1])) is not None:
            outputs = torch.where(reading(lengths, xs.shape[1], xs.device)[..., None], outputs, 0.0)
        return at_least_float32(outputs), state

    def forward(self, xs: Tensor, state: ReaderState, lengths: Tensor | None = None) -> tuple[Tensor, ReaderState]:
        """The same as `unroll`."""
        return self.unroll(xs, state, lengths)

    def blank(self) -> ReaderState:
        """One row that looks at a source of no steps."""
        return self.look_at_nothing(1)

    def check_within(self, verb: str, state: State) -> None:
        keys, values, lengths = state
        if keys.shape[1] != values.shape[1]:
            raise TensorError(
                f"{type(self).__name__}.{verb}: the state has {keys.shape[1]} keys and {values.shape[1]} values "
                "per row; the two numbers must be equal. Pass a state that start returned."
            )
        if verb != "step":
            check_lengths(self, verb, lengths, *keys.shape[:2])

    def look_at_nothing(self, rows: int) -> ReaderState:
        """Sources of no steps."""
        nothing = zero_state(self.key.weight, rows, 0).view(rows, 0, 1).expand(rows, 0, self.size)
        return ReaderState(nothing, nothing, torch.zeros(rows, dtype=torch.int64, device=nothing.device))

    def weights(self, xs: Tensor, state: ReaderState) -> Tensor:
        """xs (B, T, D) -> how much each place weighs at each step (B, T, S): 1 in all, 0 past a source's length."""
        return self.weigh(xs, state).mean(1)


class Context(Reader):
    """One vector for the whole text: the features weighed by what is looked for in every source alike.

    It is `Additive` without a query, so that what looking back at each step is worth can be seen by comparing the
    two. Cho et al. (2014) and Sutskever et al. (2014) take an encoder's last state, which says more of the steps
    that were read last, and which pictures and self-attention do not have.
    """

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def weigh(self, xs: Tensor, state: ReaderState) -> Tensor:
        scores = self.score(torch.tanh(state.keys)).transpose(1, 2)  # (B, 1, S)
        return softmax(scores[:, None], state.lengths).expand(-1, -1, xs.shape[1], -1)


class Additive(Reader):
    """v · tanh(W q + U k): a small net says how well a place fits (Bahdanau et al. 2015)."""

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.query = nn.Linear(input_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def weigh(self, xs: Tensor, state: ReaderState) -> Tensor:
        queries = at_least_float32(self.query(xs))
        fits = torch.tanh(queries[:, :, None] + state.keys[:, None])  # (B, T, S, H)
        return softmax(self.score(fits)[:, None, ..., 0], state.lengths)


class Dot(Reader):
    """q · k / √H (Luong et al. 2015, "general"; the root by Vaswani et al. 2017)."""

    def __init__(self, input_size: int, source_size: Count, size: int) -> None:
        super().__init__(input_size, source_size, size)
        self.query = nn.Linear(input_size, size, bias=False)

    def weigh(self, xs: Tensor, state: ReaderState) -> Tensor:
        return fit(at_least_float32(self.query(xs)), state, 1)


class Multihead(Reader):
    """Several looks at once, each with queries, keys and values of its own, and mixed (Vaswani et al. 2017).

    heads: as many as divide `size` into 32 units or more, and two at least, where left out.
    """

    def __init__(self, input_size: int, source_size: Count, size: int, heads: Count | None = None) -> None:
        super().__init__(input_size, source_size, size)
        self.heads = check_heads(size, heads)
        self.query = nn.Linear(input_size, size, bias=False)
        self.mix = nn.Linear(size, size, bias=False)

    def weigh(self, xs: Tensor, state: ReaderState) -> Tensor:
        return fit(at_least_float32(self.query(xs)), state, self.heads)


def fit(queries: Tensor, state: ReaderState, heads: int) -> Tensor:
    """queries (B, T, H) -> the weights by q · k / √(H / heads), (B, heads, T, S)."""
    split, keys = split_heads(queries, heads), split_heads(state.keys, heads)
    return softmax(split @ keys.transpose(2, 3) / math.sqrt(keys.shape[3]), state.lengths)


def softmax(scores: Tensor, lengths: Tensor) -> Tensor:
    """scores (B, parts, T, S) -> weights over the first `lengths` (B,) places; all 0 where there are none."""
    alive = reading(lengths, scores.shape[3], scores.device)[:, None, None]  # (B, 1, 1, S)
    scores = at_least_float32(scores)
    weights = torch.where(alive, scores, torch.finfo(scores.dtype).min).softmax(3)
    return torch.where(alive, weights, 0.0)


READERS: dict[str, Callable[..., Reader]] = {
    "context": Context,
    "additive": Additive,
    "dot": Dot,
    "multihead": Multihead,
}
"""Ways to look back at an input, by the name that `--reader` takes."""


class Looking(Memory):
    """A reader as a memory: at its start it has nothing to look at, until `look_at` gives a state a source."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader
        self.input_size, self.size = reader.input_size, reader.size

    def start(self, rows: int) -> ReaderState:
        return self.reader.look_at_nothing(rows)

    def step(self, x: Tensor, state: ReaderState) -> tuple[Tensor, ReaderState]:
        return self.reader.unchecked_step(x, state)

    def unroll(self, xs: Tensor, state: ReaderState, lengths: Tensor | None = None) -> tuple[Tensor, ReaderState]:
        outputs, state = self.reader(xs, state, lengths)  # called, so that its hooks are
        return outputs, state


def readers_of(memory: nn.Module) -> list[Reader]:
    """The readers in a stack, from below."""
    return [part for part in memory.modules() if isinstance(part, Reader)]


def look_at(memory: Memory, state: State, source: Encoded) -> State:
    """The state of a stack in which every reader looks at this source; all else, masks too, as it was."""
    return _give(state, iter([reader.start(source) for reader in readers_of(memory)]))


def _give(state: State, starts: Iterator[ReaderState]) -> State:
    if isinstance(state, ReaderState):
        return next(starts)
    if isinstance(state, Tensor):
        return state
    branches = [_give(branch, starts) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)
