"""How fast this machine trains a plan: a few updates of a rehearsal, timed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import nn

from unrolled.data.windows import Batch
from unrolled.gradient import GRADIENTS
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.registry import build
from unrolled.seeds import generator
from unrolled.threads import faster_threads, torch_threads
from unrolled.training.loop import Learner, Lesson, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan

Rehearsal = Callable[[Plan], tuple[nn.Module, Lesson]]  # an untrained model by a plan, and what it would be shown

UPDATES = 3
PROBED_STEPS = 8  # of a window, when threads are compared
THREADS_SHARE = 0.05  # of the time there is, at most, for comparing them


def seconds_an_update(plan: Plan, rehearsal: Rehearsal, limit: float = math.inf) -> float:
    """The fastest of a few updates of `plan`, in seconds, a first one not counted; of fewer, where these take longer
    than `limit` seconds."""
    taken: list[float] = []
    for one in islice(time_updates(plan, rehearsal), UPDATES + 1):
        taken.append(one)
        if sum(taken) > limit:
            break
    return min(taken[1:] or taken)


def fastest_threads(plan: Plan, rehearsal: Rehearsal, seconds: float) -> int:
    """As many threads as the plan has, or half of them where these are faster: compared in a share of `seconds`."""
    probe = replace(plan, window=PROBED_STEPS)
    return faster_threads(
        plan.threads,
        lambda threads: time_updates(replace(probe, threads=threads), rehearsal),
        THREADS_SHARE * seconds,
    )


def time_updates(plan: Plan, rehearsal: Rehearsal) -> Iterator[float]:
    """Seconds of each of endless updates of `plan`, on its number of threads; between them torch is as it was."""
    with torch_threads(plan.threads):
        model, lesson = rehearsal(plan)
        learner = Learner(model, Optimiser(model, plan), model.start(plan.rows))  # type: ignore[operator]
    strategy = build("gradient", GRADIENTS, plan.gradient)
    while True:
        with torch_threads(plan.threads):
            started = time.perf_counter()
            update(learner, lesson, strategy, plan, 0)
            taken = time.perf_counter() - started
        yield taken


def rehearse_language(symbols: int) -> Rehearsal:
    """A rehearsal of a language model over so many symbols: windows of random ones."""

    def rehearsal(plan: Plan) -> tuple[nn.Module, Lesson]:
        memory = build_stack(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
        model = LanguageModel(symbols, plan.embed, memory).to(plan.device)
        shape = (plan.batch, plan.window + 1)
        drawn = torch.randint(0, symbols, shape, generator=generator(0, "measure"))
        full = torch.full((plan.batch,), plan.window)
        return model, Batch(drawn[:, :-1], drawn[:, 1:], full, torch.zeros(plan.batch, dtype=torch.bool))

    return rehearsal


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX-512 BF16, AMX; Arm's BF16 is untried)."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
