"""BPTT strategies by name: ways to backpropagate a loss through time. A new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable

from unrolled.gradient.base import BPTTStrategy, SegmentLoss
from unrolled.gradient.checkpointed import Checkpointed
from unrolled.gradient.full import Full
from unrolled.gradient.randomised import Randomised
from unrolled.gradient.truncated import Truncated

__all__ = ["BPTT_STRATEGIES", "BPTTStrategy", "Checkpointed", "Full", "Randomised", "SegmentLoss", "Truncated"]

BPTT_STRATEGIES: dict[str, Callable[..., BPTTStrategy]] = {
    "full": Full,
    "truncated": Truncated,
    "checkpointed": Checkpointed,
    "randomised": Randomised,
}
