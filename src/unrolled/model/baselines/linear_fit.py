"""Fitting the linear model, within a deadline.

For texts the features are bags of n-grams (as in fastText, Joulin et al. 2017, but fitted to convergence by L-BFGS
instead of a few epochs); for label outputs, weights may be scaled by each n-gram's log-count ratio (Wang & Manning
2012). For numbers the features are the numbers. Scaling and penalty are chosen on the validation split.
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

from unrolled.data.cells.words import given_words
from unrolled.data.dataset.outputs import Output, ValueOutput
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.baselines.linear import LinearModel, LinearWeights
from unrolled.model.baselines.linear_descent import (
    MANY_LABELS,
    FeatureExamples,
    mean_loss,
    minimise,
    split_into_chunks,
)
from unrolled.model.baselines.linear_features import (
    BagRows,
    FeatureExtractor,
    FeatureRows,
    NGramFeatures,
    NumberFeatures,
)
from unrolled.model.baselines.ngram_features import BAGS

TRIES = ((True, 0.1), (False, 0.1), (True, 0.3), (True, 0.03), (False, 0.3), (False, 0.03), (True, 1.0))
"""Whether weights are scaled by log-count ratios, and the L2 penalty. The settings that are most often best come
first, because there may be no time for all. Each fit starts at the result of the last with the same scaling."""
TAG_TRIES = ((True, 0.1), (True, 0.03), (True, 0.3), (True, 1.0), (False, 0.1), (False, 0.03))
"""The same for tags: a fit takes long, and scaled weights are better from the first (docs/results/tables.md)."""
NUMBER_TRIES = ((False, 1.0), (False, 10.0), (False, 100.0), (False, 0.1))
FEATURE_TRIES = ((False, 100.0), (False, 1000.0), (False, 10.0), (False, 1.0), (False, 0.1))
"""For features of a pretrained net, of which there are often more than rows (docs/results/images.md)."""
ITERATIONS = 40  # of L-BFGS, per fit
MOST = 10_000_000  # n-grams, summed over rows, that are fitted on
MOST_NUMBERS = 60_000_000  # numbers, likewise
MOST_WEIGHTS = 1 << 26
FEW_WEIGHTS = 1 << 21  # always allowed; more if there are n-grams to fit them on
MOST_PRODUCTS = 2_000_000_000  # of a feature of a row and a label's weight, in one evaluation on all rows
MOST_WORK = 50_000_000_000  # of them in all fits; the first fit is always made
FEWEST_ITERATIONS = 8
FEATURE_TIME = 0.35  # share of the time for computing features; the rest is for fitting
SPEED = 200_000_000  # products per second, about
EVALUATIONS = 12  # on all rows, for which there must be time; otherwise fewer rows are used
FEWEST_ROWS = 1_000  # that are fitted on, even if the time is short
SMOOTHING = 1.0  # added to the counts in a log-count ratio
LEAST_SPREAD = 1e-3  # of a value's error, in standard deviations of the training split


Split = tuple[Sequence[Any], Mapping[str, NDArray[Any]]]  # items, and the targets of each output


def fit_linear(
    units: str, training: Split, validation: Split, outputs: Mapping[str, Output], featurizer: Featurizer, seed: int,
    deadline: Deadline = UNLIMITED,
) -> LinearModel:  # fmt: skip
    """Fit the linear model on the training split; scaling and penalty are chosen on the validation split.

    units: "characters" or "words", for one target per text; "neighbours", for one target per word; "numbers", if the
    featurizer gives numbers. If the deadline is near, fewer rows, iterations and penalties are used, and the model's
    `about` notes that.
    """
    items, targets = training
    each = any(output.each for output in outputs.values())
    widest = max(_width(output) for output in outputs.values())
    chosen, grams, about = _sample(units, items, featurizer, seed, widest, deadline)
    some = [items[row] for row in chosen]
    extractor: FeatureExtractor
    features: FeatureRows
    if isinstance(featurizer, NumericFeaturizer):
        extractor, features = NumberFeatures.fit(each, some, featurizer)
    else:
        most = min(MOST_WEIGHTS, max(FEW_WEIGHTS, 2 * grams))
        extractor, features = NGramFeatures.fit(units, some, most // widest)
    deadline.check()
    train_rows = FeatureExamples(
        features, {name: torch.from_numpy(one) for name, one in _chosen(targets, items, chosen, each).items()}
    )
    held_out_items, held_out_targets = _validation_rows(validation, len(chosen), each, deadline)
    held_out = FeatureExamples(
        extractor(held_out_items), {name: torch.from_numpy(one) for name, one in held_out_targets.items()}
    )
    fitted, cut = {}, False
    pretrained = isinstance(featurizer, NumericFeaturizer) and featurizer.gives_features
    for place, (name, output) in enumerate(outputs.items()):
        own = deadline.share(1 / (len(outputs) - place))
        tries = _tries_for(features, output, pretrained)
        one, short = _fit_output(train_rows, held_out, name, extractor.size, output, tries, own)
        fitted[name], cut = (output.likelihood, one), cut or short
    unfitted = [name for name, (_, one) in fitted.items() if not one.finite]
    for name in unfitted:  # its predictions are then the same for all rows; `about` names the output
        kind, one = fitted[name]
        spread = None if one.spread is None else torch.zeros_like(one.spread)
        fitted[name] = kind, LinearWeights(torch.zeros_like(one.weights), torch.zeros_like(one.bias), spread)
    failed = f", which could not be fitted for {', '.join(unfitted)}" if unfitted else ""
    return LinearModel(extractor, fitted, about + (", stopped early by the time limit" if cut else "") + failed)


def _chosen(
    targets: Mapping[str, NDArray[Any]], items: Sequence[Any], rows: NDArray[np.int64], each: bool
) -> dict[str, NDArray[Any]]:
    """The targets of these rows, or of each of their steps."""
    if not each:
        return {name: one[rows] for name, one in targets.items()}
    counts = np.array([len(given_words(item) if isinstance(item, str) else item) for item in items], np.int64)
    whole = np.zeros(len(items), np.bool_)
    whole[rows] = True
    return {name: one[np.repeat(whole, counts)] for name, one in targets.items()}


def _validation_rows(
    validation: Split, fitted_on: int, each: bool, deadline: Deadline
) -> tuple[list[Any], dict[str, NDArray[Any]]]:
    """The validation split; with a deadline, evenly spaced rows, at most half as many as are fitted on."""
    items, targets = validation
    most = max(FEWEST_ROWS, fitted_on // 2)
    if deadline.unlimited or len(items) <= most:
        return list(items), dict(targets)
    rows = np.arange(most) * len(items) // most
    return [items[row] for row in rows.tolist()], _chosen(targets, items, rows, each)


def _width(output: Output) -> int:
    return output.numbers if isinstance(output, ValueOutput) else output.width


def _sample(
    units: str, items: Sequence[Any], featurizer: Featurizer, seed: int, widest: int, deadline: Deadline
) -> tuple[NDArray[np.int64], int, str]:
    """Choose the rows to fit on; also returns roughly how many n-grams or numbers they hold, and a note if not all.

    A random sample is limited to `MOST` n-grams or numbers and `MOST_PRODUCTS` products with the labels, and with a
    deadline to the rows for which there is time.
    """
    order = np.random.default_rng(seed).permutation(len(items))
    first = [items[row] for row in order[:1000]]
    started = time.monotonic()
    if isinstance(featurizer, NumericFeaturizer):
        first = first[:100]
        size = max(1.0, float(np.mean([steps.size for steps in featurizer.steps(first)])))
        most = MOST_NUMBERS / size
    else:
        size = max(1.0, len(BAGS[units](first).hashes) / max(1, len(first)))
        most = MOST / size
    pace = (time.monotonic() - started) / max(1, len(first))  # seconds per row
    most = min(most, max(FEWEST_ROWS, MOST_PRODUCTS / (size * widest)))
    if not deadline.unlimited:
        # 2: n-grams are sorted, numbers scaled
        for_features = FEATURE_TIME * deadline.seconds_left / max(1e-9, 2 * pace)
        for_fit = (1 - FEATURE_TIME) * deadline.seconds_left * SPEED / (EVALUATIONS * size * widest)
        most = min(most, max(FEWEST_ROWS, min(for_features, for_fit)))
    if most >= len(items):
        return np.arange(len(items)), int(size * len(items)), ""
    return np.sort(order[: int(most)]), int(size * most), f", fitted on {int(most):,} rows"


def _fit_output(
    train_rows: FeatureExamples,
    held_out: FeatureExamples,
    name: str,
    size: int,
    output: Output,
    tries: Sequence[tuple[bool, float]],
    deadline: Deadline,
) -> tuple[LinearWeights, bool]:
    """Fit one output with several scalings and penalties; keep the weights with the least loss on `held_out`.

    Without validation rows the first fit is kept. The second value is True if the deadline stopped the fits.
    """
    width, least = _width(output), math.nan
    best = LinearWeights(torch.zeros(size, width), torch.zeros(width))
    features, scales = train_rows.features, {False: torch.ones(size, 1)}
    if isinstance(features, BagRows) and output.kind in ("classification", "tagging"):
        scales[True] = log_count_ratios(features, train_rows.targets[name], size, width)
    chunks = split_into_chunks(train_rows, name, size, width)
    ends: dict[bool, tuple[Tensor, Tensor]] = {}
    tries = [one for one in tries if one[0] in scales]
    work = features.entry_count * width  # products of one evaluation on all rows
    most = MOST_WORK if not deadline.unlimited else most_work(width)
    iterations = min(ITERATIONS, max(FEWEST_ITERATIONS, most // max(1, work)))
    stopped = False
    for place, (scaled, penalty) in enumerate(tries):
        if place and (deadline.passed() or place * iterations * work >= most):
            stopped = deadline.passed()
            break
        if scaled not in ends:
            ends[scaled] = torch.zeros(size, width, requires_grad=True), torch.zeros(width, requires_grad=True)
        weights, bias = ends[scaled]
        stopped = not minimise(
            chunks, output.likelihood, scales[scaled], weights, bias, penalty, iterations, deadline
        )
        with torch.no_grad():
            fitted = LinearWeights(weights * scales[scaled], bias.clone())
            outputs = held_out.features.apply(fitted.weights, fitted.bias)
            loss = float(mean_loss(output.likelihood, outputs, held_out.targets[name]))
        loss = math.inf if math.isnan(loss) else loss  # no validation targets
        if not loss >= least:
            best, least = fitted, loss
        if stopped:
            break
    return _with_spread(best, train_rows, held_out, name, output), stopped


def _tries_for(features: FeatureRows, output: Output, pretrained: bool) -> Sequence[tuple[bool, float]]:
    """The scalings and penalties to try for an output on these features. pretrained: of a pretrained net."""
    if not isinstance(features, BagRows):
        return FEATURE_TRIES if pretrained else NUMBER_TRIES
    return TAG_TRIES if output.kind == "tagging" else TRIES


def most_work(width: int) -> int:
    """The number of products in all fits without a deadline. An evaluation also takes time that grows with the
    labels, and a training of a few updates should not wait minutes for its baseline."""
    return MOST_WORK * MANY_LABELS // max(MANY_LABELS, width)


def _with_spread(
    best: LinearWeights, train_rows: FeatureExamples, held_out: FeatureExamples, name: str, output: Output
) -> LinearWeights:
    """Add the standard deviation of the errors if the output is a value."""
    if output.kind != "regression":
        return best
    scored = held_out if len(held_out.targets[name]) else train_rows
    errors = scored.features.apply(best.weights, best.bias) - scored.targets[name]
    spread = errors.square().mean(0).sqrt().clamp_min(LEAST_SPREAD).log().float()
    return LinearWeights(best.weights, best.bias, spread)


def log_count_ratios(bags: BagRows, targets: Tensor, size: int, label_count: int) -> Tensor:
    """Log-ratios (F, K), in nats, of an n-gram's frequency in rows of a label to that in the other rows."""
    ends = torch.cat([bags.starts[1:], torch.tensor([len(bags.places)])])
    labels = torch.repeat_interleave(targets, ends - bags.starts)
    known = labels >= 0
    pairs = (bags.places * label_count + labels)[known]
    counts = torch.bincount(pairs, minlength=size * label_count).view(size, label_count).float()
    of_label, of_others = counts + SMOOTHING, counts.sum(1, keepdim=True) - counts + SMOOTHING
    return (of_label / of_label.sum(0)).log() - (of_others / of_others.sum(0)).log()
