"""Answers of several models made one: p ∝ Π p_i^w_i, the weights fitted on answers that no model learnt from.

Of one model alone the weight is one over its temperature (Guo et al. 2017): the answer stays, its chances are made
true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import TrainingError
from unrolled.model.likelihoods import Likelihood, is_known
from unrolled.model.optimisers import LBFGS

ITERATIONS = 50
RIDGE = 0.5  # nats that a weight e times its equal share, or a part of it, costs, all rows together
NEXT_TO_NOTHING = 1e-6  # the weight of the other parts where one alone is best: weights are above 0
CELLS = 1 << 19  # numbers of each part that are read at a time: with the way back, some 20 bytes a part for each


def blend(likelihood: Likelihood, said: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """What each part says (A, O) -> what the whole does, float64."""
    shares = torch.tensor(weights, dtype=torch.float64)
    whole = torch.empty_like(said[0], dtype=torch.float64)
    for rows in in_pieces(*whole.shape):
        whole[rows] = likelihood.blend(_stacked(said, rows), shares)
    return whole


def in_pieces(rows: int, width: int) -> Iterator[slice]:
    """So many rows, a few at a time where so much is said of each; one piece at least."""
    step = max(1, CELLS // max(1, width))
    for start in range(0, max(1, rows), step):
        yield slice(start, start + step)


def _stacked(said: Sequence[Tensor], rows: slice | Tensor) -> Tensor:
    """What each part says of these rows, (P, A, O), float64."""
    return torch.stack([part[rows].double() for part in said])


class _TooLate(Exception):
    """The deadline passed while weights were fitted."""


def fit_blend(
    likelihood: Likelihood, said: Sequence[Tensor], answers: Tensor, deadline: Deadline = ENDLESS
) -> list[float]:
    """The weights with the least nats on answers (A,) or (A, K) that are known. Equal shares where none is.

    They are above 0: where few are known a part may be wrong more often than not, and is not to be taken for the
    opposite of what it says. Where the deadline passes, the best of those that were tried, or one part alone where
    that is better. Raises TrainingError where no weights can be found: what a part says is not finite.
    """
    return fit_in_time(likelihood, said, answers, deadline)[0]


def fit_in_time(
    likelihood: Likelihood, said: Sequence[Tensor], answers: Tensor, deadline: Deadline
) -> tuple[list[float], bool]:
    """The weights that `fit_blend` finds, and whether there was time: False where the deadline cut the fit."""
    known = is_known(answers)
    equal = torch.full((len(said),), 1 / len(said), dtype=torch.float64)
    if not bool(known.any()):
        return equal.tolist(), True
    numbers, answers = known.nonzero()[:, 0], answers[known]  # of rows: no copy is made of what is said of them all
    start = equal.log()
    free = start.clone().requires_grad_(True)
    optimiser = LBFGS([free], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    least, best, of_best = math.inf, start.exp(), math.inf

    def loss() -> float:
        nonlocal least, best, of_best
        if least < math.inf and deadline.passed():
            raise _TooLate
        optimiser.zero_grad()
        cost = ridge = _backward(RIDGE * ((free - start) ** 2).sum() / len(answers))
        for rows in in_pieces(len(answers), said[0].shape[1]):
            nats = likelihood.nats(likelihood.blend(_stacked(said, numbers[rows]), free.exp()), answers[rows])
            cost += _backward(nats.sum() / len(answers))
        if cost < least:
            least, best, of_best = cost, free.detach().exp(), cost - ridge
        return cost

    in_time = True
    try:
        optimiser.step(loss)  # type: ignore[no-untyped-call]
        fitted = free.detach().exp()
    except _TooLate:
        alone, nats = _best_alone(likelihood, said, numbers, answers)
        fitted, in_time = (best if of_best <= nats else alone), False
    if not bool(fitted.isfinite().all()):
        raise TrainingError("The ensemble's weights could not be fitted: a member's predictions are not finite.")
    return fitted.tolist(), in_time


@torch.no_grad()
def _best_alone(
    likelihood: Likelihood, said: Sequence[Tensor], numbers: Tensor, answers: Tensor
) -> tuple[Tensor, float]:
    """The weights by which the best part alone counts, and its nats an answer. numbers: the rows of the answers."""
    nats = torch.zeros(len(said), dtype=torch.float64)
    for place, part in enumerate(said):
        for rows in in_pieces(len(answers), part.shape[1]):
            nats[place] += likelihood.nats(part[numbers[rows]].double(), answers[rows]).sum() / len(answers)
    nats = nats.nan_to_num(math.inf)
    weights = torch.full_like(nats, NEXT_TO_NOTHING)
    weights[nats.argmin()] = 1.0
    return weights, float(nats.min())


def _backward(cost: Tensor) -> float:
    """Adds a part of a cost's gradient to what is there, and gives the part."""
    cost.backward()  # type: ignore[no-untyped-call]
    return float(cost.detach())


def blend_unseen(
    likelihood: Likelihood, said: Sequence[Tensor], answers: Tensor, deadline: Deadline = ENDLESS
) -> Tensor:
    """What the whole says (A, O), each half of the rows under weights fitted on the other."""
    whole = torch.empty_like(said[0], dtype=torch.float64)
    for half, share in ((slice(0, None, 2), 0.5), (slice(1, None, 2), 1.0)):
        other = slice(1 - (half.start or 0), None, 2)
        weights = fit_blend(likelihood, [part[other] for part in said], answers[other], deadline.share(share))
        whole[half] = blend(likelihood, [part[half] for part in said], weights)
    return whole
