"""From a plan to the model it describes; training and loading both come here."""

from __future__ import annotations

import torch

from unrolled import seeds
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.training.plan import Plan


def build_model(plan: Plan, symbols: int, seed: int) -> LanguageModel:
    """An untrained language model over `symbols` symbols, the same for the same plan and seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.number(seed, "weights"))
        memory = build_stack(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
        model = LanguageModel(symbols, plan.embed, memory)
    return model.to(plan.device)
