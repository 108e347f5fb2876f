"""Dynamic evaluation: a model adapts to the text that it scores (Krause et al. 2018, arXiv 1709.07432).

A segment is scored first, then the model is updated on it. The weights are pulled back towards the trained ones, so
that the model recovers from a change of subject. The given model is never changed.
In an ensemble the trained members adapt, each by its own loss: the n-gram has counted the training text, so the
ensemble's loss there would say nothing about the size of the gradients elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.text.batches import make_batches, split_rows
from unrolled.data.text.corpus import Corpus
from unrolled.metrics.surprise import Score, evaluate
from unrolled.model.mixture import Mixture
from unrolled.states import State, detach

Floats: TypeAlias = NDArray[np.float64]

SEGMENT = 32  # steps of a segment
RATES = (5e-5, 1e-4, 2e-4, 4e-4)
PULLS = (0.01, 0.003, 0.03)  # rates are tried with the first
GATHERED = 200  # segments of the training split for the statistics of gradients
CHOSEN_ON = 20_000  # tokens of the validation split on which rate and pull are chosen, at most
TINY = 1e-8


@dataclass(frozen=True)
class Adaptation:
    """θ ← θ − rate · g / r + pull · (θ₀ − θ) · r / mean r, with pull · r / mean r at most 1.

    g is the gradient of a segment's mean loss; r, for each weight, the root mean square of its gradient over segments
    of the training split; θ₀ the trained weights. At rate 0 nothing changes.
    """

    rate: float
    pull: float
    spread: tuple[Tensor, ...]  # r of each parameter


class AdaptingModel:
    """A copy of a model that adapts to the text it is run over, one row at a time, by `start` and `unroll`.

    The next input contains the last target of the previous segment: the model is updated on that segment first, then
    it predicts. So no prediction depends on its target, whatever the segments.
    """

    def __init__(self, model: nn.Module, adaptation: Adaptation) -> None:
        self.adaptation = adaptation
        self.model: Any = copy.deepcopy(model).eval().requires_grad_(True)
        self._weights = learning_weights(self.model)
        self._trained = [weight.detach().clone() for weight in self._weights]
        mean = torch.cat([r.flatten() for r in adaptation.spread]).mean() + TINY
        self._pulls = [(adaptation.pull * r / mean).clamp_max(1.0) for r in adaptation.spread]
        self._last: tuple[Tensor, list[Tensor]] | None = None  # tokens (1, T) of the last segment, and its logits

    def start(self, rows: int) -> State:
        """The initial state of a document; the adapted weights are kept."""
        self._learn(None)
        return self.model.start(rows)

    def unroll(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (1, T) -> logits (1, T, V) by the weights adapted so far; and the state after."""
        self._learn(tokens[:, :1])
        with torch.enable_grad():
            logits, trained, state = predict(self.model, tokens, state)
        self._last = tokens, trained
        return logits.detach(), detach(state)

    def _learn(self, following: Tensor | None) -> None:
        """Updates on the last segment; `following` (1, 1): its last target, where the document goes on."""
        if self._last is None or not self.adaptation.rate:
            return
        (tokens, outputs), self._last = self._last, None
        targets = tokens[:, 1:] if following is None else torch.cat([tokens[:, 1:], following], dim=1)
        if not targets.numel():
            return
        with torch.enable_grad():
            loss = own_losses([logits[:, : targets.shape[1]] for logits in outputs], targets[0])
        gradients = torch.autograd.grad(loss, self._weights, allow_unused=True)
        with torch.no_grad():
            columns = zip(self._weights, gradients, self._trained, self.adaptation.spread, self._pulls, strict=True)
            for weight, gradient, trained, spread, pull in columns:
                if gradient is not None:
                    weight.addcdiv_(gradient, spread + TINY, value=-self.adaptation.rate)
                weight.add_(pull * (trained - weight))


def predict(model: Any, tokens: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
    """Logits (1, T, V) of the model and of each of its trained members, and the state after."""
    if isinstance(model, Mixture):
        outputs, state = model.unroll_members(tokens, state)
        pairs = zip(model.members, outputs, strict=True)
        trained = [logits for member, logits in pairs if isinstance(member, nn.Module)]
        return model.mix(outputs), trained, state
    logits, state = model.unroll(tokens, state)
    return logits, [logits], state


def learning_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights that adapt: all of a net's; in an ensemble those of its trained members."""
    return list((model.trained if isinstance(model, Mixture) else model).parameters())


def own_losses(trained: Sequence[Tensor], targets: Tensor) -> Tensor:
    """The sum over members of the mean nats of targets (T,) under each member's logits (1, T, V)."""
    return torch.stack([F.cross_entropy(logits[0], targets.to(logits.device)) for logits in trained]).sum()


def evaluate_adapted(
    model: nn.Module, adaptation: Adaptation, rows: Sequence[tuple[Any, Any]], characters: Floats
) -> Score:
    """The score of a text by a copy of the model that adapts to it, one segment after the other."""
    return evaluate(AdaptingModel(model, adaptation), rows, characters, chunk=SEGMENT, batch=1)


def choose_adapting(model: nn.Module, corpus: Corpus, seed: int) -> Adaptation | None:
    """The best rate and pull on the beginning of the validation split; rate 0 where none helps.

    None where the corpus has no validation split.
    """
    if not corpus.targets("validation"):
        return None
    rows = list(split_rows(corpus, "validation", CHOSEN_ON))
    spread = gather_spread(model, corpus, seed)

    def nats(rate: float, pull: float) -> float:
        return evaluate_adapted(model, Adaptation(rate, pull, spread), rows, corpus.vocabulary.characters).nats

    first, *others = PULLS
    tried = {(rate, first): nats(rate, first) for rate in (0.0, *RATES)}
    best, _ = min(tried, key=lambda at: tried[at])
    if best:
        tried |= {(best, pull): nats(best, pull) for pull in others}
    return Adaptation(*min(tried, key=lambda at: tried[at]), spread)


def gather_spread(model: nn.Module, corpus: Corpus, seed: int) -> tuple[Tensor, ...]:
    """For each weight the root mean square of its gradient, over segments from the whole training split.

    At least the mean over its tensor, so that no weight moves much further than the others of its tensor.
    """
    adapted: Any = copy.deepcopy(model).eval().requires_grad_(True)
    weights = learning_weights(adapted)
    squares = [torch.zeros_like(weight) for weight in weights]
    batch = make_batches(corpus, "training", GATHERED, 2 * SEGMENT, seed).batch(0)
    count = 0
    for inputs, targets, length in zip(batch.inputs, batch.targets, batch.lengths.tolist(), strict=True):
        if not length:
            continue
        before = min(SEGMENT, length // 2)  # steps before the segment, so that its state is not the initial one
        with torch.no_grad():
            _, state = adapted.unroll(inputs[None, :before], adapted.start(1))
        with torch.enable_grad():
            _, trained, _ = predict(adapted, inputs[None, before:length], state)
            loss = own_losses(trained, targets[before:length])
        for square, gradient in zip(squares, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            if gradient is not None:
                square += gradient.detach() ** 2
        count += 1
    roots = [(square / max(1, count)).sqrt() for square in squares]
    usual = torch.cat([root.flatten() for root in roots]).mean()
    # a rare token's embedding has hardly any gradient here; its first one would move it far
    return tuple(root.clamp_min(float(root.mean() or usual)) for root in roots)
