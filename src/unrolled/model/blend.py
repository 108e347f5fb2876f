"""Answers of several models made one: p ∝ Π p_i^w_i, the weights fitted on answers that no model learnt from.

Of one model alone the weight is one over its temperature (Guo et al. 2017): the answer stays, its chances are made
true.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

ITERATIONS = 50
RIDGE = 1e-3  # nats that a weight's distance of 1 from an equal share costs, all rows together


def blend(logs: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Log-chances (B, K) of each part -> those of the whole."""
    whole = sum(weight * part.double() for weight, part in zip(weights, logs, strict=True))
    return F.log_softmax(torch.as_tensor(whole), 1)


def fit_blend(logs: Sequence[Tensor], answers: Tensor) -> list[float]:
    """The weights with the least nats on answers (N,); those below 0 are not known. Equal shares where none is."""
    known = answers >= 0
    equal = torch.full((len(logs),), 1 / len(logs), dtype=torch.float64)
    if not bool(known.any()):
        return equal.tolist()
    parts, answers = torch.stack([part.double()[known] for part in logs]), answers[known]  # (P, N, K)
    weights = equal.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([weights], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        nats = F.cross_entropy((weights[:, None, None] * parts).sum(0), answers, reduction="sum")
        whole = (nats + RIDGE * ((weights - equal) ** 2).sum()) / len(answers)
        whole.backward()  # type: ignore[no-untyped-call]
        return whole

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    fitted = weights.detach()
    return fitted.tolist() if bool(fitted.isfinite().all()) else equal.tolist()


def blend_unseen(logs: Sequence[Tensor], answers: Tensor) -> Tensor:
    """Log-chances (N, K) of the whole, each half of the rows under weights fitted on the other."""
    whole = torch.empty_like(logs[0], dtype=torch.float64)
    for half in (slice(0, None, 2), slice(1, None, 2)):
        other = slice(1 - (half.start or 0), None, 2)
        whole[half] = blend([part[half] for part in logs], fit_blend([part[other] for part in logs], answers[other]))
    return whole
