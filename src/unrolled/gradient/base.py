"""The interface of a BPTT strategy: a way to backpropagate a loss through time, independent of memory, model and
data."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor

from unrolled.states import State

SegmentLoss: TypeAlias = Callable[[State, int, int], tuple[Tensor, State]]
"""`segment_loss(state, a, b)` processes steps a to b − 1 from `state`, and returns their summed loss and the state
after them."""


class BPTTStrategy(Protocol):
    """Processes `length` steps from `state` and adds the gradient of their loss to the parameters' `.grad`.

    Returns the summed loss and the state after the last step, both detached. A random strategy draws from
    `generator`; the others ignore it.
    """

    exact: ClassVar[bool]  # whether `.grad` gets the exact gradient, or a cheaper approximation

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]: ...
