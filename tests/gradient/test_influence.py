"""Gradients on a linear system of 23 numbers, with no net at all: where truncation gets the sign wrong.

Influence balancing, Tallec & Ollivier 2017, arXiv 1705.08209.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unrolled.errors import OptionError
from unrolled.gradient import BPTTStrategy, Checkpointed, Full, Randomised, Truncated

PLACES = 23
MIX = 0.5 * (torch.eye(PLACES, dtype=torch.float64) + torch.diag(torch.ones(PLACES - 1), 1))
PUSH = torch.cat([-torch.ones(10), torch.ones(13)]).double()
TABLE = {1: 1.0, 10: 10.0, 20: 16.4761, 30: 9.8699, 40: 0.5655, 41: -0.2190, 50: -4.7527, 100: -6.0000}


DRAWS = 6_500
JUMPS = [(torch.eye(PLACES, dtype=torch.float64), torch.zeros(PLACES, dtype=torch.float64))]
for _ in range(10):
    JUMPS.append((MIX @ JUMPS[-1][0], MIX @ JUMPS[-1][1] + PUSH))


def slope_at_the_last_step(strategy: BPTTStrategy, steps: int) -> float:
    """d/dθ of ½(s¹ − 1)² after the last of `steps` steps of s = MIX s + PUSH θ, at θ = 0 and s = 0."""
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def segment_loss(state: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        loss = torch.zeros((), dtype=torch.float64)
        for t in range(start, stop):
            state = MIX @ state + PUSH * theta
            loss = loss + 0.5 * (state[0] - 1) ** 2 * (t == steps - 1)
        return loss, state

    loss, _ = strategy(segment_loss, torch.zeros(PLACES, dtype=torch.float64), steps)
    assert loss.item() == 0.5
    assert theta.grad is not None
    return theta.grad.item()


def test_the_exact_gradient_is_minus_six() -> None:
    assert slope_at_the_last_step(Full(), 500) == pytest.approx(-6, abs=1e-9)


@pytest.mark.parametrize(("reach", "slope"), TABLE.items())
def test_truncation_has_the_slopes_of_the_paper(reach: int, slope: float) -> None:
    strategies = [Truncated(reach), Truncated(1, reach)]
    strategies += [Truncated(k1, reach) for k1 in (2, 5, 10, 20) if k1 <= reach]
    for strategy in strategies:
        steps = strategy.k1 * (2 + reach // strategy.k1)  # whole segments, so that the last one has `reach` steps
        assert slope_at_the_last_step(strategy, steps) == pytest.approx(slope, abs=5e-5), strategy


def test_every_truncation_up_to_40_walks_away_from_the_optimum() -> None:
    slopes = {reach: slope_at_the_last_step(Truncated(1, reach), reach + 5) for reach in range(1, 41)}
    assert [reach for reach, slope in slopes.items() if slope <= 0] == []


def test_full_of_a_few_steps_is_truncation_to_as_many() -> None:
    for steps, slope in TABLE.items():
        assert slope_at_the_last_step(Full(), steps) == pytest.approx(slope, abs=5e-5)


def test_truncation_reads_k2_minus_k1_steps_once_more() -> None:
    read: list[tuple[int, int]] = []

    def segment_loss(state: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        read.append((start, stop))
        weight = torch.zeros((), requires_grad=True)
        return weight * (stop - start), state

    Truncated(4, 8)(segment_loss, torch.zeros(1), 12)
    assert read == [(0, 4), (0, 4), (4, 8), (4, 8), (8, 12)]
    read.clear()
    Truncated(4, 6)(segment_loss, torch.zeros(1), 10)
    assert read == [(0, 2), (2, 4), (2, 4), (4, 6), (6, 8), (6, 8), (8, 10)]


def test_cuts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="truncated:k1=0 was requested; k1 is a number of steps, at least 1"):
        Truncated(0)
    with pytest.raises(OptionError, match=r"k1=64,k2=32 .* at least k1\. Try truncated:k1=64,k2=128"):
        Truncated(64, 32)


@pytest.mark.parametrize(
    "strategy", [Checkpointed(slots=3), Checkpointed(slots=5, segment=7, keep="states")], ids=repr
)
def test_a_checkpointed_gradient_is_the_exact_one(strategy: Checkpointed) -> None:
    assert slope_at_the_last_step(strategy, 200) == pytest.approx(-6, abs=1e-9)


@pytest.mark.slow
def test_the_mean_of_randomised_truncations_is_the_exact_slope() -> None:
    """With every truncation up to 40 steps, descent moves away; one of 200 on average, with rescaling, is right on
    the mean."""
    generator = torch.Generator().manual_seed(0)
    slopes = torch.tensor([jumping_slope(Randomised(mean=200, every=10), 120, generator) for _ in range(DRAWS)])
    error = slopes.std() / DRAWS**0.5
    assert error < 0.1
    assert abs(slopes.mean() + 6) < 3 * error


def jumping_slope(strategy: BPTTStrategy, steps: int, generator: torch.Generator) -> float:
    """The same slope, ten steps at once, so that many draws take only seconds."""
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def segment_loss(state: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        mixed, pushed = JUMPS[stop - start]
        state = mixed @ state + pushed * theta
        loss = 0.5 * (state[0] - 1) ** 2 if stop == steps else theta * 0
        return loss, state

    strategy(segment_loss, torch.zeros(PLACES, dtype=torch.float64), steps, generator)
    assert theta.grad is not None
    return theta.grad.item()
