"""Self-attention encoder (Vaswani et al. 2017): every step attends to every other, before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.errors import OptionError
from unrolled.memory import NoState
from unrolled.memory.attention import attend, check_heads, rotate, split_heads
from unrolled.memory.base import Memory, at_least_float32, valid_steps, zero_state
from unrolled.memory.blocks import block, feed_forward
from unrolled.memory.stack import DropoutState
from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.states import State


class SelfAttention(nn.Module):
    """Multi-head self-attention over all steps of a row, with rotary positions."""

    def __init__(self, size: int, heads: int | None = None) -> None:
        super().__init__()
        self.heads = check_heads(size, heads)
        self.norm = nn.RMSNorm(size, eps=1e-5)
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size, bias=False)
        self.value = nn.Linear(size, size, bias=False)
        self.output = nn.Linear(size, size, bias=False)

    def forward(self, xs: Tensor, alive: Tensor) -> Tensor:
        """xs (B, S, H), and alive (B, S), the steps that may be attended to -> (B, S, H)."""
        xs = self.norm(xs)
        at = torch.arange(xs.shape[1], device=xs.device).expand(xs.shape[:2])  # (B, S)
        queries, keys = (split_heads(rotate(of(xs), at, self.heads), self.heads) for of in (self.query, self.key))
        values = split_heads(at_least_float32(self.value(xs)), self.heads)  # (B, heads, S, H / heads)
        mask = alive | ~alive.any(1, keepdim=True)  # a row without steps attends to padding; its output is dropped
        attended = attend(queries, keys, values, mask[:, None, None])
        return at_least_float32(self.output(attended.transpose(1, 2).flatten(2)))


class BlockState(NamedTuple):
    """The state of a block. Saved checkpoints have these names, and those of the layers below."""

    looking: DropoutState  # the dropout mask of the attention layer
    thinking: State  # of the feed-forward layer


class SelfAttentionEncoder(Encoder):
    """Pre-norm residual blocks of self-attention over the whole row and a feed-forward layer, and a norm at the end.

    Positions are rotary, as in `unrolled.memory.Attention`, not added sinusoids.
    """

    def __init__(
        self, input_size: int, size: int, depth: Count = 1, heads: Count | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not 0.0 <= dropout < 1.0:
            raise OptionError(f"The dropout is {dropout}; it must be at least 0 and below 1.")
        self.input_size, self.size, self.dropout = input_size, size, dropout
        self.embedding = nn.Identity() if input_size == size else nn.Linear(input_size, size, bias=False)
        # self-attention, and feed-forward layers
        self.looking = nn.ModuleList(SelfAttention(size, heads) for _ in range(depth))
        self.thinking = nn.ModuleList(block([feed_forward(size)], dropout) for _ in range(depth))
        self.norm = nn.RMSNorm(size, eps=1e-5)

    def start(self, rows: int) -> tuple[BlockState, ...]:
        mask = torch.ones_like(zero_state(self.norm.weight, rows, self.size))
        attention = DropoutState(NoState(), mask, rate=mask.new_full((rows, 1), self.dropout))
        return tuple(BlockState(attention, layer.start(rows)) for _, layer in self._blocks())

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: Sequence[BlockState] | None = None
    ) -> Encoded:
        rows, steps = inputs.shape[:2]
        lengths = torch.full((rows,), steps) if lengths is None else lengths.cpu()
        state = self.start(rows) if state is None else state
        alive = valid_steps(lengths, steps, inputs.device)  # (B, S)
        xs = torch.where(alive[..., None], self.embedding(inputs), 0.0)  # (B, S, H)
        for (attention, layer), start in zip(self._blocks(), state, strict=True):
            xs = xs + attention(xs, alive) * start.looking.mask[:, None]
            xs, _ = layer.unroll(xs, start.thinking, lengths)
        return Encoded(torch.where(alive[..., None], at_least_float32(self.norm(xs)), 0.0), lengths)

    def _blocks(self) -> list[tuple[SelfAttention, Memory]]:
        pairs = zip(self.looking, self.thinking, strict=True)
        return [(a, b) for a, b in pairs if isinstance(a, SelfAttention) and isinstance(b, Memory)]
