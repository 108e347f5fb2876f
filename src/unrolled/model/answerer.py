"""What a run answers with: a net, a linear model, or both, their chances made one and true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unrolled.data.buckets import LONGEST, gather_steps
from unrolled.data.tokens import Tokens, given_words, join_words
from unrolled.model.answering import Answering
from unrolled.model.blend import blend

ROWS = 128  # read side by side, at most
STEPS = 1 << 15  # of all rows side by side, at most


class Part(Protocol):
    """Whatever answers about texts with log-chances (A, K) of each output's labels: an answer a text, or one for each
    of its words, text after text."""

    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]: ...


class Net:
    """A trained model and how it reads texts."""

    def __init__(self, model: Answering, tokens: Tokens) -> None:
        self.model, self.tokens = model, tokens

    @torch.no_grad()
    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """texts -> log-chances (A, K); those of like length are read side by side, which changes no answer."""
        pieces = [in_pieces(text) if self.model.each else [text] for text in texts]
        goes_on = [number > 0 for some in pieces for number in range(len(some))]  # a piece that begins no text
        flat = [piece for some in pieces for piece in some]
        order = np.argsort([len(text) for text in flat], kind="stable").tolist()
        found: dict[str, list[Tensor]] = {name: [torch.zeros(0)] * len(flat) for name in self.model.names}
        start = 0
        while start < len(order):
            some = order[start : start + ROWS]
            some = some[: max(1, STEPS // (1 + len(flat[some[-1]])))]
            start += len(some)
            inputs, lengths = gather_steps(self.tokens, [flat[row] for row in some])
            for name, logits in self.model.answer(inputs, lengths).items():
                logs = logits.log_softmax(-1).cpu()
                for place, (row, length) in enumerate(zip(some, lengths.tolist(), strict=True)):
                    if name in self.model.each:
                        found[name][row] = logs[place, 1:length]  # the first step is the border, which has no tag
                    else:
                        found[name][row] = logs[place : place + 1 - goes_on[row]]
        return {name: torch.cat(parts) if parts else torch.zeros(0, 0) for name, parts in found.items()}


def in_pieces(text: str) -> list[str]:
    """A text of given words, as texts that are each read to their end: a word is answered about in its piece."""
    words = given_words(text)
    most = LONGEST - 1  # the first step is the border
    if len(words) <= most:
        return [text]
    return [join_words(words[start : start + most]) for start in range(0, len(words), most)]


class Answerer:
    """Parts and the weight of each for every output: p ∝ Π p_i^w_i."""

    def __init__(self, parts: Sequence[Part], weights: Mapping[str, Sequence[float]]) -> None:
        self.parts, self.weights = tuple(parts), {name: list(each) for name, each in weights.items()}

    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """texts -> log-chances (A, K) of each output's labels, float64."""
        answers = [part.answer(texts) for part in self.parts]
        return {name: blend([one[name] for one in answers], each) for name, each in self.weights.items()}
