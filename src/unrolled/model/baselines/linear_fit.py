"""How the linear model is fitted, within a deadline.

Of texts on bags of n-grams (the idea of fastText, Joulin et al. 2017, fitted to the end by L-BFGS instead of a few
readings); of labels weights may be scaled by each n-gram's log-count ratio (Wang & Manning 2012). Of numbers on the
numbers. Scaling and penalty are chosen on the validation part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.features import Features
from unrolled.data.intake import Intake
from unrolled.data.outputs import Output, ValueOutput
from unrolled.data.words import given_words
from unrolled.deadline import ENDLESS, Deadline
from unrolled.model.baselines.linear import Fitted, LinearModel
from unrolled.model.baselines.linear_descent import MANY_LABELS, Rows, descend, in_pieces, misfit_of
from unrolled.model.baselines.linear_features import Bagged, BagLook, Look, Looked, NumberLook
from unrolled.model.baselines.ngram_features import BAGS

TRIES = ((True, 0.1), (False, 0.1), (True, 0.3), (True, 0.03), (False, 0.3), (False, 0.03), (True, 1.0))
"""Whether weights are scaled by log-count ratios, and the penalty of the squared weights: what serves most often
first, for there may be no time for all. Each goes on from where the last of its scaling ended."""
TAG_TRIES = ((True, 0.1), (True, 0.03), (True, 0.3), (True, 1.0), (False, 0.1), (False, 0.03))
"""Of tags, where a try takes long and scaled weights do better from the first one on (docs/results/tables.md)."""
NUMBER_TRIES = ((False, 1.0), (False, 10.0), (False, 100.0), (False, 0.1))
ITERATIONS = 40  # of L-BFGS for each
MOST = 10_000_000  # n-grams, each row's counted, that are fitted on
MOST_NUMBERS = 60_000_000  # likewise
MOST_WEIGHTS = 1 << 26
FEW_WEIGHTS = 1 << 21  # as many are always allowed; more where there are n-grams to fit them on
MOST_PRODUCTS = 2_000_000_000  # of an n-gram or number of a row with a label's weight, in one look at all rows
MOST_WORK = 50_000_000_000  # of them in all tries; a first one is made whatever it takes
FEWEST_ITERATIONS = 8
LOOKING = 0.35  # share of the time for looking at rows; the rest is for fitting
SPEED = 200_000_000  # products a second, about
LOOKS = 12  # at all rows that there is to be time for; rows are fewer otherwise
FEWEST_ROWS = 1_000  # that are fitted on, however short the time
SMOOTHING = 1.0  # added to the counts of a log-count ratio
LEAST_SPREAD = 1e-3  # of a value's error, in deviations


Lessons = tuple[Sequence[Any], Mapping[str, NDArray[Any]]]  # items, and the answers of each output


def fit_linear(
    units: str, training: Lessons, validation: Lessons, outputs: Mapping[str, Output], intake: Intake, seed: int,
    deadline: Deadline = ENDLESS,
) -> LinearModel:  # fmt: skip
    """Fits on items and answers of the training part; scaling and penalty are those that serve validation best.

    units: "characters" or "words", with an answer a text; "neighbours", with an answer a word; "numbers" where the
    intake gives numbers. Where the deadline is near, on fewer rows, by fewer iterations, with fewer penalties tried;
    `about` says where that was so.
    """
    items, answers = training
    each = any(output.each for output in outputs.values())
    widest = max(_width(output) for output in outputs.values())
    chosen, grams, about = _sample(units, items, intake, seed, widest, deadline)
    some = [items[row] for row in chosen]
    look: Look
    seen: Looked
    if isinstance(intake, Features):
        look, seen = NumberLook.learn(each, some, intake)
    else:
        most = min(MOST_WEIGHTS, max(FEW_WEIGHTS, 2 * grams))
        look, seen = BagLook.learn(units, some, most // widest)
    deadline.check()
    lessons = Rows(seen, {name: torch.from_numpy(one) for name, one in _chosen(answers, items, chosen, each).items()})
    examined, of_examined = _to_examine(validation, len(chosen), each, deadline)
    exam = Rows(look(examined), {name: torch.from_numpy(one) for name, one in of_examined.items()})
    fitted, cut = {}, False
    for place, (name, output) in enumerate(outputs.items()):
        own = deadline.share(1 / (len(outputs) - place))
        one, short = _fit_output(lessons, exam, name, look.size, output, own)
        fitted[name], cut = (output.kind, one), cut or short
    unfitted = [name for name, (_, one) in fitted.items() if not one.finite]
    for name in unfitted:  # it says the same of all then, and its name says why
        kind, one = fitted[name]
        spread = None if one.spread is None else torch.zeros_like(one.spread)
        fitted[name] = kind, Fitted(torch.zeros_like(one.weights), torch.zeros_like(one.bias), spread)
    failed = f", which could not be fitted for {', '.join(unfitted)}" if unfitted else ""
    return LinearModel(look, fitted, about + (", stopped early by the time limit" if cut else "") + failed)


def _chosen(
    answers: Mapping[str, NDArray[Any]], items: Sequence[Any], rows: NDArray[np.int64], each: bool
) -> dict[str, NDArray[Any]]:
    """The answers about these rows, or about each of their steps."""
    if not each:
        return {name: one[rows] for name, one in answers.items()}
    counts = np.array([len(given_words(item) if isinstance(item, str) else item) for item in items], np.int64)
    whole = np.zeros(len(items), np.bool_)
    whole[rows] = True
    return {name: one[np.repeat(whole, counts)] for name, one in answers.items()}


def _to_examine(
    validation: Lessons, fitted_on: int, each: bool, deadline: Deadline
) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """The validation part, or with a deadline as many of its rows, spread evenly, as half of those fitted on."""
    items, answers = validation
    most = max(FEWEST_ROWS, fitted_on // 2)
    if deadline.endless or len(items) <= most:
        return list(items), dict(answers)
    rows = np.arange(most) * len(items) // most
    return [items[row] for row in rows.tolist()], _chosen(answers, items, rows, each)


def _width(output: Output) -> int:
    return output.numbers if isinstance(output, ValueOutput) else output.width


def _sample(
    units: str, items: Sequence[Any], intake: Intake, seed: int, widest: int, deadline: Deadline
) -> tuple[NDArray[np.int64], int, str]:
    """Rows to fit on, how many n-grams or numbers they hold, about, and a note where they are not all.

    All, or as many drawn as hold `MOST` n-grams or numbers and make `MOST_PRODUCTS` with the labels; with a deadline
    as many as there is time to look at and to fit on.
    """
    order = np.random.default_rng(seed).permutation(len(items))
    first = [items[row] for row in order[:1000]]
    started = time.monotonic()
    if isinstance(intake, Features):
        first = first[:100]
        size = max(1.0, float(np.mean([intake.encode(item).size for item in first])))
        most = MOST_NUMBERS / size
    else:
        size = max(1.0, len(BAGS[units](first).hashes) / max(1, len(first)))
        most = MOST / size
    pace = (time.monotonic() - started) / max(1, len(first))  # seconds a row
    most = min(most, max(FEWEST_ROWS, MOST_PRODUCTS / (size * widest)))
    if not deadline.endless:
        looked_at = LOOKING * deadline.left / max(1e-9, 2 * pace)  # n-grams are sorted, too; numbers scaled
        fitted_on = (1 - LOOKING) * deadline.left * SPEED / (LOOKS * size * widest)
        most = min(most, max(FEWEST_ROWS, min(looked_at, fitted_on)))
    if most >= len(items):
        return np.arange(len(items)), int(size * len(items)), ""
    return np.sort(order[: int(most)]), int(size * most), f", fitted on {int(most):,} rows"


def _fit_output(
    lessons: Rows, exam: Rows, name: str, size: int, output: Output, deadline: Deadline
) -> tuple[Fitted, bool]:
    """The weights that do best on the exam, over scalings and penalties, and whether the deadline made them few.

    Without an exam the first; the first is taken whatever it is worth.
    """
    width, least = _width(output), math.nan
    best = Fitted(torch.zeros(size, width), torch.zeros(width))
    seen, scales = lessons.seen, {False: torch.ones(size, 1)}
    if isinstance(seen, Bagged) and output.kind in ("label", "tags"):
        scales[True] = log_count_ratios(seen, lessons.answers[name], size, width)
    pieces = in_pieces(lessons, name, size, width)
    ends: dict[bool, tuple[Tensor, Tensor]] = {}
    of_kind = NUMBER_TRIES if not isinstance(seen, Bagged) else TAG_TRIES if output.kind == "tags" else TRIES
    tries = [one for one in of_kind if one[0] in scales]
    work = seen.held * width  # of one look at all rows
    most = MOST_WORK if not deadline.endless else most_work(width)
    iterations = min(ITERATIONS, max(FEWEST_ITERATIONS, most // max(1, work)))
    for place, (scaled, penalty) in enumerate(tries):
        if place and (deadline.passed() or place * iterations * work >= most):
            return _with_spread(best, lessons, exam, name, output), deadline.passed()
        if scaled not in ends:
            ends[scaled] = torch.zeros(size, width, requires_grad=True), torch.zeros(width, requires_grad=True)
        weights, bias = ends[scaled]
        whole = descend(pieces, output.kind, scales[scaled], weights, bias, penalty, iterations, deadline)
        with torch.no_grad():
            fitted = Fitted(weights * scales[scaled], bias.clone())
            found = exam.seen.apply(fitted.weights, fitted.bias)
            worth = float(misfit_of(output.kind, found, exam.answers[name]))
        worth = math.inf if math.isnan(worth) else worth  # nothing to be examined on
        if not worth >= least:
            best, least = fitted, worth
        if not whole:
            return _with_spread(best, lessons, exam, name, output), True
    return _with_spread(best, lessons, exam, name, output), False


def most_work(width: int) -> int:
    """Products in all tries where no deadline ends them. Beside its products a look at all rows takes a time that
    grows with the labels, and a training of a few updates is not to wait for minutes for what stands beside it."""
    return MOST_WORK * MANY_LABELS // max(MANY_LABELS, width)


def _with_spread(best: Fitted, lessons: Rows, exam: Rows, name: str, output: Output) -> Fitted:
    """The same, and of values how far off they are."""
    if output.kind != "value":
        return best
    judged = exam if len(exam.answers[name]) else lessons
    off = judged.seen.apply(best.weights, best.bias) - judged.answers[name]
    return Fitted(best.weights, best.bias, off.square().mean(0).sqrt().clamp_min(LEAST_SPREAD).log().float())


def log_count_ratios(bags: Bagged, answers: Tensor, size: int, kinds: int) -> Tensor:
    """How much more often an n-gram stands in rows of a label than in others', in nats, (F, K)."""
    ends = torch.cat([bags.starts[1:], torch.tensor([len(bags.places)])])
    labels = torch.repeat_interleave(answers, ends - bags.starts)
    known = labels >= 0
    counts = torch.bincount((bags.places * kinds + labels)[known], minlength=size * kinds).view(size, kinds).float()
    of_label, of_others = counts + SMOOTHING, counts.sum(1, keepdim=True) - counts + SMOOTHING
    return (of_label / of_label.sum(0)).log() - (of_others / of_others.sum(0)).log()
