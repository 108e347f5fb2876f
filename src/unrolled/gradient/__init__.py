"""BPTT strategies by name: ways to backpropagate a loss through time. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable

from unrolled.gradient.base import Gradient, Piece
from unrolled.gradient.checkpointed import Checkpointed
from unrolled.gradient.full import Full
from unrolled.gradient.randomised import Randomised
from unrolled.gradient.truncated import Truncated

__all__ = ["GRADIENTS", "Checkpointed", "Full", "Gradient", "Piece", "Randomised", "Truncated"]

GRADIENTS: dict[str, Callable[..., Gradient]] = {
    "full": Full,
    "truncated": Truncated,
    "checkpointed": Checkpointed,
    "randomised": Randomised,
}
