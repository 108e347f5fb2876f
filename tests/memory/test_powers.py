"""What some memories can do and others cannot: track a state beyond the trained length, and recall pairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.memory import Memory, build_stack

PAIRS = 32

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]


def parity(rows: int, steps: int) -> Draw:
    """Bits, and at each step whether the number of ones so far is odd."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        bits = torch.randint(0, 2, (rows, steps), generator=generator)
        return bits, bits.cumsum(1) % 2

    return draw


def recall(rows: int, kinds: int) -> Draw:
    """Key, value, key, value, …, then each key again in another order, where its value is to be predicted."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        keys = torch.rand(rows, kinds, generator=generator).argsort(1)[:, :PAIRS]
        values = torch.randint(0, kinds, (rows, PAIRS), generator=generator)
        order = torch.rand(rows, PAIRS, generator=generator).argsort(1)
        pairs = torch.stack([keys, kinds + values], dim=2).flatten(1)
        inputs = torch.cat([pairs, keys.gather(1, order)], dim=1)
        targets = torch.cat([torch.full_like(pairs, -100), values.gather(1, order)], dim=1)
        return inputs, targets

    return draw


class Prediction(nn.Module):
    """Tokens in, logits out, around a memory."""

    def __init__(self, tokens: int, answers: int, memory: Memory) -> None:
        super().__init__()
        self.embedding, self.memory = nn.Embedding(tokens, memory.input_size), memory
        self.output = nn.Linear(memory.size, answers)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.memory.unroll(self.embedding(tokens), self.memory.start(len(tokens)))
        logits: Tensor = self.output(outputs)
        return logits


def learn(model: Prediction, draw: Draw, updates: int, rate: float) -> None:
    """Trains for this number of batches, with a learning rate that rises and falls again."""
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=updates + 1)
    for _ in range(updates):
        tokens, targets = draw(generator)
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rates.step()


@torch.no_grad()
def accuracy_of(model: Prediction, draw: Draw) -> float:
    tokens, targets = draw(torch.Generator().manual_seed(2))
    scored = targets >= 0
    return float((model(tokens).argmax(2) == targets)[scored].double().mean())


def test_slstm_keeps_parity_at_four_times_the_length_it_was_trained_at() -> None:
    torch.manual_seed(0)
    model = Prediction(2, 2, build_stack("slstm", 8, 16))
    learn(model, parity(64, 16), updates=300, rate=0.02)
    assert accuracy_of(model, parity(200, 64)) > 0.999


def test_mingru_of_one_layer_does_not() -> None:
    """Its gate cannot see whether the step is odd or even: the counterexample to the test above, as docs/ideas.md
    says."""
    torch.manual_seed(0)
    model = Prediction(2, 2, build_stack("mingru", 8, 16))
    learn(model, parity(64, 16), updates=300, rate=0.02)
    assert accuracy_of(model, parity(200, 64)) < 0.75


@pytest.mark.slow
def test_delta_recalls_32_pairs() -> None:
    torch.manual_seed(0)
    model = Prediction(128, 64, build_stack("delta:heads=1", 64, 64, depth=2))
    learn(model, recall(32, 64), updates=1500, rate=0.003)
    assert accuracy_of(model, recall(200, 64)) > 0.99
