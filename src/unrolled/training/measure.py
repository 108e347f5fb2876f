"""How fast this machine trains a plan: a few updates on random symbols, timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch

from unrolled.data.windows import Batch
from unrolled.gradient import GRADIENTS
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.seeds import generator
from unrolled.settings import build
from unrolled.training.loop import Learner, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan

UPDATES = 3
PROBED_STEPS, PROBES = 8, 10  # of a window, and updates, when threads are compared


def seconds_an_update(plan: Plan, symbols: int) -> float:
    """The fastest of a few updates of `plan` over `symbols` symbols, in seconds, a first one not counted."""
    return min(islice(time_updates(plan, symbols), 1, UPDATES + 1))


def fastest_threads(plan: Plan, symbols: int) -> int:
    """As many threads as the plan has, or half of them where these are faster.

    Threads wait for each other: where other processes have the cores, an update of many can take a hundred times
    as long as one of few. So the fewer are timed first, and the more are stopped once they have taken longer.
    """
    few = max(1, plan.threads // 2)
    if few == plan.threads:
        return few
    probe = replace(plan, window=PROBED_STEPS)
    limit = sum(islice(time_updates(replace(probe, threads=few), symbols), 1, PROBES + 1))
    taken = 0.0
    for seconds in islice(time_updates(probe, symbols), 1, PROBES + 1):
        taken += seconds
        if taken > limit:
            return few
    return plan.threads


def time_updates(plan: Plan, symbols: int) -> Iterator[float]:
    """Seconds of each of endless updates of `plan` on random symbols, by as many threads as it says."""
    torch.set_num_threads(plan.threads)
    memory = build_stack(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
    model = LanguageModel(symbols, plan.embed, memory).to(plan.device)
    learner = Learner(model, Optimiser(model, plan), model.start(plan.batch))
    strategy = build("gradient", GRADIENTS, plan.gradient)
    shape = (plan.batch, plan.window + 1)
    drawn = torch.randint(0, symbols, shape, generator=generator(0, "measure"))
    full = torch.full((plan.batch,), plan.window)
    batch = Batch(drawn[:, :-1], drawn[:, 1:], full, torch.zeros(plan.batch, dtype=torch.bool))
    while True:
        started = time.perf_counter()
        update(learner, batch, strategy, plan, 0)
        yield time.perf_counter() - started


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX-512 BF16, AMX; Arm's BF16 is untried)."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
