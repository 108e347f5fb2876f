"""The update of a hidden state and the output, number by number, for the character model of "hello"."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
from torch.nn import functional as F

from unrolled.memory import RNN
from unrolled.model.hello import INPUTS, LETTERS, encode, learn_hello, make_hello

UPDATES, SIZE, RATE = 150, 4, 0.03


class StateStep(NamedTuple):
    """One step: h' = tanh(W x + U h + b), then the probabilities of the next letter from h'."""

    letter: str  # read
    before: tuple[float, ...]  # h (H,)
    from_input: tuple[float, ...]  # W x + b (H,)
    from_past: tuple[float, ...]  # U h (H,)
    after: tuple[float, ...]  # h' (H,)
    probabilities: dict[str, float]  # of the next letter


def show_state(seed: int = 0) -> tuple[StateStep, ...]:
    """Trains a net of four units to spell "hello", then takes its steps apart."""
    model = make_hello(seed, SIZE)
    deque(learn_hello(model, UPDATES, RATE), maxlen=0)
    memory = model.memory
    if not isinstance(memory, RNN):
        raise TypeError(f"the net of this demo has an RNN, not {type(memory).__name__}")
    steps, hidden = [], memory.start(1).hidden  # (1, H)
    with torch.no_grad():
        for letter, token in zip(INPUTS, encode(INPUTS)[0], strict=True):
            x = model.embedding(token[None])  # (1, D)
            from_input = F.linear(x, memory.weight_ih, memory.bias_ih + memory.bias_hh)  # (1, H)
            from_past = F.linear(hidden, memory.weight_hh)  # (1, H)
            after = torch.tanh(from_input + from_past)
            shares = dict(zip(LETTERS, model.output(after)[0].softmax(0).tolist(), strict=True))
            before, inputs, past, new = (
                tuple(vector[0].tolist()) for vector in (hidden, from_input, from_past, after)
            )
            steps.append(StateStep(letter, before, inputs, past, new, shares))
            hidden = after
    return tuple(steps)
