"""What a run answers with: a net, a linear model, or both, what they say made one and true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unrolled.data.buckets import LONGEST, gather_steps
from unrolled.data.intake import Intake
from unrolled.data.items import Item
from unrolled.data.words import given_words, join_words
from unrolled.model.ensemble import blend
from unrolled.model.likelihoods import Likelihood
from unrolled.model.row_net import Answering

ROWS = 128  # read side by side, at most
STEPS = 1 << 15  # of all rows side by side, at most


class Part(Protocol):
    """Whatever answers about items with what it says (A, O) of each output, as likelihoods has it: an answer an item,
    or one for each of its steps, item after item."""

    def answer(self, items: Sequence[Item]) -> dict[str, Tensor]: ...


class Net:
    """A trained model and how it reads items."""

    def __init__(self, model: Answering, intake: Intake) -> None:
        self.model, self.intake = model, intake

    @torch.no_grad()
    def answer(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> what is said (A, O); those of like length are read side by side, which changes no answer."""
        pieces = [self._in_pieces(item) if self.model.each else [item] for item in items]
        goes_on = [number > 0 for some in pieces for number in range(len(some))]  # a piece that begins no item
        flat = [piece for some in pieces for piece in some]
        order = np.argsort([len(item) for item in flat], kind="stable").tolist()
        found: dict[str, list[Tensor]] = {name: [torch.zeros(0)] * len(flat) for name in self.model.names}
        start = 0
        while start < len(order):
            some = order[start : start + ROWS]
            some = some[: max(1, STEPS // (1 + min(LONGEST, len(flat[some[-1]]))))]
            start += len(some)
            inputs, lengths = gather_steps(self.intake, [flat[row] for row in some])
            for name, said in self.model.say(self.model.answer(inputs, lengths)).items():
                said = said.cpu()
                for place, (row, length) in enumerate(zip(some, lengths.tolist(), strict=True)):
                    if name in self.model.each:
                        found[name][row] = said[place, self.intake.lead : length]  # the border has no tag
                    else:
                        found[name][row] = said[place : place + 1 - goes_on[row]]
        return {name: torch.cat(parts) if parts else torch.zeros(0, 0) for name, parts in found.items()}

    def _in_pieces(self, item: Item) -> list[Item]:
        """An item whose every step is answered, as items that are each read to their end."""
        if isinstance(item, str):
            return list(in_pieces(item))
        return [item[start : start + LONGEST] for start in range(0, len(item), LONGEST)]


def in_pieces(text: str) -> list[str]:
    """A text of given words, as texts that are each read to their end: a word is answered about in its piece."""
    words = given_words(text)
    most = LONGEST - 1  # the first step is the border
    if len(words) <= most:
        return [text]
    return [join_words(words[start : start + most]) for start in range(0, len(words), most)]


class Answerer:
    """Parts and the weight of each for every output: p ∝ Π p_i^w_i."""

    def __init__(
        self, parts: Sequence[Part], weights: Mapping[str, Sequence[float]], likelihoods: Mapping[str, Likelihood]
    ) -> None:
        self.parts, self.weights = tuple(parts), {name: list(each) for name, each in weights.items()}
        self.likelihoods = dict(likelihoods)

    def answer(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> what is said (A, O) of each output, float64."""
        answers = [part.answer(items) for part in self.parts]
        return {
            name: blend(self.likelihoods[name], [one[name] for one in answers], each)
            for name, each in self.weights.items()
        }
