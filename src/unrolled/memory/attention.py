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
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps, zero_state
from unrolled.memory.none import WITHOUT_PAST

HEAD = 32  # least units per head, if the number of heads is not given
SHORT = 128  # keys up to which the fused bfloat16 kernel of CPUs has a ten times slower backward pass than plain ops
SEGMENT = 256  # steps processed together where the span is unlimited
GROWS = {
    "a_state_keeps_its_form": "it remembers everything, so its state grows",
    "a_row_depends_on_no_other_row": "its outputs do not, but all rows have states as long as the longest row's",
    "padding_changes_nothing": "the state of a row without steps is as long as the longest row's, with empty places",
}


class AttentionState(NamedTuple):
    keys: Tensor  # (B, S, H), rotated; the place of position p is p mod S
    values: Tensor  # (B, S, H)
    clock: Tensor  # (B,) int64: steps of the row so far


class Attention(Memory):
    """Each step attends to the last `span` steps, including itself.

    The state is a cache of keys and values with a clock for each row. With a span the newest step replaces the oldest
    one, so the state has a constant size; with `span=None` it holds all steps, and grows. heads: by default the
    largest number, at least two, that divides `size` into heads of 32 units or more. Positions are rotations of
    queries and keys by the row's clock, computed in float64: after a million steps they are as exact as at the start.
    """

    def __init__(self, input_size: int, size: int, heads: Count | None = None, span: int | None = 256) -> None:
        super().__init__()
        heads = check_heads(size, heads)
        if span is not None and span < 1:
            raise OptionError(
                f"Attention with a span of {span} was requested; span is a number of steps, at least 1, "
                "or none: all steps, with a state that grows."
            )
        self.input_size, self.size, self.heads, self.span = input_size, size, heads, span
        self.query = nn.Linear(input_size, size, bias=False)
        self.key = nn.Linear(input_size, size, bias=False)
        self.value = nn.Linear(input_size, size, bias=False)
        self.output = nn.Linear(size, size, bias=False)
        self.excuses: dict[str, str] = {None: GROWS, 1: WITHOUT_PAST}.get(span, {})

    def start(self, rows: int) -> AttentionState:
        places = self.span or 0  # an axis of length 0 marks one that grows
        nothing = zero_state(self.key.weight, rows, places * self.size).view(rows, places, self.size)
        clock = torch.zeros(rows, dtype=torch.int64, device=nothing.device)
        return AttentionState(keys=nothing, values=nothing.clone(), clock=clock)

    def step(self, x: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        outputs, state = self._process(x[:, None], state, torch.ones_like(state.clock))
        return outputs[:, 0], state

    def unroll(
        self, xs: Tensor, state: AttentionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, AttentionState]:
        rows, steps = xs.shape[:2]
        lengths = ragged(lengths, steps)
        ends = torch.full_like(state.clock, steps) if lengths is None else lengths.to(state.clock)
        segment = self.span or SEGMENT  # memory grows with steps times span, not with steps squared
        outputs = [self.output.weight.new_zeros(rows, 0, self.size)]
        for start in range(0, steps, segment):
            inputs = xs[:, start : start + segment]
            output, state = self._process(inputs, state, (ends - start).clamp(0, inputs.shape[1]))
            outputs.append(output)
        whole = torch.cat(outputs[1:] or outputs, dim=1)  # (B, T, H)
        if lengths is not None:
            whole = torch.where(valid_steps(lengths, steps, xs.device)[..., None], whole, 0.0)
        return whole, state

    def _process(self, xs: Tensor, state: AttentionState, lengths: Tensor) -> tuple[Tensor, AttentionState]:
        """Process a segment of steps at once; outputs past a row's length are undefined."""
        steps = xs.shape[1]
        order = torch.arange(steps, device=xs.device)  # (T,)
        now = state.clock[:, None] + order  # (B, T)
        queries, keys = (rotate(of(xs), now, self.heads) for of in (self.query, self.key))  # (B, T, H)
        values = at_least_float32(self.value(xs))
        held = positions(state.clock, state.keys.shape[1])  # (B, S)
        mask_held = (held >= 0)[:, None] & self._within(now[..., None] - held[:, None])  # (B, T, S)
        mask_new = self._within(order[:, None] - order) & (order[:, None] >= order)  # (T, T)
        mask = torch.cat([mask_held, mask_new.expand(len(xs), -1, -1)], dim=2)  # (B, T, S + T)
        attended = attend(
            split_heads(queries, self.heads),
            split_heads(torch.cat([state.keys, keys], dim=1), self.heads),
            split_heads(torch.cat([state.values, values], dim=1), self.heads),
            mask[:, None],
        )  # (B, heads, T, H / heads)
        outputs = self.output(attended.transpose(1, 2).flatten(2))
        return outputs, self._keep(state, keys, values, lengths)

    def _keep(self, state: AttentionState, keys: Tensor, values: Tensor, lengths: Tensor) -> AttentionState:
        """The state after the first `lengths` (B,) of each row's new keys and values (B, T, H) are stored."""
        clock = state.clock + lengths
        places = state.keys.shape[1] if self.span else max([state.keys.shape[1], *clock.tolist()])
        # (B, S) index of the new step at each place, negative for an old one
        number = positions(clock, places) - state.clock[:, None]
        is_new, number = (number >= 0)[..., None], number.clamp(min=0)[..., None].expand(-1, -1, self.size)

        def place(old: Tensor, new: Tensor) -> Tensor:
            old = F.pad(old, (0, 0, 0, places - old.shape[1]))
            return torch.where(is_new, new.gather(1, number).to(old.dtype), old)

        return AttentionState(place(state.keys, keys), place(state.values, values), clock)

    def _within(self, distance: Tensor) -> Tensor:
        """Whether a step so many steps back is within the span."""
        return torch.ones_like(distance, dtype=torch.bool) if self.span is None else distance < self.span


def split_heads(vectors: Tensor, heads: int) -> Tensor:
    """(B, T, H) -> (B, heads, T, H / heads)."""
    rows, steps, size = vectors.shape
    return vectors.view(rows, steps, heads, size // heads).transpose(1, 2)


def check_heads(size: int, heads: int | None) -> int:
    """The number of heads, by default chosen from the size. Raises OptionError unless it divides the size."""
    heads = next(n for n in range(max(2, size // HEAD), 0, -1) if size % n == 0) if heads is None else heads
    if heads < 1 or size % heads:
        raise OptionError(
            f"Attention of size {size} with {heads} heads was requested; the number of heads must divide the size."
        )
    return heads


def rotate(vectors: Tensor, at: Tensor, heads: int) -> Tensor:
    """Rotate pairs of units in each head of vectors (B, T, H) by the positions `at` (B, T), each at its own speed."""
    rows, steps, size = vectors.shape
    vectors = at_least_float32(vectors).view(rows, steps, heads, size // heads)
    half = vectors.shape[3] // 2
    speeds = 10_000.0 ** -(torch.arange(half, dtype=torch.float64, device=at.device) / max(1, half))
    angles = (at[..., None] * speeds)[:, :, None]  # (B, T, 1, half), float64
    cos, sin = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
    one, two, rest = vectors[..., :half], vectors[..., half : 2 * half], vectors[..., 2 * half :]
    return torch.cat([one * cos - two * sin, one * sin + two * cos, rest], dim=3).flatten(2)


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v over the keys where mask (bool) is true. Exact to the precision of the type."""
    if keys.shape[2] <= SHORT and torch.is_autocast_enabled("cpu") and queries.device.type == "cpu":
        scores = at_least_float32(queries @ keys.mT) / math.sqrt(queries.shape[3])
        return torch.where(mask, scores, torch.finfo(scores.dtype).min).softmax(3) @ values
    if queries.dtype != torch.float64:
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernel's float64 gradients are those of float32
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


def positions(clock: Tensor, places: int) -> Tensor:
    """The position stored at each place of a row's cache after `clock` (B,) steps: (B, S), negative if empty."""
    if not places:
        return clock.new_zeros(len(clock), 0)
    last = clock[:, None] - 1
    return last - (last - torch.arange(places, device=clock.device)) % places
