"""A language model of characters on the text that comes with Python: at first, train more, train more."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.demos.python_help import python_topics
from unrolled.demos.temporary import training_of

STEPS, SIZE = 600, 128
SHOWN = (0.0, 0.1, 0.3, 1.0)  # shares of the updates at which a sample is kept
SAMPLE = 240  # characters


class TextSample(NamedTuple):
    """What the model wrote after some updates."""

    update: int
    nats: float  # per character, on the validation split
    text: str


def show_training(seed: int = 0) -> tuple[TextSample, ...]:
    """Trains an lstm on the text and returns samples of it, from the untrained net to the last update."""
    with training_of(
        [python_topics()], model="lstm", tokenizer="char", hidden_size=SIZE, layers=1, seed=seed, steps=STEPS
    ) as training:
        samples = [
            TextSample(report.step, report.validation, (report.sample or "")[:SAMPLE])
            for report in training
            if report.validation is not None
        ]
    wanted = [min(samples, key=lambda sample: abs(sample.update - share * STEPS)) for share in SHOWN]
    return tuple(dict.fromkeys(wanted))
