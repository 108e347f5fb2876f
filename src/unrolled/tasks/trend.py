"""Whether training was still improving when it ended, as validations at equal spans of it show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SPAN = 1 / 5  # of the updates: spans of this length are compared
IMPROVED = 0.005  # nats by which a span lowers the validation loss where it improves
WORSE = 0.02  # nats above the best validation from which on the model overfits
FEWEST_UPDATES = 50  # fewer tell nothing


def trend_of(reports: Iterable[Mapping[str, Any]]) -> str:
    """What the validations among a run's reports say: "learning", "slowing", "flat", "overfitting" or "unclear".

    The last two spans of a fifth of the updates each are compared. "learning": the last one improved. "slowing": only
    the one before it did. "flat": neither did. "unclear": too few updates, or validations too far apart.
    """
    points = [(report["step"], report["validation"]) for report in reports if report.get("validation") is not None]
    if len(points) < 2:
        return "unclear"
    steps, nats = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    end = steps[-1]
    ends = np.array([1 - 2 * SPAN, 1 - SPAN, 1]) * end
    near = steps[np.searchsorted(steps, ends[0], "right") - 1 :]
    if end < FEWEST_UPDATES or np.diff(near).max() > 1.01 * SPAN * end:
        return "unclear"
    if nats[-1] > nats.min() + WORSE:
        return "overfitting"
    before, last = -np.diff(np.interp(ends, steps, nats))
    if last > IMPROVED:
        return "learning"
    return "slowing" if before > IMPROVED else "flat"


def trend_line(trend: str, model: str) -> str:
    """The same in words, of the model of this name."""
    return {
        "learning": f"The {model} was still improving when training ended: more time helps.",
        "slowing": f"The {model} had improved little in the last fifth of training; more time may help.",
        "flat": f"The {model} had stopped getting better: more time would not help.",
        "overfitting": f"The {model} had begun to overfit; its best weights are from an earlier validation.",
        "unclear": f"Too few updates to tell whether the {model} had stopped getting better: train longer.",
    }[trend]
