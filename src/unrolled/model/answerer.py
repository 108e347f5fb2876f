"""What a run answers with: a net, a linear model, or both, their chances made one and true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unrolled.data.buckets import gather_steps
from unrolled.data.tokens import Tokens
from unrolled.model.answering import Answering
from unrolled.model.blend import blend

ROWS = 128  # read side by side, at most
STEPS = 1 << 15  # of all rows side by side, at most


class Part(Protocol):
    """Whatever answers about texts with log-chances (B, K) of each output's labels."""

    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]: ...


class Net:
    """A trained model and how it reads texts."""

    def __init__(self, model: Answering, tokens: Tokens) -> None:
        self.model, self.tokens = model, tokens

    @torch.no_grad()
    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """texts (B) -> log-chances (B, K); texts of like length are read side by side, which changes no answer."""
        order = np.argsort([len(text) for text in texts], kind="stable").tolist()
        found: dict[str, list[Tensor]] = {name: [] for name in self.model.names}
        start = 0
        while start < len(order):
            some = order[start : start + ROWS]
            fewer = max(1, STEPS // (1 + len(texts[some[-1]])))
            some = some[:fewer]
            start += len(some)
            for name, logits in self.model.answer(*gather_steps(self.tokens, [texts[row] for row in some])).items():
                found[name].append(logits.log_softmax(1).cpu())
        back = torch.from_numpy(np.argsort(order, kind="stable"))
        return {name: torch.cat(parts)[back] if parts else torch.zeros(0, 0) for name, parts in found.items()}


class Answerer:
    """Parts and the weight of each for every output: p ∝ Π p_i^w_i."""

    def __init__(self, parts: Sequence[Part], weights: Mapping[str, Sequence[float]]) -> None:
        self.parts, self.weights = tuple(parts), {name: list(each) for name, each in weights.items()}

    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """texts (B) -> log-chances (B, K) of each output's labels, float64."""
        answers = [part.answer(texts) for part in self.parts]
        return {name: blend([one[name] for one in answers], each) for name, each in self.weights.items()}
