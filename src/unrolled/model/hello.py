"""A minimal language model: an RNN that learns to spell "hello" (after Karpathy 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.memory import RNN
from unrolled.model.language import LanguageModel, summed_nats
from unrolled.model.optimisers import Adam
from unrolled.seeds import number

LETTERS = "helo"  # the vocabulary, in this order, without an EOS token
INPUTS, TARGETS = "hell", "ello"


class Progress(NamedTuple):
    """The net's loss and predictions before an update."""

    step: int  # updates so far
    loss: float  # nats per letter
    probabilities: tuple[tuple[float, ...], ...]  # of the next letter: [letter of LETTERS][step of INPUTS]
    generated: str  # greedy continuation of "h"


def make_hello(seed: int = 0, size: int = 8) -> LanguageModel:
    """An untrained net of one RNN of `size` units over the four letters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number(seed, "hello"))
        return LanguageModel(len(LETTERS), size, RNN(size, size))


def train_hello(seed: int = 0, steps: int = 100, size: int = 8, rate: float = 0.02) -> Iterator[Progress]:
    """Train an RNN of `size` units to predict e, l, l, o after h, e, l, l; yield a report before each of `steps`
    updates and one after the last. The two l's have different targets, so the net needs its memory."""
    return learn_hello(make_hello(seed, size), steps, rate)


def learn_hello(model: LanguageModel, steps: int, rate: float) -> Iterator[Progress]:
    """`train_hello` for a net that was made before."""
    optimiser = Adam(model.parameters(), lr=rate)
    inputs, targets = encode(INPUTS), encode(TARGETS)  # (1, T)
    for step in range(steps + 1):
        logits, _ = model.unroll(inputs, model.start(1))  # (1, T, V)
        loss = summed_nats(logits, targets) / targets.numel()
        probabilities = logits[0].softmax(dim=-1).T.tolist()  # V rows of T
        yield Progress(step, loss.item(), tuple(map(tuple, probabilities)), generate(model, INPUTS[0], len(TARGETS)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@torch.no_grad()
def generate(model: LanguageModel, first: str, length: int) -> str:
    """Greedily decode `length` letters after the letter `first`."""
    state, token, text = model.start(1), encode(first)[0], ""
    for _ in range(length):
        logits, state = model.step(token, state)  # (1, V)
        token = logits.argmax(dim=-1)  # (1,)
        text += LETTERS[int(token)]
    return text


def encode(text: str) -> Tensor:
    """Encode letters as one row of tokens (1, T)."""
    return torch.tensor([[LETTERS.index(letter) for letter in text]])
