"""Truncated backpropagation through time (Williams & Peng 1990)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient.base import SegmentLoss
from unrolled.states import State, detach


@checked
@dataclass(frozen=True)
class Truncated:
    """Every k1 steps, the losses of these steps are backpropagated through the last k2 steps and no further.

    Not exact: the influence of earlier steps is lost, and the sign of the gradient can be wrong (Tallec & Ollivier
    2017). Keeps the graph of k2 steps at a time; if k2 is more than k1, each segment of k1 steps computes the k2 − k1
    steps before it once more. k1, k2: steps; without k2, k2 = k1.
    """

    k1: int
    k2: int | None = None
    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.k1 < 1:
            raise OptionError(f"truncated:k1={self.k1} was requested; k1 is a number of steps, at least 1.")
        if self.k2 is not None and self.k2 < self.k1:
            raise OptionError(
                f"truncated:k1={self.k1},k2={self.k2} was requested; k2, the steps to backpropagate through, is at "
                f"least k1. Try truncated:k1={self.k1},k2={2 * self.k1}."
            )

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        total = torch.zeros(())
        overlap = (self.k2 or self.k1) - self.k1  # steps computed once more before each segment
        saved = {0: detach(state)}  # states from which later segments start, by the number of steps before
        for start in range(0, length, self.k1):
            stop = min(start + self.k1, length)
            origin = max(0, start - overlap)
            state = saved.pop(origin) if origin else saved[0]
            if origin < start:
                _, state = segment_loss(state, origin, start)
            mark = min(start + self.k1 - overlap % self.k1, stop)  # a later segment starts from here
            loss, state = segment_loss(state, start, mark)
            saved[mark] = detach(state)
            if mark < stop:
                rest, state = segment_loss(state, mark, stop)
                loss = loss + rest
            loss.backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach()
        return total, detach(state)
