"""Randomised truncation: cuts at random steps, with compensation (Tallec & Ollivier 2017, arXiv 1705.08209)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient.base import SegmentLoss
from unrolled.states import State, detach, map_leaves

CUTS = 4  # possible cuts per mean length, if `every` is not given


@checked
@dataclass(frozen=True)
class Randomised:
    """Every `every` steps the backward pass is cut with probability every/mean; otherwise the gradient is scaled up.

    A gradient that passes a possible cut is divided by the probability of no cut, so that the expected gradient is
    exact (ARTBP). Its variance grows with the number of steps that it is backpropagated through. Keeps the graph of
    the steps since the last cut: `mean` steps on average, but sometimes many more. mean, every: steps; without
    `every` it is a quarter of the mean, at least 1.
    """

    mean: int
    every: int | None = None
    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.mean < 2:
            raise OptionError(
                f"randomised:mean={self.mean} was requested; the mean number of steps between cuts is at least 2."
            )
        if self.every is not None and not 1 <= self.every < self.mean:
            raise OptionError(
                f"randomised:mean={self.mean},every={self.every} was requested; every must be from 1 to "
                f"{self.mean - 1} steps."
            )

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        every = self.every or max(1, self.mean // CUTS)
        probability = every / self.mean
        cuts = (torch.rand(-(-length // every), generator=generator) < probability).tolist()
        total, pending = torch.zeros(()), torch.zeros(())  # pending: losses not backpropagated yet
        for number, start in enumerate(range(0, length, every)):
            if number and cuts[number]:
                pending.backward()  # type: ignore[no-untyped-call]
                total, pending, state = total + pending.detach(), torch.zeros(()), detach(state)
            elif number:
                state = _scale_gradients(state, 1 / (1 - probability))
            loss, state = segment_loss(state, start, min(start + every, length))
            pending = pending + loss
        if length:
            pending.backward()  # type: ignore[no-untyped-call]
        return total + pending.detach(), detach(state)


def _scale_gradients(state: State, factor: float) -> State:
    """The state unchanged, with its gradients multiplied by `factor` in the backward pass."""

    def scale(leaf: Tensor) -> Tensor:
        return leaf.detach() + factor * (leaf - leaf.detach()) if leaf.requires_grad else leaf

    return map_leaves(scale, state)
