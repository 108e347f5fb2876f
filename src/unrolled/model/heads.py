"""From features to an answer, and what a wrong one costs. B rows, T steps, H features, O numbers of an answer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unrolled.memory.base import at_least_float32
from unrolled.model.likelihoods import LIKELIHOODS, is_known


class Head(nn.Module):
    """The numbers of one output's answers. The layer starts small, so that an untrained model knows nothing: of K
    labels its loss is ln K nats, of a number that of the training part's mean and deviation.

    kind: of the output, label, tags, labels or value. weights: what a row of each label counts in training, all 1 if
    left out.
    """

    def __init__(self, size: int, width: int, kind: str = "label", weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.likelihood = LIKELIHOODS[kind]
        self.output = nn.Linear(size, width)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("weights", torch.ones(width) if weights is None else torch.tensor(weights), False)

    def forward(self, features: Tensor) -> Tensor:
        """features (…, H) -> numbers (…, O): logits, log-odds, or means and log-deviations."""
        return at_least_float32(self.output(features))

    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Nats of all answers that are due, (…,) of labels or (…, K) of numbers, under outputs (…, O), summed."""
        weights = self.get_buffer("weights").to(outputs.dtype)
        asked = answers.flatten(0, -2) if answers.is_floating_point() else answers.flatten()
        return self.likelihood.loss(outputs.flatten(0, -2), asked, weights)

    def disagreement(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Nats by which the first half of outputs (2B, …, O) and the second differ where an answer is due, summed."""
        first, second = (half.flatten(0, -2) for half in outputs.chunk(2))
        asked = answers.chunk(2)[0]
        due = is_known(asked.flatten(0, -2) if asked.is_floating_point() else asked.flatten())
        return self.likelihood.disagreement(first[due], second[due]).sum()


def balanced(counts: Sequence[int]) -> list[float]:
    """Weights by which every label counts alike in all, a row one on average."""
    met = [max(1, count) for count in counts]
    return [sum(met) / (len(met) * count) for count in met]
