"""Causal self-attention over a span of the past (Vaswani et al. 2017), with rotary positions (Su et al. 2021)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from unrolled.arguments import Count
from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, reading, zero_state
from unrolled.memory.none import SEES_NOTHING

HEAD = 32  # units of a head, at least, where their number is not given
SHORT = 128  # keys below which a processor's fused kernel in bfloat16 goes back ten times slower than written out
STRETCH = 256  # steps that look back together where the span has no end
GROWS = {
    "a_state_keeps_its_form": "it remembers everything, so its state grows",
    "a_row_depends_on_no_other_row": "its answers don't, but all rows have as many places as the longest one's",
    "padding_changes_nothing": "a row that read nothing gets as many places, empty ones, as the longest one's",
}


class AttentionState(NamedTuple):
    keys: Tensor  # (B, S, H), rotated; the place of position p is p mod S
    values: Tensor  # (B, S, H)
    clock: Tensor  # (B,) int64: steps that the row has read


class Attention(Memory):
    """Each step looks back at the last `span` steps, its own among them, and weighs what they say.

    Its state is a cache of keys and values with a clock for each row. With a span the newest step takes the
    oldest one's place, so bytes stay the same for ever; `span=None` remembers everything, and grows.
    heads: as many as divide `size` into 32 units or more, and two at least, where left out. Positions are turns of
    queries and keys by the row's clock, computed in float64: a million steps on they are as exact as at the start.
    """

    def __init__(self, input_size: int, size: int, heads: Count | None = None, span: int | None = 256) -> None:
        super().__init__()
        heads = check_heads(size, heads)
        if span is not None and span < 1:
            raise OptionError(
                f"Attention with a span of {span} was asked for; it is a number of steps, at least 1, "
                "or none: everything, and then it grows."
            )
        self.input_size, self.size, self.heads, self.span = input_size, size, heads, span
        self.query = nn.Linear(input_size, size, bias=False)
        self.key = nn.Linear(input_size, size, bias=False)
        self.value = nn.Linear(input_size, size, bias=False)
        self.output = nn.Linear(size, size, bias=False)
        self.excuses: dict[str, str] = GROWS if span is None else SEES_NOTHING if span == 1 else {}

    def start(self, rows: int) -> AttentionState:
        places = self.span or 0  # an axis of no places is one that grows
        nothing = zero_state(self.key.weight, rows, places * self.size).view(rows, places, self.size)
        clock = torch.zeros(rows, dtype=torch.int64, device=nothing.device)
        return AttentionState(keys=nothing, values=nothing.clone(), clock=clock)

    def step(self, x: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        outputs, state = self._read(x[:, None], state, torch.ones_like(state.clock))
        return outputs[:, 0], state

    def unroll(
        self, xs: Tensor, state: AttentionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, AttentionState]:
        rows, steps = xs.shape[:2]
        lengths = ragged(lengths, steps)
        ends = torch.full_like(state.clock, steps) if lengths is None else lengths.to(state.clock)
        stretch = self.span or STRETCH  # bytes in use grow with steps times span, not with steps squared
        outputs = [self.output.weight.new_zeros(rows, 0, self.size)]
        for start in range(0, steps, stretch):
            part = xs[:, start : start + stretch]
            output, state = self._read(part, state, (ends - start).clamp(0, part.shape[1]))
            outputs.append(output)
        whole = torch.cat(outputs[1:] or outputs, dim=1)  # (B, T, H)
        if lengths is not None:
            whole = torch.where(reading(lengths, steps, xs.device)[..., None], whole, 0.0)
        return whole, state

    def _read(self, xs: Tensor, state: AttentionState, lengths: Tensor) -> tuple[Tensor, AttentionState]:
        """Steps that look back together; what comes out past a row's length means nothing."""
        steps = xs.shape[1]
        order = torch.arange(steps, device=xs.device)  # (T,)
        now = state.clock[:, None] + order  # (B, T)
        queries, keys = (rotate(of(xs), now, self.heads) for of in (self.query, self.key))  # (B, T, H)
        values = at_least_float32(self.value(xs))
        held = positions(state.clock, state.keys.shape[1])  # (B, S)
        sees_held = (held >= 0)[:, None] & self._within(now[..., None] - held[:, None])  # (B, T, S)
        sees_new = self._within(order[:, None] - order) & (order[:, None] >= order)  # (T, T)
        sees = torch.cat([sees_held, sees_new.expand(len(xs), -1, -1)], dim=2)  # (B, T, S + T)
        answers = attend(
            split_heads(queries, self.heads),
            split_heads(torch.cat([state.keys, keys], dim=1), self.heads),
            split_heads(torch.cat([state.values, values], dim=1), self.heads),
            sees[:, None],
        )  # (B, heads, T, H / heads)
        outputs = self.output(answers.transpose(1, 2).flatten(2))
        return outputs, self._keep(state, keys, values, lengths)

    def _keep(self, state: AttentionState, keys: Tensor, values: Tensor, lengths: Tensor) -> AttentionState:
        """The state after each row's `lengths` (B,) new keys and values (B, T, H) took their places."""
        clock = state.clock + lengths
        places = state.keys.shape[1] if self.span else max([state.keys.shape[1], *clock.tolist()])
        number = positions(clock, places) - state.clock[:, None]  # (B, S) which of the new ones stands there
        is_new, number = (number >= 0)[..., None], number.clamp(min=0)[..., None].expand(-1, -1, self.size)

        def place(old: Tensor, new: Tensor) -> Tensor:
            old = F.pad(old, (0, 0, 0, places - old.shape[1]))
            return torch.where(is_new, new.gather(1, number).to(old.dtype), old)

        return AttentionState(place(state.keys, keys), place(state.values, values), clock)

    def _within(self, back: Tensor) -> Tensor:
        return torch.ones_like(back, dtype=torch.bool) if self.span is None else back < self.span


