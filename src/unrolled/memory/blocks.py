"""What stands around memories in blocks: a norm before, a residual path beside, a feed-forward layer after."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unrolled.arguments import Count, checked
from unrolled.memory.base import Memory
from unrolled.memory.none import NoMemory
from unrolled.memory.stack import Dropout, Residual, Stack


@checked
def block(parts: Sequence[Memory], dropout: float = 0.0) -> Memory:
    """A norm and these memories above it, all of one size, on a residual path (Xiong et al. 2020)."""
    return Residual(with_dropout(Stack([norm(parts[0].input_size), *parts]), dropout))


@checked
def norm(size: Count) -> Memory:
    """Each step's vector over the root of its mean square, times a learnt gain (Zhang & Sennrich 2019)."""
    return NoMemory(size, size, nn.RMSNorm(size, eps=1e-5))


@checked
def feed_forward(size: Count) -> Memory:
    """Each step by itself through a layer four times as wide."""
    return NoMemory(size, size, nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size)))


@checked
def with_dropout(memory: Memory, dropout: float) -> Memory:
    """The memory that drops this share of its outputs; itself where the share is 0, and then no mask is kept."""
    return Dropout(memory, dropout) if dropout else memory
