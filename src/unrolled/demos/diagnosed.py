"""One training on a diagnostic task, as `unroll compare` does it."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.compare.cells import ComparisonCell
from unrolled.compare.diagnosing import diagnose
from unrolled.compare_options import CompareSettings


class Diagnosed(NamedTuple):
    """What a model had learnt at the end."""

    model: str
    bptt: str
    lag: int  # steps between the information and the step that needs it
    accuracy: float  # on rows that were not trained on
    chance: float  # accuracy of guessing
    updates: int  # a training ends early where it makes no mistakes


def train_on_task(task: str, model: str, bptt: str, lag: int, seed: int, steps: int, size: int) -> Diagnosed:
    """Trains one layer of `size` units on a diagnostic task for at most `steps` updates."""
    settings = CompareSettings(steps=steps, hidden_size=size, layers=1, threads=1, device="cpu")
    *_, last = diagnose(task, ComparisonCell(model, bptt, seed, lag), settings)
    return Diagnosed(model, bptt, lag, last["accuracy"], last["chance_accuracy"], last["step"])