def split_heads(vectors: Tensor, heads: int) -> Tensor:
    """(B, T, H) -> (B, heads, T, H / heads)."""
    rows, steps, size = vectors.shape
    return vectors.view(rows, steps, heads, size // heads).transpose(1, 2)


def check_heads(size: int, heads: int | None) -> int:
    """The number of heads, where left out the one that suits the size. OptionError unless they divide it."""
    heads = next(n for n in range(max(2, size // HEAD), 0, -1) if size % n == 0) if heads is None else heads
    if heads < 1 or size % heads:
        raise OptionError(f"Attention of size {size} with {heads} heads was asked for; heads divide the size.")
    return heads


def rotate(vectors: Tensor, at: Tensor, heads: int) -> Tensor:
    """vectors (B, T, H), pairs of units of each head turned by the position `at` (B, T), each at its own speed."""
    rows, steps, size = vectors.shape
    vectors = at_least_float32(vectors).view(rows, steps, heads, size // heads)
    half = vectors.shape[3] // 2
    speeds = 10_000.0 ** -(torch.arange(half, dtype=torch.float64, device=at.device) / max(1, half))
    angles = (at[..., None] * speeds)[:, :, None]  # (B, T, 1, half), float64
    cos, sin = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
    one, two, rest = vectors[..., :half], vectors[..., half : 2 * half], vectors[..., 2 * half :]
    return torch.cat([one * cos - two * sin, one * sin + two * cos, rest], dim=3).flatten(2)


def attend(queries: Tensor, keys: Tensor, values: Tensor, sees: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over the keys that a query sees (bool). Exact to the type's own precision."""
    if keys.shape[2] <= SHORT and torch.is_autocast_enabled("cpu") and queries.device.type == "cpu":
        scores = at_least_float32(queries @ keys.mT) / math.sqrt(queries.shape[3])
        return torch.where(sees, scores, torch.finfo(scores.dtype).min).softmax(3) @ values
    if queries.dtype != torch.float64:
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=sees)
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernel's float64 gradients are those of float32
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=sees)


def positions(clock: Tensor, places: int) -> Tensor:
    """Which position stands in each place of a row that has read `clock` (B,) steps: (B, S), negative for none."""
    if not places:
        return clock.new_zeros(len(clock), 0)
    last = clock[:, None] - 1
    return last - (last - torch.arange(places, device=clock.device)) % places
