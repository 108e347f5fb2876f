"""What a gradient is: a way of carrying the loss back through time, which knows of no memory, model or data."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, TypeAlias

import torch
from torch import Tensor

from unrolled.states import State

Piece: TypeAlias = Callable[[State, int, int], tuple[Tensor, State]]
"""`piece(state, a, b)` reads steps a to b − 1 from `state`: their summed loss, and the state after them."""


class Gradient(Protocol):
    """Reads `length` steps from `state` and adds to the parameters' `.grad`.

    Hands back the summed loss and the state after the last step, both without a graph. A random strategy
    draws from `generator`; the others have no use for it.
    """

    exact: ClassVar[bool]  # whether `.grad` gets the gradient itself, or something cheaper

    def __call__(
        self, piece: Piece, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]: ...
