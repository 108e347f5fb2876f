"""How a linear model is fitted to many labels: the number of tries, and the memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.modalities.text import WordFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.baselines import linear_descent, linear_fit
from unrolled.model.baselines.linear_descent import FeatureExamples, minimise, split_into_chunks
from unrolled.model.baselines.linear_features import NGramFeatures
from unrolled.model.baselines.linear_fit import MOST_WORK, TRIES, fit_linear, most_work

WORDS = WordFeaturizer([])


def rows_of(kinds: int) -> tuple[list[str], dict[str, np.ndarray]]:
    return [f"word{n % kinds} and {n % 7}" for n in range(2 * kinds)], {"label": np.arange(2 * kinds) % kinds}


@pytest.mark.parametrize(("kinds", "share"), [(2, 1.0), (150, 1.0), (200, 1.0), (1_000, 0.2), (5_000, 0.04)])
def test_many_labels_are_given_fewer_products_where_no_deadline_ends_them(kinds: int, share: float) -> None:
    assert most_work(kinds) == MOST_WORK * share


@pytest.mark.parametrize(
    ("kinds", "deadline", "tried"),
    [(2, UNLIMITED, 4), (400, UNLIMITED, 2), (400, Deadline(1e6), 4)],
    ids=["few labels", "many", "many with a deadline"],
)
def test_how_many_penalties_are_tried(
    kinds: int, deadline: Deadline, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, targets = rows_of(kinds)
    output = LabelOutput(tuple(str(n) for n in range(kinds)))
    counted: list[Any] = []

    def count(*given: Any) -> bool:
        counted.append(given)
        return True

    _, bags = NGramFeatures.fit("words", texts, 1 << 20)
    monkeypatch.setattr(linear_fit, "minimise", count)
    monkeypatch.setattr(linear_fit, "ITERATIONS", 10)
    monkeypatch.setattr(linear_fit, "MOST_WORK", 4 * 10 * bags.entry_count * kinds)  # the iterations of four tries
    fit_linear("words", (texts, targets), (texts, targets), {"label": output}, WORDS, 0, deadline)
    assert len(counted) == tried < len(TRIES)


def test_memory_of_a_try_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.optim.LBFGS] = []

    class Seen(torch.optim.LBFGS):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

    monkeypatch.setattr("unrolled.model.baselines.linear_descent.LBFGS", Seen)
    weights, bias, whole = fitted(5)
    assert whole and weights.any()
    assert not made[0].state
    assert weights.grad is None and bias.grad is None


def test_many_labels_are_fitted_in_chunks_to_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, _ = fitted(240)
    monkeypatch.setattr(linear_descent, "HELD_MANY", 240 * 100)
    assert len(pieces_of(240)) == 5
    some, _, _ = fitted(240)
    assert torch.allclose(whole, some, atol=2e-3)
    monkeypatch.setattr(linear_descent, "HELD_MANY", 1)
    assert len(pieces_of(150)) == 1, "of few labels all rows are looked at together"


def pieces_of(kinds: int) -> list[linear_descent.FeatureChunk]:
    texts, targets = rows_of(kinds)
    look, bags = NGramFeatures.fit("words", texts, 1 << 20)
    return split_into_chunks(
        FeatureExamples(bags, {"label": torch.from_numpy(targets["label"])}), "label", look.size, kinds
    )


def fitted(kinds: int) -> tuple[Tensor, Tensor, bool]:
    pieces = pieces_of(kinds)
    size = NGramFeatures.fit("words", rows_of(kinds)[0], 1 << 20)[0].size
    weights, bias = torch.zeros(size, kinds, requires_grad=True), torch.zeros(kinds, requires_grad=True)
    whole = minimise(pieces, "classification", torch.ones(size, 1), weights, bias, 1.0, 5, UNLIMITED)
    return weights, bias, whole
