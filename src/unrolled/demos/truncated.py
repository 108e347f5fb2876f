"""Truncated backpropagation through time: within the cut a dependency is learnt, past it it is not."""

from __future__ import annotations

from unrolled.demos.diagnosed import Diagnosed, train_on_task

CUT = 16  # steps of a segment. The token to recall is among the first ten, so at lag 4 its segment has the question
LAGS = (4, 20)
MODEL = "mingru"
STRATEGIES = ("full", f"truncated:k1={CUT}")
STEPS, SIZE = 600, 64


def show_truncated(seed: int = 0) -> tuple[Diagnosed, ...]:
    """Trains on recall at a lag within the cut and at one past it, each with full and with truncated BPTT."""
    return tuple(train_on_task("recall", MODEL, bptt, lag, seed, STEPS, SIZE) for lag in LAGS for bptt in STRATEGIES)
