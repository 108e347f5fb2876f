"""The reach of a model, on models whose prediction depends on the token a known number of steps back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import DataError
from unrolled.memory import build_stack
from unrolled.metrics import reach as module
from unrolled.metrics.reach import Reach, measure_reach
from unrolled.model.language import LanguageModel

V = 7
Rows = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


class Echo:
    """Predicts, almost surely, the token `lag` steps before the newest one; 0 if there was none."""

    def __init__(self, lag: int) -> None:
        self.lag = lag

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, self.lag, dtype=torch.long)

    def unroll(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        held = torch.cat([state, tokens], dim=1)
        return 9.0 * F.one_hot(held[:, : tokens.shape[1]], V).float(), held[:, tokens.shape[1] :]


def echoing(lag: int, steps: int = 6000) -> Rows:
    """A segment in which each target is the token `lag` steps before it."""
    inputs = np.random.default_rng(0).integers(1, V, steps)
    return [(inputs, np.r_[np.zeros(lag, np.int64), inputs[:-lag]])]


def measured(model: object, rows: Rows, seconds: float = 1.0) -> Reach:
    return measure_reach(model, rows, np.ones(V), seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(("lag", "reach"), [(3, 4), (5, 8), (100, 128)])
def test_the_reach_is_the_first_context_that_holds_what_is_needed(lag: int, reach: int) -> None:
    figures = measured(Echo(lag), echoing(lag))
    assert figures.reach == reach and figures.contexts[-1] == 4096
    assert figures.nats[-1] == pytest.approx(figures.nats_full, abs=1e-9) and figures.gradient_reach is None
    enough = figures.contexts.index(reach)
    assert min(figures.nats[:enough]) > 5 > 0.1 > max(figures.nats[enough:])
    assert figures.loss_error[-1] == pytest.approx(0.0, abs=1e-9)


def test_a_model_without_memory_has_a_reach_of_one_token() -> None:
    figures = measured(LanguageModel(V, 4, build_stack("none", 4, 8)), echoing(3))
    assert figures.reach == 1 and figures.gradient_reach == 1
    assert figures.gradient_norms[0] > 0 and not any(figures.gradient_norms[1:])


def test_attention_has_no_gradient_past_its_span() -> None:
    figures = measured(LanguageModel(V, 4, build_stack("attention:span=8", 4, 8)), echoing(3))
    norms = dict(zip(figures.lags, figures.gradient_norms, strict=True))
    assert norms[4] > 0 == norms[8]  # lags 4 to 7, and from 8 on
    assert figures.nats[3] == pytest.approx(figures.nats_full, abs=1e-5)  # a context of 8


def test_the_gradient_by_lag_is_that_of_each_position_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, rows = LanguageModel(V, 4, build_stack("lstm", 4, 8)).double(), echoing(3, 50)
    places = [(0, 20), (0, 31), (0, 49)]
    seen, norms = module._gradient_by_lag(model, rows, places, 8, 1.0)
    alone = np.zeros(8)
    for _, at in places:
        window = torch.from_numpy(rows[0][0][at - 7 : at + 1])
        embedded = model.embedding(window)[None].detach().requires_grad_()
        hidden, _ = model.memory.unroll(embedded, model.memory.start(1))
        loss = -model.output(hidden[0, -1]).log_softmax(0)[int(rows[0][1][at])]
        loss.backward()
        assert embedded.grad is not None
        alone += embedded.grad[0].norm(dim=1).flip(0).numpy()
    assert seen == 3 and norms == pytest.approx(alone)


def test_the_same_seed_gives_the_same_figures_and_a_short_text_shorter_contexts() -> None:
    model = LanguageModel(V, 4, build_stack("gru", 4, 8))
    first, second = (measured(model, echoing(3, 300), 60.0) for _ in range(2))
    assert first == second and first.contexts[-1] == 128 and first.positions == 300 - 127
    with pytest.raises(DataError, match="too little text"):
        measured(model, [(np.array([1]), np.array([2]))])
