"""Planted faults of gradients: each names the law that has to catch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unrolled import laws
from unrolled.gradient import SegmentLoss
from unrolled.laws import GradientLaw
from unrolled.memory import Memory
from unrolled.states import State, detach


@dataclass(frozen=True)
class BrokenTruncation:
    """Truncation after every second step; it differs from `Truncated` by its fault alone."""

    k1: int = 2
    k2: int | None = None
    exact: ClassVar[bool] = False

    def cut(self, state: State) -> State:
        return detach(state)

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        total = torch.zeros(())
        for start in range(0, length, self.k1):
            loss, state = segment_loss(state, start, min(start + self.k1, length))
            loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
            total, state = total + loss.detach(), self.cut(state)
        return total, detach(state)


class ForgetsToDetach(BrokenTruncation):
    breaks: ClassVar[GradientLaw] = laws.a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2

    def cut(self, state: State) -> State:
        return state


class CutsAStepLate(BrokenTruncation):
    """Processes three steps where it declares two."""

    breaks: ClassVar[GradientLaw] = laws.a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        return BrokenTruncation(self.k1 + 1)(segment_loss, state, length)


class CutsEverywhere(BrokenTruncation):
    """Also cuts within a segment, as if k2 were ignored."""

    breaks: ClassVar[GradientLaw] = laws.a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        return BrokenTruncation(1)(segment_loss, state, length)


class HandsBackTheLastLoss(BrokenTruncation):
    breaks: ClassVar[GradientLaw] = laws.a_strategy_returns_the_loss_and_state_of_a_forward_pass

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        _, after = super().__call__(segment_loss, state, length)
        return segment_loss(state, max(0, length - self.k1), length)[0].detach(), after


class HandsBackItsGraph(BrokenTruncation):
    breaks: ClassVar[GradientLaw] = laws.a_strategy_returns_the_loss_and_state_of_a_forward_pass

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        loss, _ = super().__call__(segment_loss, state, length)
        return loss, segment_loss(state, 0, length)[1]


class ScalesItsLoss(BrokenTruncation):
    """Divides by the number of segments, as for a mean."""

    breaks: ClassVar[GradientLaw] = laws.a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        def scaled(state: State, start: int, stop: int) -> tuple[Tensor, State]:
            loss, state = segment_loss(state, start, stop)
            return loss / 4, state

        loss, after = super().__call__(scaled, state, length)
        return 4 * loss, after


class SaysItIsExact(BrokenTruncation):
    breaks: ClassVar[GradientLaw] = laws.an_exact_gradient_is_that_of_the_whole_loss
    exact: ClassVar[bool] = True


@dataclass(frozen=True)
class SaysItIsInexact:
    breaks: ClassVar[GradientLaw] = laws.an_inexact_gradient_is_seen_to_be_inexact
    exact: ClassVar[bool] = False

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        return BrokenTruncation(length or 1)(segment_loss, state, length)


class ChokesOnZeroSteps(BrokenTruncation):
    breaks: ClassVar[GradientLaw] = laws.zero_steps_have_no_gradient

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        loss, after = super().__call__(segment_loss, state, length or 1)
        return loss, after


@dataclass(frozen=True)
class BeginsWithAClearedGradient:
    """Overwrites the gradient of an earlier segment; it holds the weights, which no strategy should."""

    memory: Memory
    breaks: ClassVar[GradientLaw] = laws.a_gradient_adds_to_what_is_there
    exact: ClassVar[bool] = True

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        self.memory.zero_grad()
        return BrokenTruncation(length)(segment_loss, state, length)


BROKEN_GRADIENTS = (
    ForgetsToDetach,
    CutsAStepLate,
    CutsEverywhere,
    HandsBackTheLastLoss,
    HandsBackItsGraph,
    ScalesItsLoss,
    SaysItIsExact,
    SaysItIsInexact,
    ChokesOnZeroSteps,
)
