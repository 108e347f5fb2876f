"""Select the model of a run: the best on validation, or the simplest of those that are as good."""

from __future__ import annotations

import math
from collections.abc import Mapping

from unrolled.registry import UNTRAINED

AS_GOOD = 0.002  # a simpler model is selected if it is worse by at most this many nats
FEWEST_ITEMS = 50  # fewest validation items on which models and weights are selected


def select(validation: Mapping[str, float]) -> str:
    """The name of the best model by its nats on validation; of single models that are as good, the last one.
    A model whose nats are not finite is not selected."""
    finite = {name: nats for name, nats in validation.items() if math.isfinite(nats)}
    if not finite:
        return next(iter(validation))
    validation, least = finite, min(finite.values())
    best = min(validation, key=lambda name: validation[name])
    for name in (name for name in validation if "+" not in name):
        best = name if validation[name] <= least + AS_GOOD else best
    return best


def selected_line(selected: str, validation: Mapping[str, float], unit: str) -> str:
    """The line that names the selected model and the figures of all."""
    figures = ", ".join(f"{name} {nats:.3f}" for name, nats in validation.items())
    finite = [nats for nats in validation.values() if math.isfinite(nats)]
    best = "best" if validation[selected] == min(finite, default=math.nan) else "as good as the best"
    return f"Selected: {selected}, {best} on validation ({figures} {unit})."


def unfinished_line(names: str) -> str:
    """The line for a fit of ensemble weights that a deadline cut short. names: the ensembles."""
    return f"There was no time to finish fitting the weights of {names}; the best weights so far are used."


def compare_with_baseline(
    model: str, interval: tuple[float, float], baseline: float, more_is_better: bool = False
) -> str:
    """Compare a model with a baseline's figure: better or worse only if the figure lies outside the interval."""
    low, high = interval
    model = UNTRAINED.get(model, (model, ""))[0]
    if math.isnan(low) or math.isnan(high):
        return "Too little data to tell which is better."
    if low <= baseline <= high:
        return f"The {model} is as good, within the interval."
    return f"The {model} is {'better' if (low > baseline) == more_is_better else 'worse'}."
