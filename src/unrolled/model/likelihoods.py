"""Predictive distributions of the output kinds: their nats, losses and log-linear combination.

A rows or steps. Labels: log-probabilities (A, K). Label sets: log-odds (A, K), or with softmax log-probabilities.
Values: means and then log standard deviations of normal distributions (A, 2K), in standard deviations of the training
split. Members of an ensemble are combined as p ∝ Π p_i^w_i, which keeps each of these forms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_LOG_STD = 7.0  # bound of a log standard deviation: from e^-7 to e^7 standard deviations of the training split
BETA = 0.5  # exponent of the variance by which a number's nats are weighted in training (beta-NLL)
HALF = 0.5  # threshold of a set's labels: a probability, or a share of the largest one
LEAST = 1e-9  # lower bound of an ensemble's precision


class Likelihood(ABC):
    """The distribution of one kind of output. A subclass is final."""

    @abstractmethod
    def to_predictions(self, outputs: Tensor) -> Tensor:
        """Turn a head's numbers (…, O) into predictions."""

    @abstractmethod
    def nats(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Nats (A,) of targets, all of them known."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Nats of the known targets under a head's numbers (N, O), summed. weights: of each label."""

    def smoothed(self, share: float) -> Likelihood:
        """The same with label smoothing in training: `share` of a target's weight is spread over all labels (Szegedy
        et al. 2016). Itself, where targets are not single labels."""
        return self

    @abstractmethod
    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """KL divergence (N,) in nats of two heads' numbers (N, O), the mean of both directions (Jeffreys)."""

    @abstractmethod
    def combine(self, predicted: Tensor, weights: Tensor) -> Tensor:
        """Combine the predictions (P, A, O) of P members with weights (P,): (A, O)."""


class Categorical(Likelihood):
    """One of K labels."""

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def smoothed(self, share: float) -> Likelihood:
        return Categorical(share)

    def to_predictions(self, outputs: Tensor) -> Tensor:
        return outputs.log_softmax(-1)

    def nats(self, predicted: Tensor, targets: Tensor) -> Tensor:
        return -predicted.gather(1, targets[:, None])[:, 0]

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The value is in nats; the gradient has the label smoothing."""
        nats = F.cross_entropy(outputs, targets, weight=weights, ignore_index=-100, reduction="sum")
        if not self.smoothing:
            return nats
        smooth = F.cross_entropy(
            outputs, targets, weights, ignore_index=-100, reduction="sum", label_smoothing=self.smoothing
        )
        return smooth + (nats - smooth).detach()

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        p, q = first.log_softmax(-1), second.log_softmax(-1)
        return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(-1)

    def combine(self, predicted: Tensor, weights: Tensor) -> Tensor:
        return (weights[:, None, None] * predicted).sum(0).log_softmax(1)


class LabelSets(Likelihood):
    """Any of K labels. A subclass is final."""

    @abstractmethod
    def probabilities(self, predicted: Tensor) -> Tensor:
        """Predictions (A, K) as probabilities."""

    @abstractmethod
    def thresholds(self, probabilities: Tensor) -> Tensor:
        """Probabilities (A, K) -> (A, 1), above which labels are predicted."""

    @abstractmethod
    def confidence(self, predicted: Tensor) -> Tensor:
        """The probability (A,) of the predicted labels."""

    def found(self, predicted: Tensor) -> Tensor:
        """Predictions (A, K) -> (A, K) bool: the predicted labels."""
        probabilities = self.probabilities(predicted)
        return probabilities > self.thresholds(probabilities)


class Bernoulli(LabelSets):
    """Any of K labels, each independently."""

    def probabilities(self, predicted: Tensor) -> Tensor:
        return predicted.sigmoid()

    def thresholds(self, probabilities: Tensor) -> Tensor:
        return torch.full_like(probabilities[:, :1], HALF)

    def confidence(self, predicted: Tensor) -> Tensor:
        """Of the whole set, also of what is not in it."""
        return predicted.abs().sigmoid().log().sum(1).exp()

    def to_predictions(self, outputs: Tensor) -> Tensor:
        return outputs

    def nats(self, predicted: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(predicted, targets.to(predicted.dtype), reduction="none").sum(1)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        known = ~targets.isnan().any(1)
        return self.nats(outputs[known], targets[known]).sum()

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        return 0.5 * ((first.sigmoid() - second.sigmoid()) * (first - second)).sum(-1)

    def combine(self, predicted: Tensor, weights: Tensor) -> Tensor:
        return (weights[:, None, None] * predicted).sum(0)


class SharedSoftmax(LabelSets):
    """Any of K labels, which share a probability of 1: the target of a row with k labels is 1/k for each of them
    (Mahajan et al. 2018, arXiv 1805.00932). What is learnt is which labels come before which, not how many there are.

    Predicted are labels with more than half the probability of the most probable one. So a row has at least one, and
    k labels with 1/k each are all predicted, whatever k is.
    """

    def to_predictions(self, outputs: Tensor) -> Tensor:
        return outputs.log_softmax(-1)

    def probabilities(self, predicted: Tensor) -> Tensor:
        return predicted.exp()

    def thresholds(self, probabilities: Tensor) -> Tensor:
        return HALF * probabilities.amax(1, keepdim=True)

    def confidence(self, predicted: Tensor) -> Tensor:
        """What the predicted labels have together of the probability."""
        return torch.where(self.found(predicted), self.probabilities(predicted), 0.0).sum(1)

    def nats(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy to 1/k each. It is at least ln k."""
        targets = targets.to(predicted.dtype)
        return -(targets * predicted).sum(1) / targets.sum(1).clamp_min(1)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        known = ~targets.isnan().any(1)
        return self.nats(self.to_predictions(outputs[known]), targets[known]).sum()

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        return LIKELIHOODS["classification"].divergence(first, second)

    def combine(self, predicted: Tensor, weights: Tensor) -> Tensor:
        return LIKELIHOODS["classification"].combine(predicted, weights)


class Gaussian(Likelihood):
    """K numbers, each with a mean and a standard deviation."""

    def to_predictions(self, outputs: Tensor) -> Tensor:
        mean, log_std = outputs.chunk(2, -1)
        return torch.cat([mean, MAX_LOG_STD * torch.tanh(log_std / MAX_LOG_STD)], -1)

    def nats(self, predicted: Tensor, targets: Tensor) -> Tensor:
        return self._each(predicted, targets).sum(1)

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The value is in nats; the gradient is weighted by the standard deviation, so that numbers with large errors
        still get a gradient (beta-NLL, Seitzer et al. 2022, beta 1/2)."""
        known = ~targets.isnan().any(1)
        predicted = self.to_predictions(outputs[known])
        nats = self._each(predicted, targets[known])  # (N, K)
        weighted = nats * (2 * BETA * predicted.chunk(2, 1)[1].detach()).exp()
        return weighted.sum() + (nats - weighted).detach().sum()

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        mean, log_std = self.to_predictions(first).chunk(2, -1)  # (N, K)
        other_mean, other_log_std = self.to_predictions(second).chunk(2, -1)
        distance, log_ratio = (mean - other_mean) ** 2, 2 * (log_std - other_log_std)
        precisions = (-2 * log_std).exp() + (-2 * other_log_std).exp()
        return 0.25 * (distance * precisions + log_ratio.exp() + (-log_ratio).exp() - 2).sum(-1)

    def combine(self, predicted: Tensor, weights: Tensor) -> Tensor:
        means, log_stds = predicted.chunk(2, 2)  # (P, A, K)
        precisions = weights[:, None, None] * (-2 * log_stds).exp()
        whole = precisions.sum(0).clamp_min(LEAST)
        return torch.cat([(precisions * means).sum(0) / whole, -0.5 * whole.log()], 1)

    def _each(self, predicted: Tensor, targets: Tensor) -> Tensor:
        mean, log_std = predicted.chunk(2, 1)
        error = (targets.to(predicted.dtype) - mean) * (-log_std).exp()  # in standard deviations
        return 0.5 * error**2 + log_std + 0.5 * math.log(2 * math.pi)


LIKELIHOODS: dict[str, Likelihood] = {
    "classification": Categorical(),
    "tagging": Categorical(),
    "multilabel": Bernoulli(),
    "multilabel-softmax": SharedSoftmax(),
    "regression": Gaussian(),
}
"""By the kind of output; sets of labels have two."""
LABEL_SETS: dict[str, LabelSets] = {name: one for name, one in LIKELIHOODS.items() if isinstance(one, LabelSets)}
"""Those of sets of labels."""


def is_known(targets: Tensor) -> Tensor:
    """Mask (A,) of the known targets (A,) or (A, K)."""
    return ~targets.isnan().any(1) if targets.is_floating_point() else targets >= 0
