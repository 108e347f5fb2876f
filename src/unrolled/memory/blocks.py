"""The layers around memories in blocks: a norm before, a residual path around, a feed-forward layer after."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unrolled.arguments import Count, checked
from unrolled.memory.base import Memory
from unrolled.memory.none import NoMemory
from unrolled.memory.stack import Dropout, Residual, Stack


@checked
def block(memories: Sequence[Memory], dropout: float = 0.0) -> Memory:
    """A norm followed by these memories, all of one size, on a residual path (Xiong et al. 2020)."""
    return Residual(with_dropout(Stack([norm(memories[0].input_size), *memories]), dropout))


@checked
def norm(size: Count) -> Memory:
    """RMSNorm of each step's vector, with a learnt gain (Zhang & Sennrich 2019)."""
    return NoMemory(size, size, nn.RMSNorm(size, eps=1e-5))


@checked
def feed_forward(size: Count) -> Memory:
    """A feed-forward net of two layers for each step by itself, with a hidden layer four times as wide."""
    return NoMemory(size, size, nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size)))


@checked
def with_dropout(memory: Memory, dropout: float) -> Memory:
    """The memory with dropout on its outputs; the memory itself where dropout is 0, without masks in its state."""
    return Dropout(memory, dropout) if dropout else memory
