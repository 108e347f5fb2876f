"""The smallest language model there is: a recurrent net that learns to spell "hello" (after Karpathy 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.memory import RNN
from unrolled.model.language import LanguageModel, losses
from unrolled.model.optimisers import Adam
from unrolled.seeds import number

LETTERS = "helo"  # the vocabulary, in this order; no border stands in it
INPUTS, TARGETS = "hell", "ello"


class Lesson(NamedTuple):
    """What the net answers before an update."""

    step: int  # updates so far
    loss: float  # nats a letter
    probabilities: tuple[tuple[float, ...], ...]  # [letter of LETTERS][step of INPUTS]: of the next letter
    written: str  # what it writes after "h", the likeliest letter each time


def learn_hello(seed: int = 0, steps: int = 100, size: int = 8, rate: float = 0.02) -> Iterator[Lesson]:
    """Teaches an RNN of `size` units that e, l, l, o follow h, e, l, l; yields a lesson before each of `steps`
    updates and one after the last. The two l's need different answers: it has to remember where it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number(seed, "hello"))
        model = LanguageModel(len(LETTERS), size, RNN(size, size))
    optimiser = Adam(model.parameters(), lr=rate)
    inputs, targets = spell(INPUTS), spell(TARGETS)  # (1, T)
    for step in range(steps + 1):
        logits, _ = model.unroll(inputs, model.start(1))  # (1, T, V)
        loss = losses(logits, targets) / targets.numel()
        probabilities = logits[0].softmax(dim=-1).T.tolist()  # V rows of T
        yield Lesson(step, loss.item(), tuple(map(tuple, probabilities)), write(model, INPUTS[0], len(TARGETS)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@torch.no_grad()
def write(model: LanguageModel, first: str, length: int) -> str:
    """The `length` letters that the model finds likeliest, one after the other, after the letter `first`."""
    state, symbol, text = model.start(1), spell(first)[0], ""
    for _ in range(length):
        logits, state = model.step(symbol, state)  # (1, V)
        symbol = logits.argmax(dim=-1)  # (1,)
        text += LETTERS[int(symbol)]
    return text


def spell(text: str) -> Tensor:
    """Letters as one row of symbols (1, T)."""
    return torch.tensor([[LETTERS.index(letter) for letter in text]])
