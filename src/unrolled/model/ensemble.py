"""Log-linear ensembles: p ∝ Π p_i^w_i, with weights fitted on targets that no member was trained on.

For a single model the weight is the inverse of its temperature (Guo et al. 2017): the most probable label stays, and
the probabilities are calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import TrainingError
from unrolled.model.likelihoods import Likelihood, is_known
from unrolled.model.optimisers import LBFGS

ITERATIONS = 50
RIDGE = 0.5  # penalty in nats, over all rows, of a weight that is e times, or 1/e of, the equal weight
NEAR_ZERO = 1e-6  # the weight of the other members if one alone is best: weights are above 0
CELLS = 1 << 19  # numbers per member that are processed at a time, some 20 bytes each with the backward pass


def combine(likelihood: Likelihood, predictions: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Combine each member's predictions (A, O) into the ensemble's, float64."""
    shares = torch.tensor(weights, dtype=torch.float64)
    whole = torch.empty_like(predictions[0], dtype=torch.float64)
    for rows in row_slices(*whole.shape):
        whole[rows] = likelihood.combine(_stacked(predictions, rows), shares)
    return whole


def row_slices(rows: int, width: int) -> Iterator[slice]:
    """Yield slices of `rows` rows of `width` numbers, each of at most `CELLS` numbers; at least one slice."""
    step = max(1, CELLS // max(1, width))
    for start in range(0, max(1, rows), step):
        yield slice(start, start + step)


def _stacked(predictions: Sequence[Tensor], rows: slice | Tensor) -> Tensor:
    """The predictions of the members for these rows, (P, A, O), float64."""
    return torch.stack([member[rows].double() for member in predictions])


class _TooLate(Exception):
    """The deadline passed while the weights were fitted."""


def fit_weights(
    likelihood: Likelihood, predictions: Sequence[Tensor], targets: Tensor, deadline: Deadline = UNLIMITED
) -> list[float]:
    """Fit the weights with the least nats on the known targets (A,) or (A, K); equal weights if none is known.

    Weights are above 0: a member that is often wrong on a few targets must not count as its opposite. If the deadline
    passes, the result is the best weights that were tried, or one member alone if that is better. Raises
    TrainingError if a member's predictions are not finite.
    """
    return fit_weights_in_time(likelihood, predictions, targets, deadline)[0]


def fit_weights_in_time(
    likelihood: Likelihood, predictions: Sequence[Tensor], targets: Tensor, deadline: Deadline
) -> tuple[list[float], bool]:
    """Fit the weights like `fit_weights`; the second value is False if the deadline stopped the fit."""
    known = is_known(targets)
    equal = torch.full((len(predictions),), 1 / len(predictions), dtype=torch.float64)
    if not bool(known.any()):
        return equal.tolist(), True
    numbers, targets = known.nonzero()[:, 0], targets[known]  # of rows: the predictions for all rows are not copied
    start = equal.log()
    free = start.clone().requires_grad_(True)
    optimiser = LBFGS([free], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    least, best, of_best = math.inf, start.exp(), math.inf

    def loss() -> float:
        nonlocal least, best, of_best
        if least < math.inf and deadline.passed():
            raise _TooLate
        optimiser.zero_grad()
        cost = ridge = _backward(RIDGE * ((free - start) ** 2).sum() / len(targets))
        for rows in row_slices(len(targets), predictions[0].shape[1]):
            nats = likelihood.nats(
                likelihood.combine(_stacked(predictions, numbers[rows]), free.exp()), targets[rows]
            )
            cost += _backward(nats.sum() / len(targets))
        if cost < least:
            least, best, of_best = cost, free.detach().exp(), cost - ridge
        return cost

    in_time = True
    try:
        optimiser.step(loss)  # type: ignore[no-untyped-call]
        fitted = free.detach().exp()
    except _TooLate:
        alone, nats = _best_alone(likelihood, predictions, numbers, targets)
        fitted, in_time = (best if of_best <= nats else alone), False
    if not bool(fitted.isfinite().all()):
        raise TrainingError("The ensemble's weights could not be fitted: a member's predictions are not finite.")
    return fitted.tolist(), in_time


@torch.no_grad()
def _best_alone(
    likelihood: Likelihood, predictions: Sequence[Tensor], numbers: Tensor, targets: Tensor
) -> tuple[Tensor, float]:
    """The weights that select the best member alone, and its nats per target. numbers: the rows of the targets."""
    nats = torch.zeros(len(predictions), dtype=torch.float64)
    for place, member in enumerate(predictions):
        for rows in row_slices(len(targets), member.shape[1]):
            nats[place] += likelihood.nats(member[numbers[rows]].double(), targets[rows]).sum() / len(targets)
    nats = nats.nan_to_num(math.inf)
    weights = torch.full_like(nats, NEAR_ZERO)
    weights[nats.argmin()] = 1.0
    return weights, float(nats.min())


def _backward(cost: Tensor) -> float:
    """Add the gradient of one term of the cost to `.grad`; returns the term."""
    cost.backward()  # type: ignore[no-untyped-call]
    return float(cost.detach())


def combine_cross_fitted(
    likelihood: Likelihood, predictions: Sequence[Tensor], targets: Tensor, deadline: Deadline = UNLIMITED
) -> Tensor:
    """Cross-fitted predictions (A, O) of the ensemble: each half of the rows with weights from the other half."""
    whole = torch.empty_like(predictions[0], dtype=torch.float64)
    for half, share in ((slice(0, None, 2), 0.5), (slice(1, None, 2), 1.0)):
        other = slice(1 - (half.start or 0), None, 2)
        weights = fit_weights(
            likelihood, [member[other] for member in predictions], targets[other], deadline.share(share)
        )
        whole[half] = combine(likelihood, [member[half] for member in predictions], weights)
    return whole
