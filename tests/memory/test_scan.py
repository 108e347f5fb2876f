"""The scan over time: as exact after 10,000 steps as after ten, also with gates at their extremes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unrolled.memory import Memory, MinGRU, MinLSTM
from unrolled.memory.scan import linear_scan

STEPS = 10_000


def by_steps(decay: Tensor, added: Tensor, start: Tensor) -> Tensor:
    outputs = []
    for t in range(decay.shape[1]):
        start = decay[:, t] * start + added[:, t]
        outputs.append(start)
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 9, 10, 64, 65])
def test_the_scan_and_its_gradient_are_those_of_the_recurrence(steps: int) -> None:
    generator = torch.Generator().manual_seed(steps)
    shapes = ((3, steps, 2), (3, steps, 2), (3, 2))
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    found, meant = linear_scan(*parts), by_steps(*parts)
    torch.testing.assert_close(found, meant, rtol=1e-12, atol=1e-12)
    weights = torch.cos(torch.arange(found.numel(), dtype=torch.float64)).view(found.shape)
    for got, expected in zip(
        torch.autograd.grad((found * weights).sum(), parts),
        torch.autograd.grad((meant * weights).sum(), parts),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


def extreme_gates(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Decays that are nearly 0, nearly 1, or exactly one of them; from a state that is not the start state."""
    generator = torch.Generator().manual_seed(0)
    driven = torch.randn(2, STEPS, 8, generator=generator, dtype=torch.float64) * 30
    decay = torch.sigmoid(driven)
    decay[:, ::97], decay[:, 5::101] = 0.0, 1.0
    added = (1 - decay) * torch.rand(2, STEPS, 8, generator=generator, dtype=torch.float64)
    start = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    return decay.to(dtype), added.to(dtype), start.to(dtype)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_ten_thousand_steps_with_gates_at_their_extremes(dtype: torch.dtype, within: float) -> None:
    decay, added, start = extreme_gates(dtype)
    assert (linear_scan(decay, added, start) - by_steps(decay, added, start)).abs().max() < within


def test_a_sum_of_logarithms_is_worse_by_orders_of_magnitude() -> None:
    """Why `linear_scan` uses no logarithms: the same recurrence as cumulative sums in logs, in float32."""
    decay, added, start = extreme_gates(torch.float32)
    decay, added, start = decay.clamp(min=1e-30), added.clamp(min=1e-30), start.abs()
    passed = decay.log().cumsum(1)
    whole = torch.cat([start.log()[:, None], added.log() - passed], dim=1)
    in_logs = (passed + whole.logcumsumexp(1)[:, 1:]).exp()
    meant = by_steps(decay, added, start)
    assert (in_logs - meant).abs().max() > 100 * (linear_scan(decay, added, start) - meant).abs().max()


@pytest.mark.parametrize("kind", [MinGRU, MinLSTM])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_stepped_and_scanned_agree_at_ten_thousand_steps(
    kind: Callable[[int, int], Memory], dtype: torch.dtype, within: float
) -> None:
    torch.manual_seed(0)
    memory = kind(4, 8).to(dtype).requires_grad_(False)
    with torch.no_grad():
        for weight in memory.parameters():
            weight.mul_(20)  # gates at their extremes
    xs = torch.randn(2, STEPS, 4, dtype=dtype)
    state = memory.start(2)
    whole, end = memory.unroll(xs, state)
    outputs = []
    for t in range(STEPS):
        output, state = memory.step(xs[:, t], state)
        outputs.append(output)
    stepped = torch.stack(outputs, dim=1)
    scale = max(1.0, stepped.abs().max().item())
    assert (whole - stepped).abs().max() < within * scale
    assert (end.hidden - state.hidden).abs().max() < within * scale
