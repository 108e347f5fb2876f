"""The linear model, the baseline of a net; on short texts it is fitted in seconds.

Its features are bags of n-grams for texts, and the numbers themselves for numbers. `linear_fit.py` fits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.modalities.base import Featurizer, Item
from unrolled.errors import RunError
from unrolled.model.baselines.linear_features import (
    FeatureExtractor,
    FeatureRows,
    NumberFeatures,
    features_from_tensors,
)

OF_SOFTMAX = ("classification", "tagging", "multilabel-softmax")  # likelihoods whose predictions are normalised


@dataclass(frozen=True)
class LinearWeights:
    """The weights of one output of K numbers, on F features."""

    weights: Tensor  # (F, K) float32
    bias: Tensor  # (K,)
    spread: Tensor | None = None  # (K,) log standard deviation of a value's error

    @property
    def finite(self) -> bool:
        """Whether all weights are finite."""
        kept = (self.weights, self.bias, *([] if self.spread is None else [self.spread]))
        return all(bool(fitted.isfinite().all()) for fitted in kept)

    def predict(self, rows: FeatureRows) -> Tensor:
        """Predictions (R, O) for rows: logits, log-odds, or means and log standard deviations."""
        predictions = rows.apply(self.weights, self.bias)
        if self.spread is None:
            return predictions
        return torch.cat([predictions, self.spread.expand(len(predictions), -1)], 1)


class LinearModel:
    """A linear model of each output. Made by `fit_linear`."""

    def __init__(
        self, features: FeatureExtractor, outputs: Mapping[str, tuple[str, LinearWeights]], about: str
    ) -> None:
        self.features = features
        self.outputs = dict(outputs)  # name -> name of the likelihood, weights
        self.about = about

    def describe(self) -> str:
        """Describe the model in a few words."""
        return self.features.describe() + self.about

    def predict(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> predictions (A, O) of each output: one per item, or one per step."""
        rows = self.features(items)
        predictions = {name: fitted.predict(rows) for name, (_, fitted) in self.outputs.items()}
        return {
            name: F.log_softmax(values, 1) if self.outputs[name][0] in OF_SOFTMAX else values
            for name, values in predictions.items()
        }

    def weights_of_vector(self, output: str, number: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """(mean, standard deviation, weights), each (D,), with which a number of an output, such as the logit of a
        label, follows from a pretrained net's vector of an image; None for other features."""
        features = self.features
        if not isinstance(features, NumberFeatures) or not features.of_vectors:
            return None
        return features.mean, features.std, self.outputs[output][1].weights[:, number]

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the model, for a file."""
        kept = self.features.tensors()
        for number, (_, fitted) in enumerate(self.outputs.values()):
            kept |= {f"weights.{number}": fitted.weights, f"bias.{number}": fitted.bias}
            if fitted.spread is not None:
                kept[f"spread.{number}"] = fitted.spread
        return kept

    def facts(self) -> dict[str, Any]:
        """All that `from_tensors` needs besides the tensors, as JSON."""
        kinds = {name: kind for name, (kind, _) in self.outputs.items()}
        return {**self.features.facts(), "outputs": list(self.outputs), "kinds": kinds, "about": self.about}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], featurizer: Featurizer
    ) -> LinearModel:
        """Load the model from `tensors` and `facts`. Raises RunError if they do not fit."""
        try:
            features = features_from_tensors(tensors, facts, featurizer)
            outputs, fits = {}, True
            for number, name in enumerate(facts["outputs"]):
                kind = str(facts.get("kinds", {}).get(name, "classification"))  # an older run has label outputs only
                fitted = LinearWeights(
                    tensors[f"weights.{number}"], tensors[f"bias.{number}"], tensors.get(f"spread.{number}")
                )
                fits &= fitted.weights.shape == (features.size, len(fitted.bias)) and (fitted.spread is not None) == (
                    kind == "regression"
                )
                fits &= bool(fitted.weights.isfinite().all()) and bool(fitted.bias.isfinite().all())
                fits &= fitted.spread is None or (
                    fitted.spread.shape == fitted.bias.shape and bool(fitted.spread.isfinite().all())
                )
                outputs[str(name)] = kind, fitted
            about = str(facts["about"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            fits = False
        if not fits:
            raise RunError("The linear model of this run is damaged: its tensors do not fit. Train again.")
        return cls(features, outputs, about)
