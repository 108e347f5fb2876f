"""The width at which a model has a given number of parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from unrolled.errors import OptionError
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.training.planning import TextSize, plan_of_size, sizes_for

WIDEST = 8192  # units that are tried
TOLERANCE = 0.03  # share by which the number of parameters may differ


def fit_size(model: str, parameters: int, layers: int | None, text: TextSize) -> tuple[int, int]:
    """(units, layers) of the model whose number of parameters is nearest to `parameters`.

    layers: None means those of the nearest size in the plan's table. Raises OptionError where no width comes within
    3%.
    """

    @cache
    def count(units: int, depth: int) -> int | None:
        """The number of parameters; None where the width conflicts with the model's options, such as heads."""
        options = TrainOptions(model=model, hidden_size=units, layers=depth)
        embedding = plan_of_size(options, text, "cpu", 1, units, depth, 0).embedding_size
        try:
            with torch.device("meta"):
                net = LanguageModel(text.tokens, embedding, build_stack(model, embedding, units, depth))
        except OptionError:
            return None
        return sum(p.numel() for p in net.parameters())

    def distance(size: tuple[int, int]) -> float:
        found = count(*size)
        return float("inf") if found is None else abs(found / parameters - 1)

    _, depth = min(sizes_for(replace(TrainOptions(model=model), layers=layers)), key=distance)
    low, high = 1, WIDEST
    while low < high:  # the narrowest with at least as many; impossible widths are skipped upwards
        middle = (low + high) // 2
        found = next((n for units in range(middle, middle + 64) if (n := count(units, depth)) is not None), None)
        if found is None or found >= parameters:
            high = middle
        else:
            low = middle + 1
    units = min(range(max(1, low - 64), low + 64), key=lambda units: distance((units, depth)))
    if distance((units, depth)) > TOLERANCE:
        raise OptionError(
            f"No width of {model} in {depth} layers has {parameters:,} parameters within {TOLERANCE:.0%}; "
            f"{units} units have {count(units, depth) or 0:,}.\nGive another --parameters, or leave it out."
        )
    return units, depth
