"""The linear model: what a net has to beat on short texts, fitted in seconds.

Of texts on bags of n-grams, of numbers on the numbers. How it is fitted: `linear_fit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.intake import Intake
from unrolled.data.items import Item
from unrolled.errors import RunError
from unrolled.model.baselines.linear_features import Look, Looked, look_from_tensors


@dataclass(frozen=True)
class Fitted:
    """The weights of one output: K numbers, F features."""

    weights: Tensor  # (F, K) float32
    bias: Tensor  # (K,)
    spread: Tensor | None = None  # (K,) log-deviation of a value's error

    @property
    def finite(self) -> bool:
        """Whether all of them could be found."""
        kept = (self.weights, self.bias, *([] if self.spread is None else [self.spread]))
        return all(bool(one.isfinite().all()) for one in kept)

    def say(self, rows: Looked) -> Tensor:
        """What is said of rows (R, O): log-chances, log-odds, or means and log-deviations."""
        found = rows.apply(self.weights, self.bias)
        return found if self.spread is None else torch.cat([found, self.spread.expand(len(found), -1)], 1)


class LinearModel:
    """Answers with what it says of each output. Made by `fit_linear`."""

    def __init__(self, look: Look, outputs: Mapping[str, tuple[str, Fitted]], about: str) -> None:
        self.look = look
        self.outputs = dict(outputs)  # name -> kind, weights
        self.about = about

    def describe(self) -> str:
        """What it is, in a few words."""
        return self.look.describe() + self.about

    def answer(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> what is said (A, O) of each output: an item each, or each of its steps."""
        rows = self.look(items)
        found = {name: one.say(rows) for name, (_, one) in self.outputs.items()}
        return {
            name: F.log_softmax(said, 1) if self.outputs[name][0] in ("label", "tags") else said
            for name, said in found.items()
        }

    def tensors(self) -> dict[str, Tensor]:
        """All that a file keeps of it, beside `facts`."""
        kept = self.look.tensors()
        for number, (_, one) in enumerate(self.outputs.values()):
            kept |= {f"weights.{number}": one.weights, f"bias.{number}": one.bias}
            if one.spread is not None:
                kept[f"spread.{number}"] = one.spread
        return kept

    def facts(self) -> dict[str, Any]:
        """What goes with the tensors."""
        kinds = {name: kind for name, (kind, _) in self.outputs.items()}
        return {**self.look.facts(), "outputs": list(self.outputs), "kinds": kinds, "about": self.about}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], intake: Intake) -> LinearModel:
        """The model that `tensors` and `facts` are of. Raises RunError where they do not fit."""
        try:
            look = look_from_tensors(tensors, facts, intake)
            outputs, fits = {}, True
            for number, name in enumerate(facts["outputs"]):
                kind = str(facts.get("kinds", {}).get(name, "label"))  # an older run has labels alone
                one = Fitted(tensors[f"weights.{number}"], tensors[f"bias.{number}"], tensors.get(f"spread.{number}"))
                fits &= one.weights.shape == (look.size, len(one.bias)) and (one.spread is not None) == (
                    kind == "value"
                )
                fits &= bool(one.weights.isfinite().all()) and bool(one.bias.isfinite().all())
                fits &= one.spread is None or (
                    one.spread.shape == one.bias.shape and bool(one.spread.isfinite().all())
                )
                outputs[str(name)] = kind, one
            about = str(facts["about"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            fits = False
        if not fits:
            raise RunError("The linear model of this run is damaged: its tensors do not fit. Train again.")
        return cls(look, outputs, about)
