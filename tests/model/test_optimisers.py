"""Optimisers without torch's compiler compute what torch's own do, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled.model import optimisers


def trained(kind: Any, **options: Any) -> list[Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, inputs, targets = nn.Linear(5, 3), torch.randn(20, 5), torch.randn(20, 3)
    optimiser = kind(model.parameters(), **options)

    def loss() -> Tensor:
        optimiser.zero_grad()
        cost: Tensor = ((model(inputs) - targets) ** 2).mean()
        cost.backward()  # type: ignore[no-untyped-call]
        return cost

    for _ in range(5):
        optimiser.step(loss)
    return list(model.parameters())


@pytest.mark.parametrize(
    ("name", "options"),
    [("AdamW", {"lr": 0.1, "fused": True}), ("Adam", {"lr": 0.1}), ("LBFGS", {"line_search_fn": "strong_wolfe"})],
)
def test_they_compute_the_same_as_torchs(name: str, options: dict[str, Any]) -> None:
    own, torchs = (trained(getattr(room, name), **options) for room in (optimisers, torch.optim))
    assert all(torch.equal(one, other) for one, other in zip(own, torchs, strict=True))
