"""The width at which a model has a given number of parameters."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch

from unrolled.compare.cells import PARAMETERS_WITHIN
from unrolled.errors import OptionError
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.training.planning import TextSize, shape, shapes_for

WIDEST = 8192


def fit_size(model: str, parameters: int, depth: int | None, task: TextSize) -> tuple[int, int]:
    """(units, layers) of the model whose number of parameters is nearest to `parameters`.

    The layers are the requested ones, or those of the nearest shape in the plan's table. Raises OptionError where no
    width comes within 3%.
    """

    @cache
    def count(size: int, layers: int) -> int | None:
        """The number of parameters; None where the width conflicts with the model's options, such as heads."""
        settings = TrainOptions(model=model, hidden_size=size, layers=layers)
        embed = shape(settings, task, "cpu", 1, size, layers, 0).embedding_size
        try:
            with torch.device("meta"):
                net = LanguageModel(task.tokens, embed, build_stack(model, embed, size, layers))
        except OptionError:
            return None
        return sum(p.numel() for p in net.parameters())

    def distance(shape: tuple[int, int]) -> float:
        found = count(*shape)
        return float("inf") if found is None else abs(found / parameters - 1)

    _, layers = min(shapes_for(replace(TrainOptions(model=model), layers=depth)), key=distance)
    low, high = 1, WIDEST
    while low < high:  # the narrowest with at least as many; impossible widths are skipped upwards
        middle = (low + high) // 2
        found = next((n for size in range(middle, middle + 64) if (n := count(size, layers)) is not None), None)
        if found is None or found >= parameters:
            high = middle
        else:
            low = middle + 1
    size = min(range(max(1, low - 64), low + 64), key=lambda size: distance((size, layers)))
    if distance((size, layers)) > PARAMETERS_WITHIN:
        raise OptionError(
            f"No width of {model} in {layers} layers has {parameters:,} parameters within {PARAMETERS_WITHIN:.0%}; "
            f"{size} units have {count(size, layers) or 0:,}.\nGive another --parameters, or leave it out."
        )
    return size, layers
