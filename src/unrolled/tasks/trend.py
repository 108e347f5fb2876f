"""Whether training was still improving when it ended, by validations at equal spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SPAN = 1 / 5  # share of the updates in one span
IMPROVED = 0.005  # a span improves if it lowers the validation loss by this many nats
WORSE = 0.02  # the model overfits if the last validation is this many nats above the best
FEWEST_UPDATES = 50  # with fewer the trend is unclear


def trend_of(reports: Iterable[Mapping[str, Any]]) -> str:
    """The trend of the validations of a run: "learning", "slowing", "flat", "overfitting" or "unclear".

    Compares the last two spans, each a fifth of the updates. "learning": the last span improved. "slowing": only the
    span before it improved. "flat": neither improved. "unclear": too few updates, or validations too far apart.
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
    """The trend of the named model as a sentence."""
    return {
        "learning": f"The {model} was still improving when training ended: more time helps.",
        "slowing": f"The {model} had improved little in the last fifth of training; more time may help.",
        "flat": f"The {model} had stopped getting better: more time would not help.",
        "overfitting": f"The {model} had begun to overfit; its best weights are from an earlier validation.",
        "unclear": f"Too few updates to tell whether the {model} had stopped getting better: train longer.",
    }[trend]
