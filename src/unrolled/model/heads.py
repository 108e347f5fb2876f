"""Output heads and their losses. B rows, T steps, H features, O numbers per output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unrolled.memory.base import at_least_float32
from unrolled.model.likelihoods import LIKELIHOODS, Gaussian, is_known


class Head(nn.Module):
    """The linear layer of one output. Its weights start small: the loss of an untrained model is ln K nats for K
    labels, and that of the training split's mean and standard deviation for a number.

    kind: of the likelihood, a name in `LIKELIHOODS`, such as "classification". weights: the class weights in
    training, all 1 if left out. smoothing: label smoothing, for single labels.
    """

    def __init__(
        self, size: int, width: int, kind: str = "classification", weights: Sequence[float] | None = None,
        smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.likelihood = LIKELIHOODS[kind].smoothed(smoothing) if smoothing else LIKELIHOODS[kind]
        self.output = nn.Linear(size, width)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("weights", torch.ones(width) if weights is None else torch.tensor(weights), False)

    def forward(self, features: Tensor) -> Tensor:
        """features (…, H) -> numbers (…, O): logits, log-odds, or means and log standard deviations."""
        return at_least_float32(self.output(features))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Nats of the known targets, labels (…,) or numbers (…, K), under outputs (…, O), summed."""
        weights = self.get_buffer("weights").to(outputs.dtype)
        flat = targets.flatten(0, -2) if targets.is_floating_point() else targets.flatten()
        return self.likelihood.loss(outputs.flatten(0, -2), flat, weights)

    @torch.no_grad()
    def rewards(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The reward (B, G) of each row's target, labels (B,) or numbers (B, K), under outputs (B, G, O): the
        probability of the right labels; of numbers d / (1 + d) for their density d. 0 where a row has no target."""
        rows, glimpses = outputs.shape[:2]
        each = targets.repeat_interleave(glimpses, 0)  # (B · G, …)
        known = is_known(each)
        nats = self.likelihood.nats(self.likelihood.to_predictions(outputs.flatten(0, 1))[known], each[known])
        found = outputs.new_zeros(rows * glimpses)
        found[known] = (-nats).sigmoid() if isinstance(self.likelihood, Gaussian) else (-nats).exp()
        return found.view(rows, glimpses)

    def divergence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Divergence in nats of the two halves of outputs (2B, …, O), summed over the known targets."""
        first, second = (half.flatten(0, -2) for half in outputs.chunk(2))
        targets = targets.chunk(2)[0]
        known = is_known(targets.flatten(0, -2) if targets.is_floating_point() else targets.flatten())
        return self.likelihood.divergence(first[known], second[known]).sum()


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Class weights that give every label the same total, with a mean of 1 per row."""
    at_least_one = [max(1, count) for count in counts]
    return [sum(at_least_one) / (len(at_least_one) * count) for count in at_least_one]
