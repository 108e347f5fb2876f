"""The linear model: what a net has to beat on short texts, fitted in seconds.

Of texts on bags of n-grams (the idea of fastText, Joulin et al. 2017, fitted to the end by L-BFGS instead of a few
readings); of labels weights may be scaled by each n-gram's log-count ratio (Wang & Manning 2012). Of numbers on the
numbers. Scaling and penalty are chosen on the validation part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.features import Features
from unrolled.data.intake import Intake
from unrolled.data.items import Item
from unrolled.data.outputs import Output, ValueOutput
from unrolled.data.words import given_words
from unrolled.errors import RunError
from unrolled.model.likelihoods import is_known
from unrolled.model.looks import Bagged, BagLook, Look, Looked, NumberLook, Sloped, look_from_tensors
from unrolled.model.ngram_bags import BAGS

TRIES = ((True, 0.1), (False, 0.1), (True, 0.3), (True, 0.03), (False, 0.3), (False, 0.03), (True, 1.0))
"""Whether weights are scaled by log-count ratios, and the penalty of the squared weights: what serves most often
first, for there may be no time for all. Each goes on from where the last of its scaling ended."""
TAG_TRIES = ((True, 0.1), (True, 0.03), (True, 0.3), (True, 1.0), (False, 0.1), (False, 0.03))
"""Of tags, where a try takes long and scaled weights do better from the first one on (docs/results.md)."""
NUMBER_TRIES = ((False, 1.0), (False, 10.0), (False, 100.0), (False, 0.1))
ITERATIONS = 40  # of L-BFGS for each
MOST = 10_000_000  # n-grams, each row's counted, that are fitted on
MOST_NUMBERS = 60_000_000  # likewise
MOST_WEIGHTS = 1 << 26
SMOOTHING = 1.0  # added to the counts of a log-count ratio
LEAST_SPREAD = 1e-3  # of a value's error, in deviations


@dataclass(frozen=True)
class Fitted:
    """The weights of one output: K numbers, F features."""

    weights: Tensor  # (F, K) float32
    bias: Tensor  # (K,)
    spread: Tensor | None = None  # (K,) log-deviation of a value's error

    @property
    def finite(self) -> bool:
        """Whether all of them could be found."""
        kept = (self.weights, self.bias, *([] if self.spread is None else [self.spread]))
        return all(bool(one.isfinite().all()) for one in kept)

    def say(self, rows: Looked) -> Tensor:
        """What is said of rows (R, O): log-chances, log-odds, or means and log-deviations."""
        found = rows.apply(self.weights, self.bias)
        return found if self.spread is None else torch.cat([found, self.spread.expand(len(found), -1)], 1)


class LinearModel:
    """Answers with what it says of each output. Made by `fit_linear`."""

    def __init__(self, look: Look, outputs: Mapping[str, tuple[str, Fitted]], about: str) -> None:
        self.look = look
        self.outputs = dict(outputs)  # name -> kind, weights
        self.about = about

    def describe(self) -> str:
        """What it is, in a few words."""
        return self.look.describe() + self.about

    def answer(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> what is said (A, O) of each output: an item each, or each of its steps."""
        rows = self.look(items)
        found = {name: one.say(rows) for name, (_, one) in self.outputs.items()}
        return {
            name: F.log_softmax(said, 1) if self.outputs[name][0] in ("label", "tags") else said
            for name, said in found.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """All that a file keeps of it, beside `facts`."""
        kept = self.look.tensors()
        for number, (_, one) in enumerate(self.outputs.values()):
            kept |= {f"weights.{number}": one.weights, f"bias.{number}": one.bias}
            if one.spread is not None:
                kept[f"spread.{number}"] = one.spread
        return kept

    def facts(self) -> dict[str, Any]:
        """What goes with the tensors."""
        kinds = {name: kind for name, (kind, _) in self.outputs.items()}
        return {**self.look.facts(), "outputs": list(self.outputs), "kinds": kinds, "about": self.about}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], intake: Intake) -> LinearModel:
        """The model that `tensors` and `facts` are of. Raises RunError where they do not fit."""
        try:
            look = look_from_tensors(tensors, facts, intake)
            outputs, fits = {}, True
            for number, name in enumerate(facts["outputs"]):
                kind = str(facts.get("kinds", {}).get(name, "label"))  # an older run has labels alone
                one = Fitted(tensors[f"weights.{number}"], tensors[f"bias.{number}"], tensors.get(f"spread.{number}"))
                fits &= one.weights.shape == (look.size, len(one.bias)) and (one.spread is not None) == (
                    kind == "value"
                )
                fits &= bool(one.weights.isfinite().all()) and bool(one.bias.isfinite().all())
                fits &= one.spread is None or (
                    one.spread.shape == one.bias.shape and bool(one.spread.isfinite().all())
                )
                outputs[str(name)] = kind, one
            about = str(facts["about"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            fits = False
        if not fits:
            raise RunError("The linear model of this run is damaged: its parts do not fit. Train again.")
        return cls(look, outputs, about)


@dataclass(frozen=True)
class Rows:
    """Rows as a linear model sees them, and their answers."""

    seen: Looked
    answers: dict[str, Tensor]  # of each output (R,) below 0 where not known, or (R, K)


Lessons = tuple[Sequence[Any], Mapping[str, NDArray[Any]]]  # items, and the answers of each output


def fit_linear(
    units: str, training: Lessons, validation: Lessons, outputs: Mapping[str, Output], intake: Intake, seed: int,
    seconds: float | None = None,
) -> LinearModel:  # fmt: skip
    """Fits on items and answers of the training part; scaling and penalty are those that serve validation best.

    units: "characters" or "words", with an answer a text; "neighbours", with an answer a word; "numbers" where the
    intake gives numbers. seconds: about as many as it may take.
    """
    until = None if seconds is None else time.monotonic() + seconds
    items, answers = training
    each = any(output.each for output in outputs.values())
    chosen, about = _sample(units, items, intake, seed)
    some = [items[row] for row in chosen]
    widest = max(_width(output) for output in outputs.values())
    look: Look
    seen: Looked
    if isinstance(intake, Features):
        look, seen = NumberLook.learn(each, some, intake)
    else:
        look, seen = BagLook.learn(units, some, MOST_WEIGHTS // widest)
    if each:
        counts = np.array([len(given_words(item) if isinstance(item, str) else item) for item in items], np.int64)
        whole = np.zeros(len(items), np.bool_)
        whole[chosen] = True
        answers = {name: one[np.repeat(whole, counts)] for name, one in answers.items()}
    else:
        answers = {name: one[chosen] for name, one in answers.items()}
    lessons = Rows(seen, {name: torch.from_numpy(one) for name, one in answers.items()})
    exam = Rows(look(list(validation[0])), {name: torch.from_numpy(one) for name, one in validation[1].items()})
    fitted = {
        name: (output.kind, _fit_output(lessons, exam, name, look.size, output, until))
        for name, output in outputs.items()
    }
    unfitted = [name for name, (_, one) in fitted.items() if not one.finite]
    for name in unfitted:  # it says the same of all then, and its name says why
        kind, one = fitted[name]
        spread = None if one.spread is None else torch.zeros_like(one.spread)
        fitted[name] = kind, Fitted(torch.zeros_like(one.weights), torch.zeros_like(one.bias), spread)
    failed = f", which could not be fitted for {', '.join(unfitted)}" if unfitted else ""
    return LinearModel(look, fitted, about + failed)


def _width(output: Output) -> int:
    return output.numbers if isinstance(output, ValueOutput) else output.width


def _sample(units: str, items: Sequence[Any], intake: Intake, seed: int) -> tuple[NDArray[np.int64], str]:
    """Rows to fit on: all, or as many drawn as hold `MOST` n-grams or numbers."""
    order = np.random.default_rng(seed).permutation(len(items))
    first = [items[row] for row in order[:1000]]
    if isinstance(intake, Features):
        most = int(MOST_NUMBERS / max(1.0, float(np.mean([intake.encode(item).size for item in first[:100]]))))
    else:
        most = int(MOST / max(1.0, len(BAGS[units](first).hashes) / max(1, len(first))))
    if most >= len(items):
        return np.arange(len(items)), ""
    return np.sort(order[:most]), f", fitted on {most:,} rows"


def _fit_output(lessons: Rows, exam: Rows, name: str, size: int, output: Output, until: float | None) -> Fitted:
    """The weights that do best on the exam, over scalings and penalties; without an exam the first."""
    width, least = _width(output), math.nan
    best = Fitted(torch.zeros(size, width), torch.zeros(width))
    seen, scales = lessons.seen, {False: torch.ones(size, 1)}
    if isinstance(seen, Bagged) and output.kind in ("label", "tags"):
        scales[True] = log_count_ratios(seen, lessons.answers[name], size, width)
    descended = replace(lessons, seen=Sloped.of(seen, size)) if isinstance(seen, Bagged) else lessons
    ends = {
        scaled: (torch.zeros(size, width, requires_grad=True), torch.zeros(width, requires_grad=True))
        for scaled in scales
    }
    tries = NUMBER_TRIES if not isinstance(seen, Bagged) else TAG_TRIES if output.kind == "tags" else TRIES
    for scaled, penalty in tries:
        if scaled not in scales:
            continue
        if not math.isnan(least) and until is not None and time.monotonic() > until:
            break
        weights, bias = ends[scaled]
        _descend(descended, name, output.kind, scales[scaled], weights, bias, penalty)
        with torch.no_grad():
            fitted = Fitted(weights * scales[scaled], bias.clone())
            found = exam.seen.apply(fitted.weights, fitted.bias)
            worth = float(_misfit(output.kind, found, exam.answers[name]))
        worth = math.inf if math.isnan(worth) else worth  # nothing to be examined on
        if not worth >= least:  # the first is taken whatever it is worth
            best, least = fitted, worth
    if output.kind == "value":
        judged = exam if len(exam.answers[name]) else lessons
        off = judged.seen.apply(best.weights, best.bias) - judged.answers[name]
        best = Fitted(best.weights, best.bias, off.square().mean(0).sqrt().clamp_min(LEAST_SPREAD).log().float())
    return best


def _misfit(kind: str, found: Tensor, answers: Tensor) -> Tensor:
    """Mean nats of labels; half the squared distance of values."""
    if kind in ("label", "tags"):
        return F.cross_entropy(found, answers, ignore_index=-1)
    known = is_known(answers)
    found, answers = found[known], answers[known].to(found.dtype)
    if kind == "labels":
        return F.binary_cross_entropy_with_logits(found, answers, reduction="none").sum(1).mean()
    return 0.5 * (found - answers).square().sum(1).mean()


def log_count_ratios(bags: Bagged, answers: Tensor, size: int, kinds: int) -> Tensor:
    """How much more often an n-gram stands in rows of a label than in others', in nats, (F, K)."""
    ends = torch.cat([bags.starts[1:], torch.tensor([len(bags.places)])])
    labels = torch.repeat_interleave(answers, ends - bags.starts)
    known = labels >= 0
    counts = torch.bincount((bags.places * kinds + labels)[known], minlength=size * kinds).view(size, kinds).float()
    of_label, of_others = counts + SMOOTHING, counts.sum(1, keepdim=True) - counts + SMOOTHING
    return (of_label / of_label.sum(0)).log() - (of_others / of_others.sum(0)).log()


def _descend(
    lessons: Rows, name: str, kind: str, scale: Tensor, weights: Tensor, bias: Tensor, penalty: float
) -> None:
    """Moves weights and bias to the least of the mean misfit and the penalty, by L-BFGS."""
    rows = len(lessons.answers[name])
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=ITERATIONS, history_size=8, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        misfit = _misfit(kind, lessons.seen.apply(weights * scale, bias), lessons.answers[name])
        whole = misfit + penalty / (2 * rows) * (weights**2).sum()
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    optimiser.step(loss)  # type: ignore[no-untyped-call]
