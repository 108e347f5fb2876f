"""What is said of an answer, in numbers: how many nats the right one costs, and how what several say is made one.

A rows or steps. Labels: log-chances (A, K) of each. Label sets: log-odds (A, K) of each. Values: in deviations of the
training part (A, 2K), the means and then the log-deviations of normal distributions. Parts are made one as
p ∝ Π p_i^w_i, which keeps each of these forms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

SURE = 7.0  # log-deviations from e^-7 to e^7: of what a training part's numbers spread
BETA = 0.5  # how far a number's nats are weighed by its deviation in training
LEAST = 1e-9  # of a blend's precision


class Likelihood(ABC):
    """One kind of answer. A subclass is final."""

    @abstractmethod
    def say(self, outputs: Tensor) -> Tensor:
        """A head's numbers (…, O) as what is said."""

    @abstractmethod
    def nats(self, said: Tensor, answers: Tensor) -> Tensor:
        """Nats (A,) of right answers, none of them unknown."""

    @abstractmethod
    def loss(self, outputs: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        """Nats of the answers that are due under a head's numbers (N, O), summed. weights: of each label."""

    @abstractmethod
    def disagreement(self, first: Tensor, second: Tensor) -> Tensor:
        """Nats (N,) by which two heads' numbers (N, O) differ, from either to the other, on average (Jeffreys)."""

    @abstractmethod
    def blend(self, said: Tensor, weights: Tensor) -> Tensor:
        """What P parts say (P, A, O), by weights (P,), made one: (A, O)."""


class Categorical(Likelihood):
    """One of K labels."""

    def say(self, outputs: Tensor) -> Tensor:
        return outputs.log_softmax(-1)

    def nats(self, said: Tensor, answers: Tensor) -> Tensor:
        return -said.gather(1, answers[:, None])[:, 0]

    def loss(self, outputs: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        return F.cross_entropy(outputs, answers, weight=weights, ignore_index=-100, reduction="sum")

    def disagreement(self, first: Tensor, second: Tensor) -> Tensor:
        p, q = first.log_softmax(-1), second.log_softmax(-1)
        return 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(-1)

    def blend(self, said: Tensor, weights: Tensor) -> Tensor:
        return (weights[:, None, None] * said).sum(0).log_softmax(1)


class Bernoulli(Likelihood):
    """Any of K labels, each by itself."""

    def say(self, outputs: Tensor) -> Tensor:
        return outputs

    def nats(self, said: Tensor, answers: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(said, answers.to(said.dtype), reduction="none").sum(1)

    def loss(self, outputs: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        due = ~answers.isnan().any(1)
        return self.nats(outputs[due], answers[due]).sum()

    def disagreement(self, first: Tensor, second: Tensor) -> Tensor:
        return 0.5 * ((first.sigmoid() - second.sigmoid()) * (first - second)).sum(-1)

    def blend(self, said: Tensor, weights: Tensor) -> Tensor:
        return (weights[:, None, None] * said).sum(0)


class Gaussian(Likelihood):
    """K numbers, each with how far off it may be."""

    def say(self, outputs: Tensor) -> Tensor:
        mean, spread = outputs.chunk(2, -1)
        return torch.cat([mean, SURE * torch.tanh(spread / SURE)], -1)

    def nats(self, said: Tensor, answers: Tensor) -> Tensor:
        return self._each(said, answers).sum(1)

    def loss(self, outputs: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
        """The value is nats; the way back weighs them by the deviation, so that numbers that are foreseen badly are
        not given up (Seitzer et al. 2022, beta 1/2)."""
        due = ~answers.isnan().any(1)
        said = self.say(outputs[due])
        nats = self._each(said, answers[due])  # (N, K)
        weighed = nats * (2 * BETA * said.chunk(2, 1)[1].detach()).exp()
        return weighed.sum() + (nats - weighed).detach().sum()

    def disagreement(self, first: Tensor, second: Tensor) -> Tensor:
        (mean, spread), (other, others) = (self.say(one).chunk(2, -1) for one in (first, second))
        apart, wider = (mean - other) ** 2, 2 * (spread - others)  # (N, K)
        precisions = (-2 * spread).exp() + (-2 * others).exp()
        return 0.25 * (apart * precisions + wider.exp() + (-wider).exp() - 2).sum(-1)

    def blend(self, said: Tensor, weights: Tensor) -> Tensor:
        means, spreads = said.chunk(2, 2)  # (P, A, K)
        precisions = weights[:, None, None] * (-2 * spreads).exp()
        whole = precisions.sum(0).clamp_min(LEAST)
        return torch.cat([(precisions * means).sum(0) / whole, -0.5 * whole.log()], 1)

    def _each(self, said: Tensor, answers: Tensor) -> Tensor:
        mean, spread = said.chunk(2, 1)
        off = (answers.to(said.dtype) - mean) * (-spread).exp()
        return 0.5 * off**2 + spread + 0.5 * math.log(2 * math.pi)


LIKELIHOODS: dict[str, Likelihood] = {
    "label": Categorical(),
    "tags": Categorical(),
    "labels": Bernoulli(),
    "value": Gaussian(),
}
"""By the kind of an output."""


def is_known(answers: Tensor) -> Tensor:
    """Which right answers (A,) or (A, K) can be given at all."""
    return ~answers.isnan().any(1) if answers.is_floating_point() else answers >= 0
