"""Backpropagation through all the steps (Werbos 1990)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unrolled.gradient.base import SegmentLoss
from unrolled.states import State, detach


@dataclass(frozen=True)
class Full:
    """One backward pass from the last step to the first. Exact; its memory grows with the number of steps."""

    exact: ClassVar[bool] = True

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        if length == 0:
            return torch.zeros(()), state
        loss, state = segment_loss(state, 0, length)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), detach(state)
