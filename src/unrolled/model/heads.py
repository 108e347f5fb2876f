"""From features to an answer, and what a wrong one costs. B rows, T steps, H features, K kinds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory.base import at_least_float32

NOT_ASKED = -100  # as an answer: none is due


class LabelHead(nn.Module):
    """One of K labels. The layer starts small, so that an untrained model's loss is ln K nats a row.

    weights: what a row of each label counts in training, all 1 if left out.
    """

    def __init__(self, size: int, kinds: int, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.kinds = kinds
        self.output = nn.Linear(size, kinds)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("weights", torch.ones(kinds) if weights is None else torch.tensor(weights), False)

    def forward(self, features: Tensor) -> Tensor:
        """features (…, H) -> logits (…, K)."""
        return at_least_float32(self.output(features))

    def loss(self, logits: Tensor, answers: Tensor) -> Tensor:
        """Nats of answers (N,) under logits (N, K), summed over all that are asked for."""
        weights = self.get_buffer("weights").to(logits.dtype)
        return F.cross_entropy(logits, answers, weight=weights, ignore_index=NOT_ASKED, reduction="sum")


def balanced(counts: Sequence[int]) -> list[float]:
    """Weights by which every label counts alike in all, a row one on average."""
    met = [max(1, count) for count in counts]
    return [sum(met) / (len(met) * count) for count in met]
