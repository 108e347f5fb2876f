"""The ensemble of net and n-gram: its predictions before its weights are fitted, and the effect of fitting."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.deadline import Deadline
from unrolled.errors import OptionError, TrainingError
from unrolled.memory import LSTM
from unrolled.model import mixture as mixture_module
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram

TOKENS = 5


class Fixed:
    """Predicts from a table (V, V) of log-probabilities of the next token. It has no state."""

    def __init__(self, probabilities: Tensor) -> None:
        self.tokens = len(probabilities)
        self.logs = probabilities.double().log()

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, 1)

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.logs[tokens], state

    def unroll(self, tokens: Tensor, state: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.logs[tokens], state


def probabilities(seed: int, sharpness: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(sharpness * torch.randn(TOKENS, TOKENS, generator=generator, dtype=torch.float64), -1)


UNIFORM = torch.full((TOKENS, TOKENS), 1 / TOKENS, dtype=torch.float64)


def walk(table: Tensor, steps: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and targets sampled from a chain with this `table`."""
    draw, at, text = np.random.default_rng(seed), 0, [0]
    for _ in range(steps):
        at = int(draw.choice(TOKENS, p=table[at].numpy()))
        text.append(at)
    return np.array(text[:-1]), np.array(text[1:])


def nats(model: Fixed | Mixture, rows: tuple[NDArray[np.int64], NDArray[np.int64]]) -> float:
    inputs, targets = (torch.from_numpy(ids)[None] for ids in rows)
    state: Any = model.start(1)
    with torch.no_grad():
        logits, _ = model.unroll(inputs, state)
    return torch.nn.functional.cross_entropy(logits[0].double(), targets[0]).item()


def test_before_it_is_fitted_it_is_the_geometric_mean() -> None:
    one, other = Fixed(probabilities(1)), Fixed(probabilities(2))
    mixture = Mixture([one, other])
    logits, state = mixture.step(torch.tensor([3, 0]), mixture.start(2))
    expected = torch.log_softmax((one.logs[[3, 0]] + other.logs[[3, 0]]) / 2, -1)
    torch.testing.assert_close(logits, expected.float())
    assert len(state) == 2


@pytest.mark.parametrize("seeds", [(1, 2), (3, 4), (5, 6)])
def test_a_fitted_ensemble_is_no_worse_than_its_best_member(seeds: tuple[int, int]) -> None:
    one, other = (Fixed(probabilities(seed)) for seed in seeds)
    rows = walk((one.logs.exp() + other.logs.exp()) / 2, 3000)
    mixture = Mixture([one, other]).double()
    mixture.fit([rows])
    assert nats(mixture, rows) < min(nats(one, rows), nats(other, rows)) - 0.02


@pytest.mark.parametrize("first", [True, False])
def test_an_uninformative_member_gets_no_weight(first: bool) -> None:
    truth = probabilities(7)
    parts = [Fixed(truth), Fixed(UNIFORM)]
    mixture = Mixture(parts if first else parts[::-1]).double()
    rows = walk(truth, 20_000)
    mixture.fit([rows])
    assert nats(mixture, rows) <= nats(parts[0], rows) + 1e-5
    inputs = torch.arange(TOKENS)
    targets = mixture.step(inputs, mixture.start(TOKENS))[0].exp()
    torch.testing.assert_close(targets, truth, atol=0.05, rtol=0.0)


def test_with_few_targets_weights_hardly_depend_on_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = {}
    for ridge in (mixture_module.RIDGE, 1e-6):
        monkeypatch.setattr(mixture_module, "RIDGE", ridge)
        mixture = Mixture([Fixed(probabilities(1)), Fixed(probabilities(2))])
        mixture.fit([walk(probabilities(1), 30)])
        moved[ridge] = mixture.gate[:, 1:].norm().item()
    assert moved[mixture_module.RIDGE] > 10 * moved[max(moved)]
    assert moved[max(moved)] < 1


