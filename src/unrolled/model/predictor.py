"""Prediction of a run: a net, a linear model, or an ensemble of both with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unrolled.data.cells.words import given_words, join_words
from unrolled.data.dataset.batches import LONGEST, pad_items
from unrolled.data.modalities.base import Featurizer, Item
from unrolled.model.ensemble import combine
from unrolled.model.likelihoods import Likelihood
from unrolled.model.row_net import PredictionNet

ROWS = 128  # rows per batch, at most
STEPS = 1 << 15  # steps per batch, padding included, at most


class Member(Protocol):
    """A member: predictions (A, O) of each output in the form of `likelihoods`, one per item, or one per step of the
    items in order."""

    def predict(self, items: Sequence[Item]) -> dict[str, Tensor]: ...


class NetMember:
    """A trained model and the featurizer of its items."""

    def __init__(self, model: PredictionNet, featurizer: Featurizer) -> None:
        self.model, self.featurizer = model, featurizer

    @torch.no_grad()
    def predict(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> predictions (A, O). Items are batched by length, which changes no prediction."""
        segments = [self._segments(item) if self.model.step_outputs else [item] for item in items]
        goes_on = [number > 0 for some in segments for number in range(len(some))]  # not the first of its item
        flat = [segment for some in segments for segment in some]
        order = np.argsort([len(item) for item in flat], kind="stable").tolist()
        found: dict[str, list[Tensor]] = {name: [torch.zeros(0)] * len(flat) for name in self.model.names}
        start = 0
        while start < len(order):
            some = order[start : start + min(ROWS, self.featurizer.rows_at_once)]
            some = some[: max(1, STEPS // (1 + min(LONGEST, len(flat[some[-1]]))))]
            start += len(some)
            inputs, lengths = pad_items(self.featurizer, [flat[row] for row in some])
            for name, predictions in self.model.to_predictions(self.model.predict(inputs, lengths)).items():
                predictions = predictions.cpu()
                for place, (row, length) in enumerate(zip(some, lengths.tolist(), strict=True)):
                    if name in self.model.step_outputs:  # the BOS token has no tag
                        found[name][row] = predictions[place, self.featurizer.leading_steps : length]
                    else:
                        found[name][row] = predictions[place : place + 1 - goes_on[row]]
        return {name: torch.cat(tensors) if tensors else torch.zeros(0, 0) for name, tensors in found.items()}

    def _segments(self, item: Item) -> list[Item]:
        """Cut an item with one prediction per step into items that are each short enough to be processed whole."""
        if isinstance(item, str):
            return list(split_words(item))
        return [item[start : start + LONGEST] for start in range(0, len(item), LONGEST)]


def split_words(text: str) -> list[str]:
    """Cut a text of given words into texts that are each short enough to be processed whole, for tagging."""
    words = given_words(text)
    most = LONGEST - 1  # the first step is the BOS token
    if len(words) <= most:
        return [text]
    return [join_words(words[start : start + most]) for start in range(0, len(words), most)]


class EnsemblePredictor:
    """An ensemble: members, and the weight of each for every output: p ∝ Π p_i^w_i."""

    def __init__(
        self, members: Sequence[Member], weights: Mapping[str, Sequence[float]], likelihoods: Mapping[str, Likelihood]
    ) -> None:
        self.members, self.weights = tuple(members), {name: list(each) for name, each in weights.items()}
        self.likelihoods = dict(likelihoods)

    def predict(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """items -> predictions (A, O) of each output, float64."""
        return self.combined([member.predict(items) for member in self.members])

    def combined(self, predictions: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The predictions (A, O) of each member -> those of the ensemble, float64."""
        return {
            name: combine(self.likelihoods[name], [one[name] for one in predictions], each)
            for name, each in self.weights.items()
        }
