"""Measure how fast this machine trains a plan, by timing a few updates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import nn

from unrolled.data.text.batches import TextBatch
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.registry import build
from unrolled.seeds import make_generator
from unrolled.threads import faster_threads, torch_threads
from unrolled.training.loop import Batch, TrainingState, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan

Rehearsal = Callable[[Plan], tuple[nn.Module, Batch]]  # an untrained model for a plan, and a batch

UPDATES = 3
PROBED_STEPS = 8  # of a window, when threads are compared
THREADS_SHARE = 0.05  # of the time, at most, for comparing numbers of threads


def seconds_per_update(plan: Plan, rehearsal: Rehearsal, limit: float = math.inf) -> float:
    """Seconds of the fastest of a few updates of `plan`, without the first; of fewer where they take over `limit`
    seconds."""
    taken: list[float] = []
    for seconds in islice(time_updates(plan, rehearsal), UPDATES + 1):
        taken.append(seconds)
        if sum(taken) > limit:
            break
    return min(taken[1:] or taken)


def fastest_threads(plan: Plan, rehearsal: Rehearsal, seconds: float) -> int:
    """The plan's number of threads, or half of it where that is faster; comparing takes a share of `seconds`."""
    probe = replace(plan, window=PROBED_STEPS)
    return faster_threads(
        plan.threads,
        lambda threads: time_updates(replace(probe, threads=threads), rehearsal),
        THREADS_SHARE * seconds,
    )


def time_updates(plan: Plan, rehearsal: Rehearsal) -> Iterator[float]:
    """Yield the seconds of one update of `plan` after another, without end; torch's threads are restored between."""
    with torch_threads(plan.threads):
        model, batch = rehearsal(plan)
        training_state = TrainingState(model, Optimiser(model, plan), model.start(plan.rows))  # type: ignore[operator]
    strategy = build("bptt", BPTT_STRATEGIES, plan.bptt)
    while True:
        with torch_threads(plan.threads):
            started = time.perf_counter()
            update(training_state, batch, strategy, plan, 0)
            taken = time.perf_counter() - started
        yield taken


def rehearse_language(tokens: int) -> Rehearsal:
    """A rehearsal of a language model with a vocabulary of `tokens` tokens: windows of random tokens."""

    def rehearsal(plan: Plan) -> tuple[nn.Module, Batch]:
        memory = build_stack(plan.model, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout)
        model = LanguageModel(tokens, plan.embedding_size, memory).to(plan.device)
        shape = (plan.batch_size, plan.window + 1)
        drawn = torch.randint(0, tokens, shape, generator=make_generator(0, "measure"))
        full = torch.full((plan.batch_size,), plan.window)
        return model, TextBatch(drawn[:, :-1], drawn[:, 1:], full, torch.zeros(plan.batch_size, dtype=torch.bool))

    return rehearsal


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX-512 BF16, AMX; Arm's BF16 is untried)."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
