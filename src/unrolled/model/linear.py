"""The linear model on bags of n-grams: what a net has to beat on short texts, fitted in seconds.

A row's n-grams, each counted once, over the root of their number, times a weight for each label (the idea of
fastText, Joulin et al. 2017, fitted to the end by L-BFGS instead of a few readings). Weights may be scaled by each
n-gram's log-count ratio (Wang & Manning 2012). Scaling and penalty are chosen on the validation part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.tokens import given_words
from unrolled.errors import RunError
from unrolled.model.ngram_bags import BAGS, Bags

TRIES = ((True, 0.1), (False, 0.1), (True, 0.3), (True, 0.03), (False, 0.3), (False, 0.03), (True, 1.0))
"""Whether weights are scaled by log-count ratios, and the penalty of the squared weights: what serves most often
first, for there may be no time for all. Each goes on from where the last of its scaling ended."""
ITERATIONS = 40  # of L-BFGS for each
MOST = 10_000_000  # n-grams, each row's counted, that are fitted on
MOST_WEIGHTS = 1 << 26
CHUNK = 10_000  # rows whose n-grams are found together
SMOOTHING = 1.0  # added to the counts of a log-count ratio


@dataclass(frozen=True)
class Fitted:
    """The weights of one output: K labels, F n-grams."""

    weights: Tensor  # (F, K) float32
    bias: Tensor  # (K,)


class LinearModel:
    """Answers with the log-chances of each output's labels. Made by `fit_linear`."""

    def __init__(self, units: str, known: NDArray[np.uint64], outputs: Mapping[str, Fitted], about: str) -> None:
        self.units = units  # characters, words or neighbours
        self.known = known  # (F,) the n-grams that have weights, rising
        self.outputs = dict(outputs)
        self.about = about

    def describe(self) -> str:
        """What it is, in a few words."""
        return f"linear on {len(self.known):,} n-grams of {self.units}{self.about}"

    def answer(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """texts -> log-chances (A, K) of each output: a text each, or, of neighbours, each of its words."""
        bags = places_in(self.known, BAGS[self.units](texts))
        return {name: F.log_softmax(look_up(bags, one.weights, one.bias), 1) for name, one in self.outputs.items()}

    def tensors(self) -> dict[str, Tensor]:
        """All that a file keeps of it, beside `facts`."""
        kept = {"known": torch.from_numpy(self.known.astype(np.int64))}
        for number, one in enumerate(self.outputs.values()):
            kept |= {f"weights.{number}": one.weights, f"bias.{number}": one.bias}
        return kept

    def facts(self) -> dict[str, Any]:
        """What goes with the tensors."""
        return {"units": self.units, "outputs": list(self.outputs), "about": self.about}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> LinearModel:
        """The model that `tensors` and `facts` are of. Raises RunError where they do not fit."""
        try:
            known = tensors["known"]
            outputs = {
                str(name): Fitted(tensors[f"weights.{number}"], tensors[f"bias.{number}"])
                for number, name in enumerate(facts["outputs"])
            }
            fits = facts["units"] in BAGS and known.dtype == torch.int64 and bool((known[1:] > known[:-1]).all())
            for one in outputs.values():
                fits &= one.weights.shape == (len(known), len(one.bias))
                fits &= bool(one.weights.isfinite().all()) and bool(one.bias.isfinite().all())
        except (KeyError, TypeError, IndexError, AttributeError, RuntimeError):
            fits = False
        if not fits:
            raise RunError("The linear model of this run is damaged: its parts do not fit. Train again.")
        return cls(facts["units"], known.numpy().astype(np.uint64), outputs, str(facts["about"]))


@dataclass(frozen=True)
class Rows:
    """Rows as places among the known n-grams, and their answers."""

    bags: tuple[Tensor, Tensor, Tensor]  # places (N,), where each row begins (B,), its scale (B, 1)
    answers: dict[str, Tensor]  # (B,) of each output, below 0 where not known


def fit_linear(
    units: str,
    training: tuple[Sequence[str], Mapping[str, NDArray[np.int64]]],
    validation: tuple[Sequence[str], Mapping[str, NDArray[np.int64]]],
    kinds: Mapping[str, int],
    seed: int,
    seconds: float | None = None,
) -> LinearModel:
    """Fits on texts and answers of the training part; scaling and penalty are those that serve validation best.

    units: "characters" or "words", with an answer a text; "neighbours", with an answer a word. kinds: labels of each
    output. seconds: about as many as it may take.
    """
    until = None if seconds is None else time.monotonic() + seconds
    texts, answers = training
    chosen, about = _sample(units, texts, seed)
    bags = bag_all(units, [texts[row] for row in chosen])
    if units == "neighbours":
        counts = np.array([len(given_words(text)) for text in texts], np.int64)
        whole = np.zeros(len(texts), np.bool_)
        whole[chosen] = True
        lessons_of = {name: ids[np.repeat(whole, counts)] for name, ids in answers.items()}
    else:
        lessons_of = {name: ids[chosen] for name, ids in answers.items()}
    known = frequent(bags, MOST_WEIGHTS // max(kinds.values()))
    lessons = Rows(places_in(known, bags), {name: torch.from_numpy(ids) for name, ids in lessons_of.items()})
    checked = places_in(known, bag_all(units, list(validation[0])))
    exam = Rows(checked, {name: torch.from_numpy(ids) for name, ids in validation[1].items()})
    outputs = {name: _fit_output(lessons, exam, name, len(known), kinds[name], until) for name in kinds}
    return LinearModel(units, known, outputs, about)


def _sample(units: str, texts: Sequence[str], seed: int) -> tuple[NDArray[np.int64], str]:
    """Rows to fit on: all, or as many drawn as hold `MOST` n-grams."""
    order = np.random.default_rng(seed).permutation(len(texts))
    looked = BAGS[units]([texts[row] for row in order[:1000]])
    most = int(MOST / max(1.0, len(looked.hashes) / max(1, min(1000, len(texts)))))
    if most >= len(texts):
        return np.arange(len(texts)), ""
    return np.sort(order[:most]), f", fitted on {most:,} rows"


def bag_all(units: str, texts: Sequence[str]) -> Bags:
    """The n-grams of all texts, some thousands at a time."""
    parts = [BAGS[units](texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK)]
    before = np.cumsum([0, *(len(part.hashes) for part in parts)])
    starts = [part.starts[:-1] + first for part, first in zip(parts, before, strict=False)]
    return Bags(
        np.concatenate([np.zeros(0, np.uint64), *(p.hashes for p in parts)]), np.concatenate([*starts, before[-1:]])
    )


def frequent(bags: Bags, most: int) -> NDArray[np.uint64]:
    """The n-grams that stand in the most rows, at most so many, rising."""
    known, counts = np.unique(bags.hashes, return_counts=True)
    if len(known) <= most:
        return known
    return np.sort(known[np.argsort(-counts, kind="stable")[:most]])


def places_in(known: NDArray[np.uint64], bags: Bags) -> tuple[Tensor, Tensor, Tensor]:
    """Places of rows' n-grams among the known ones, where each row begins, one over the root of how many it has."""
    place = np.searchsorted(known, bags.hashes)
    there = np.zeros(len(place), np.bool_)
    if len(known):
        there = known[np.minimum(place, len(known) - 1)] == bags.hashes
    before = np.concatenate([[0], np.cumsum(there)])
    starts = before[bags.starts]  # (B + 1,)
    scale = 1 / np.sqrt(np.maximum(np.diff(bags.starts), 1))
    return (
        torch.from_numpy(place[there]),
        torch.from_numpy(starts[:-1]),
        torch.from_numpy(scale.astype(np.float32))[:, None],
    )


def look_up(bags: tuple[Tensor, Tensor, Tensor], weights: Tensor, bias: Tensor) -> Tensor:
    """Logits (B, K): the sum of each row's weights, scaled, and the bias."""
    places, starts, scale = bags
    if not len(places):
        return bias.expand(len(starts), -1)
    return F.embedding_bag(places, weights, starts, mode="sum") * scale + bias


def _fit_output(lessons: Rows, exam: Rows, name: str, size: int, kinds: int, until: float | None) -> Fitted:
    """The weights that do best on the exam, over scalings and penalties; without an exam the first."""
    answers, best, least = lessons.answers[name], Fitted(torch.zeros(size, kinds), torch.zeros(kinds)), math.nan
    scales = {True: log_count_ratios(lessons, name, size, kinds), False: torch.ones(size, kinds)}
    ends = {
        scaled: (torch.zeros(size, kinds, requires_grad=True), torch.zeros(kinds, requires_grad=True))
        for scaled in scales
    }
    for scaled, penalty in TRIES:
        if not math.isnan(least) and until is not None and time.monotonic() > until:
            break
        weights, bias = ends[scaled]
        _descend(lessons.bags, answers, scales[scaled], weights, bias, penalty)
        with torch.no_grad():
            fitted = Fitted(weights * scales[scaled], bias.clone())
            logits = look_up(exam.bags, fitted.weights, fitted.bias)
            nats = float(F.cross_entropy(logits, exam.answers[name], ignore_index=-1))
        nats = math.inf if math.isnan(nats) else nats  # nothing to be examined on
        if not nats >= least:  # the first is taken whatever it is worth
            best, least = fitted, nats
    return best


def log_count_ratios(lessons: Rows, name: str, size: int, kinds: int) -> Tensor:
    """How much more often an n-gram stands in rows of a label than in others', in nats, (F, K)."""
    places, starts, _ = lessons.bags
    ends = torch.cat([starts[1:], torch.tensor([len(places)])])
    labels = torch.repeat_interleave(lessons.answers[name], ends - starts)
    known = labels >= 0
    counts = torch.bincount((places * kinds + labels)[known], minlength=size * kinds).view(size, kinds).float()
    of_label, of_others = counts + SMOOTHING, counts.sum(1, keepdim=True) - counts + SMOOTHING
    return (of_label / of_label.sum(0)).log() - (of_others / of_others.sum(0)).log()


def _descend(
    bags: tuple[Tensor, Tensor, Tensor], answers: Tensor, scale: Tensor, weights: Tensor, bias: Tensor, penalty: float
) -> None:
    """Moves weights and bias to the least of the mean nats and the penalty, by L-BFGS."""
    rows = len(answers)
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=ITERATIONS, history_size=8, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        nats = F.cross_entropy(look_up(bags, weights * scale, bias), answers, ignore_index=-1)
        whole = nats + penalty / (2 * rows) * (weights**2).sum()
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    optimiser.step(loss)  # type: ignore[no-untyped-call]
