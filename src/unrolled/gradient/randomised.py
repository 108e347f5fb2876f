"""Randomised truncation: cut at random, and make up for it (Tallec & Ollivier 2017, arXiv 1705.08209)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient.base import Piece
from unrolled.states import State, detach, map_leaves

CUTS = 4  # places within the mean length where a cut may come, where `every` is left out


@checked
@dataclass(frozen=True)
class Randomised:
    """At every `every` steps the way back is cut with probability every/mean; where not, it counts for more.

    What flows back over a place without a cut is divided by the chance of that, so the mean over all draws is the
    exact gradient (ARTBP); the price is its spread, which grows with the length looked back over. Keeps the graph
    of the steps since the last cut: `mean` steps on average, but at times many more. mean, every: steps; `every`
    is a quarter of the mean, at least 1, where left out.
    """

    mean: int
    every: int | None = None
    exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.mean < 2:
            raise OptionError(
                f"randomised:mean={self.mean} was asked for; the mean number of steps between cuts is at least 2."
            )
        if self.every is not None and not 1 <= self.every < self.mean:
            raise OptionError(
                f"randomised:mean={self.mean},every={self.every} was asked for; cuts may come every 1 to "
                f"{self.mean - 1} steps."
            )

    def __call__(
        self, piece: Piece, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        every = self.every or max(1, self.mean // CUTS)
        chance = every / self.mean
        cuts = (torch.rand(-(-length // every), generator=generator) < chance).tolist()
        total, owed = torch.zeros(()), torch.zeros(())  # owed: losses that were not carried back yet
        for number, start in enumerate(range(0, length, every)):
            if number and cuts[number]:
                owed.backward()  # type: ignore[no-untyped-call]
                total, owed, state = total + owed.detach(), torch.zeros(()), detach(state)
            elif number:
                state = _louder(state, 1 / (1 - chance))
            loss, state = piece(state, start, min(start + every, length))
            owed = owed + loss
        if length:
            owed.backward()  # type: ignore[no-untyped-call]
        return total + owed.detach(), detach(state)


def _louder(state: State, factor: float) -> State:
    """The same values, through which gradients flow back `factor` times."""

    def scale(leaf: Tensor) -> Tensor:
        return leaf.detach() + factor * (leaf - leaf.detach()) if leaf.requires_grad else leaf

    return map_leaves(scale, state)
