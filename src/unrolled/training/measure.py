"""How fast this machine trains a plan: a few updates on random symbols, timed."""

from __future__ import annotations

import time

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


def seconds_an_update(plan: Plan, symbols: int) -> float:
    """The fastest of a few updates of `plan` over `symbols` symbols, in seconds, a first one not counted."""
    memory = build_stack(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
    model = LanguageModel(symbols, plan.embed, memory).to(plan.device)
    learner = Learner(model, Optimiser(model, plan), model.start(plan.batch))
    strategy = build("gradient", GRADIENTS, plan.gradient)
    shape = (plan.batch, plan.window + 1)
    drawn = torch.randint(0, symbols, shape, generator=generator(0, "measure"))
    full = torch.full((plan.batch,), plan.window)
    batch = Batch(drawn[:, :-1], drawn[:, 1:], full, torch.zeros(plan.batch, dtype=torch.bool))
    seconds = []
    for _ in range(UPDATES + 1):
        started = time.perf_counter()
        update(learner, batch, strategy, plan, 0)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX-512 BF16, AMX; Arm's BF16 is untried)."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
