"""Intervals of scores by bootstrap over rows, from statistics of each row that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.metrics.classification import bootstrap
from unrolled.seeds import numpy_generator

Interval = tuple[float, float]
T = TypeVar("T")


def bootstrap_scores(
    score: Callable[[NDArray[Any]], T], counts: NDArray[Any], deadline: Deadline = UNLIMITED
) -> list[T]:
    """A score of each bootstrap sample. counts: statistics of each row, (N, C), whose sum is scored.

    The samples are the same for every score, so that the scores of two models can be compared sample by sample.
    """
    rows, generator = len(counts), numpy_generator(0, "bootstrap")
    even = np.full(rows, 1 / rows)
    return bootstrap(lambda: score(generator.multinomial(rows, even) @ counts), deadline)


def interval_of(found: Sequence[float]) -> Interval:
    """The ends of the middle 95%."""
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