@pytest.mark.parametrize("first", [True, False])
def test_an_interrupted_fit_is_not_worse_than_one_member(first: bool) -> None:
    truth = probabilities(7, sharpness=6.0)
    parts = [Fixed(truth), Fixed(UNIFORM)]
    mixture = Mixture(parts if first else parts[::-1]).double()
    rows = walk(truth, 3000)
    fitted = mixture.fit([rows], Deadline(0.0))
    assert not fitted.in_time
    assert nats(mixture, rows) == pytest.approx(nats(parts[0], rows))
    assert fitted.ensemble.mean() == pytest.approx(fitted.members.mean(0).min())
    assert mixture.fit([rows]).in_time


def test_an_interrupted_fit_keeps_both_members_where_that_is_better() -> None:
    one, other = Fixed(probabilities(1)), Fixed(probabilities(2))
    rows = walk((one.logs + other.logs).softmax(-1), 3000)
    mixture = Mixture([one, other]).double()
    assert not mixture.fit([rows], Deadline(0.0)).in_time
    assert mixture.gate[:, 0].tolist() == [0.5, 0.5]


def test_without_targets_weights_stay_equal() -> None:
    mixture = Mixture([Fixed(probabilities(1)), Fixed(probabilities(2))])
    assert mixture.fit([]).ensemble.shape == (0,)
    assert mixture.gate[:, 0].tolist() == [0.5, 0.5]
    assert not mixture.gate[:, 1:].any()


def test_predictions_that_no_weights_fit_are_reported() -> None:
    mixture = Mixture([Fixed(probabilities(1)), Fixed(probabilities(2) * math.nan)])
    with pytest.raises(TrainingError, match=r"weights of the ensemble could not be fitted"):
        mixture.fit([walk(probabilities(1), 100)])
    assert mixture.gate[:, 0].tolist() == [0.5, 0.5]


def test_cross_fitted_nats_are_of_the_other_half() -> None:
    one, other = Fixed(probabilities(1)), Fixed(probabilities(2))
    first, second = walk(probabilities(1), 500, seed=1), walk(probabilities(2), 500, seed=2)
    mixture = Mixture([one, other]).double()
    crossed, alone, in_time = mixture.fit([first, second])
    assert crossed.shape == (1000,) and in_time
    assert alone.mean(0) == pytest.approx([nats(part, first) / 2 + nats(part, second) / 2 for part in (one, other)])
    for learnt, held_out, found in ((second, first, crossed[:500]), (first, second, crossed[500:])):
        half = Mixture([one, other]).double()
        half.fit([learnt])
        assert found.mean() == pytest.approx(nats(half, held_out), abs=1e-5)
    assert crossed.mean() > max(nats(mixture, first), nats(mixture, second))


def test_the_same_text_gives_the_same_weights() -> None:
    rows = walk(probabilities(3), 2000)
    gates = []
    for _ in range(2):
        mixture = Mixture([Fixed(probabilities(1)), Fixed(probabilities(2))])
        mixture.fit([rows])
        gates.append(mixture.gate.detach().clone())
    assert torch.equal(*gates)


def test_a_net_and_an_ngram_predict_together() -> None:
    text = np.random.default_rng(0).integers(0, TOKENS, 2000)
    learnt, counted = LanguageModel(TOKENS, 4, LSTM(4, 6)), NGram.count(text, TOKENS, 3)
    mixture = Mixture([learnt, counted])
    tokens = torch.from_numpy(text[:40]).view(2, 20)
    logits, _ = mixture.unroll(tokens, mixture.start(2))
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones(2, 20))
    assert {name for name, _ in mixture.named_parameters()} > {"gate"}


def test_members_over_other_tokens_are_refused() -> None:
    with pytest.raises(OptionError, match="with the same vocabulary; the vocabulary sizes are: 5, 2"):
        Mixture([Fixed(UNIFORM), Fixed(torch.full((2, 2), 0.5))])
    with pytest.raises(OptionError, match="two or more"):
        Mixture([Fixed(UNIFORM)])
