"""Which of several models a run predicts with: the best on validation, or the simplest of those as good."""

from __future__ import annotations

import math
from collections.abc import Mapping

AS_GOOD = 0.002  # nats by which what is simpler may be worse to be as good, and selected
TELLING = 50  # items of a validation part from which on it tells which model or which weights are best


def select(validation: Mapping[str, float]) -> str:
    """The name of what is best by its nats on validation; of parts alone that are as good, the last one.
    What is not finite is not selected."""
    finite = {name: nats for name, nats in validation.items() if math.isfinite(nats)}
    if not finite:
        return next(iter(validation))
    validation, least = finite, min(finite.values())
    best = min(validation, key=lambda name: validation[name])
    for name in (name for name in validation if "+" not in name):
        best = name if validation[name] <= least + AS_GOOD else best
    return best


def selected_line(selected: str, validation: Mapping[str, float], unit: str) -> str:
    """What was selected, and by which figures."""
    figures = ", ".join(f"{name} {nats:.3f}" for name, nats in validation.items())
    finite = [nats for nats in validation.values() if math.isfinite(nats)]
    best = "best" if validation[selected] == min(finite, default=math.nan) else "as good as the best"
    return f"Selected: {selected}, {best} on validation ({figures} {unit})."


def too_short(names: str) -> str:
    """What is said where a deadline cut the fit of an ensemble's weights. names: of its parts, or of ensembles."""
    return f"There was no time to finish fitting the weights of {names}; the best weights so far are used."


def standing(model: str, interval: tuple[float, float], baseline: float, more_is_better: bool = False) -> str:
    """How a model stands beside a baseline's figure: better or worse only where the interval of its own says so."""
    low, high = interval
    if math.isnan(low) or math.isnan(high):
        return "Too little data to tell which is better."
    if low <= baseline <= high:
        return f"The {model} is as good, within the interval."
    return f"The {model} is {'better' if (low > baseline) == more_is_better else 'worse'}."
