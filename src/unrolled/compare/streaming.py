"""The streaming costs of a model, token by token: bytes of state, and time per token."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.metrics.surprise import Unrolling
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.states import State, count_bytes
from unrolled.threads import single_thread

STEPS = (100, 10_000)  # after which the size of the state is measured
CHUNK = 500  # tokens that are read at once
TOKENS_PER_TURN = 100  # that a model reads before it is the next model's turn
TURNS = 7


def state_bytes(model: Unrolling, tokens: Tensor) -> dict[int, int]:
    """Bytes of one row's state after 100 and after 10,000 steps of tokens (10,000,)."""
    sizes, state, done = {}, model.start(1), 0
    with torch.no_grad():
        for steps in STEPS:
            while done < steps:
                chunk = tokens[done : min(done + CHUNK, steps)]
                _, state = model.unroll(chunk[None], state)
                done += len(chunk)
            sizes[steps] = count_bytes(state)
    return sizes


def time_streams(models: Sequence[LanguageModel | NGram | Mixture], tokens: Tensor) -> list[float]:
    """Milliseconds per token of each model, stepping one row: medians over turns that alternate between models.

    tokens: ((TURNS + 1) * TOKENS_PER_TURN,). The first turn is a warm-up.
    """
    states: list[State] = [model.start(1) for model in models]
    taken: list[list[float]] = [[] for _ in models]
    with torch.no_grad(), single_thread():
        for turn in range(TURNS + 1):
            for k, model in enumerate(models):
                started = time.perf_counter()
                for place in range(turn * TOKENS_PER_TURN, (turn + 1) * TOKENS_PER_TURN):
                    _, states[k] = model.step(tokens[place : place + 1], states[k])
                if turn:
                    taken[k].append((time.perf_counter() - started) / TOKENS_PER_TURN * 1000)
    return [statistics.median(times) for times in taken]
