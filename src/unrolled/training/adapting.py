"""Learning while reading: dynamic evaluation (Krause et al. 2018, arXiv 1709.07432).

A stretch is scored, then learnt from, never the other way round. What is learnt is pulled back towards the trained
weights, so that a change of subject does not leave the model lost. The model that is given is never changed.
Of a mixture the learnt part learns, by its own score: of what it was trained on, the counts know each word, and the
mixture's score would say nothing of how large its gradients are elsewhere.
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

from unrolled.data.corpus import Corpus
from unrolled.data.windows import make_batches, part_rows
from unrolled.metrics.surprise import Score, evaluate
from unrolled.model.mixture import Mixture
from unrolled.states import State, detach

Floats: TypeAlias = NDArray[np.float64]

STRETCH = 32  # steps that are scored before they are learnt from
RATES = (5e-5, 1e-4, 2e-4, 4e-4)
PULLS = (0.01, 0.003, 0.03)  # the first is the one with which rates are tried
GATHERED = 200  # stretches of the training part whose gradients are gathered
CHOSEN_ON = 20_000  # symbols of the validation part that rate and pull are chosen on, at most
TINY = 1e-8


@dataclass(frozen=True)
class Adapting:
    """θ ← θ − rate · g / r + pull · (θ₀ − θ) · r / mean r, where a pull is 1 at most.

    g is the gradient of a stretch's mean loss; r, for each weight, the root of its mean square over stretches of the
    training part; θ₀ the trained weights. At rate 0 nothing is learnt.
    """

    rate: float
    pull: float
    spread: tuple[Tensor, ...]  # r of each parameter


class Learning:
    """A copy of a model that learns from what it has read. It reads one row at a time, by `start` and `unroll`.

    What it is asked to read next tells it the answers to what it read before: from these it learns first, then it
    answers. So no answer depends on what it is to foresee, however it is called.
    """

    def __init__(self, model: nn.Module, adapting: Adapting) -> None:
        self.adapting = adapting
        self.model: Any = copy.deepcopy(model).eval().requires_grad_(True)
        self._weights = learning_weights(self.model)
        self._trained = [weight.detach().clone() for weight in self._weights]
        mean = torch.cat([r.flatten() for r in adapting.spread]).mean() + TINY
        self._pulls = [(adapting.pull * r / mean).clamp_max(1.0) for r in adapting.spread]
        self._read: tuple[Tensor, list[Tensor]] | None = None  # symbols (1, T) read last, and what is learnt from

    def start(self, rows: int) -> State:
        """The state before a document; what was learnt is kept."""
        self._learn(None)
        return self.model.start(rows)

    def unroll(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """symbols (1, T) -> logits (1, T, V) by what was learnt before them; and the state after."""
        self._learn(symbols[:, :1])
        with torch.enable_grad():
            logits, learnt, state = answer(self.model, symbols, state)
        self._read = symbols, learnt
        return logits.detach(), detach(state)

    def _learn(self, following: Tensor | None) -> None:
        """Learns from what was read last, whose last answer is `following` (1, 1) where the document goes on."""
        if self._read is None or not self.adapting.rate:
            return
        (symbols, learnt), self._read = self._read, None
        answers = symbols[:, 1:] if following is None else torch.cat([symbols[:, 1:], following], dim=1)
        if not answers.numel():
            return
        with torch.enable_grad():
            loss = own_losses([logits[:, : answers.shape[1]] for logits in learnt], answers[0])
        found = torch.autograd.grad(loss, self._weights, allow_unused=True)
        with torch.no_grad():
            columns = zip(self._weights, found, self._trained, self.adapting.spread, self._pulls, strict=True)
            for weight, gradient, trained, spread, pull in columns:
                if gradient is not None:
                    weight.addcdiv_(gradient, spread + TINY, value=-self.adapting.rate)
                weight.add_(pull * (trained - weight))


def answer(model: Any, symbols: Tensor, state: State) -> tuple[Tensor, list[Tensor], State]:
    """Logits (1, T, V) of the model and of each part of it that learns, and the state after."""
    if isinstance(model, Mixture):
        answers, state = model.unroll_parts(symbols, state)
        learnt = [logits for part, logits in zip(model.parts, answers, strict=True) if isinstance(part, nn.Module)]
        return model.mix(answers), learnt, state
    logits, state = model.unroll(symbols, state)
    return logits, [logits], state


def learning_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights that learn: all of them; of a mixture those of its parts."""
    return list((model.learnt if isinstance(model, Mixture) else model).parameters())


def own_losses(learnt: Sequence[Tensor], answers: Tensor) -> Tensor:
    """Mean nats of answers (T,) under the logits (1, T, V) of each part, summed, so that each learns by its own."""
    return torch.stack([F.cross_entropy(logits[0], answers.to(logits.device)) for logits in learnt]).sum()


def evaluate_adapted(
    model: nn.Module, adapting: Adapting, rows: Sequence[tuple[Any, Any]], characters: Floats
) -> Score:
    """The score of a text by a copy that learns while it reads it, its stretches one after the other."""
    return evaluate(Learning(model, adapting), rows, characters, chunk=STRETCH, batch=1)


def choose_adapting(model: nn.Module, corpus: Corpus, seed: int) -> Adapting | None:
    """The rate and pull that serve best on the beginning of the validation part; rate 0 where none helps.

    None where the corpus has no validation part.
    """
    if not corpus.targets("validation"):
        return None
    rows = list(part_rows(corpus, "validation", CHOSEN_ON))
    spread = gather_spread(model, corpus, seed)

    def nats(rate: float, pull: float) -> float:
        return evaluate_adapted(model, Adapting(rate, pull, spread), rows, corpus.table.characters).nats

    first, *others = PULLS
    tried = {(rate, first): nats(rate, first) for rate in (0.0, *RATES)}
    best, _ = min(tried, key=lambda at: tried[at])
    if best:
        tried |= {(best, pull): nats(best, pull) for pull in others}
    return Adapting(*min(tried, key=lambda at: tried[at]), spread)


def gather_spread(model: nn.Module, corpus: Corpus, seed: int) -> tuple[Tensor, ...]:
    """For each weight the root of its gradient's mean square, over stretches from all over the training part.

    At least the mean of its tensor's, so that no weight moves further than is usual for its like.
    """
    reader: Any = copy.deepcopy(model).eval().requires_grad_(True)
    weights = learning_weights(reader)
    squares = [torch.zeros_like(weight) for weight in weights]
    batch = make_batches(corpus, "training", GATHERED, 2 * STRETCH, seed).batch(0)
    count = 0
    for inputs, targets, length in zip(batch.inputs, batch.targets, batch.lengths.tolist(), strict=True):
        if not length:
            continue
        before = min(STRETCH, length // 2)  # read so that the state is one from amid a text
        with torch.no_grad():
            _, state = reader.unroll(inputs[None, :before], reader.start(1))
        with torch.enable_grad():
            _, learnt, _ = answer(reader, inputs[None, before:length], state)
            loss = own_losses(learnt, targets[before:length])
        for square, gradient in zip(squares, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            if gradient is not None:
                square += gradient.detach() ** 2
        count += 1
    roots = [(square / max(1, count)).sqrt() for square in squares]
    usual = torch.cat([root.flatten() for root in roots]).mean()
    # what was hardly ever met, a rare symbol's embedding, would be thrown far by its first gradient
    return tuple(root.clamp_min(float(root.mean() or usual)) for root in roots)
