"""Build the net of a plan, for each task. Training and loading both use this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from unrolled import seeds
from unrolled.data.features import Features
from unrolled.data.outputs import TextOutput
from unrolled.errors import RunError
from unrolled.memory import Dropout, build_stack
from unrolled.memory.pooling import POOLS
from unrolled.model.encoder_decoder import TRANSFORMER, Taught, build_writer
from unrolled.model.encoders import build_bidirectional
from unrolled.model.heads import Head
from unrolled.model.language import LanguageModel
from unrolled.model.row_net import Answering
from unrolled.options import DEFAULT_MODEL, AnswerSettings, WritingSettings
from unrolled.registry import parse_part
from unrolled.tasks.dataset import build_inlet, known_from_json

if TYPE_CHECKING:
    from unrolled.training.plan import Plan

LANGUAGE = "language"  # kind of a language model's run
POOL = "attention"  # unless requested otherwise
READER = "additive"  # unless requested otherwise or the memory is a transformer


def build_model(plan: Plan, symbols: int, seed: int) -> LanguageModel:
    """An untrained language model over `symbols` tokens, the same for the same plan and seed."""
    with weights_drawn_by(seed):
        memory = build_stack(plan.model, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout)
        return LanguageModel(symbols, plan.embedding_size, memory).to(plan.device)


def build_answering(
    plan: Plan, settings: AnswerSettings, tables: Mapping[str, Any], weights: Mapping[str, list[float]] | None = None
) -> Answering:
    """An untrained net for labels and numbers, from a plan and a run's tables; the same for the same seed."""
    known = known_from_json(tables)
    with weights_drawn_by(settings.seed):
        inlet, front = build_inlet(known.intake, plan.embedding_size, settings.stem, tables.get("began") == LANGUAGE)
        ahead = settings.direction == "causal"
        build = build_stack if ahead else build_bidirectional
        memory = build(plan.model, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout)
        pool = POOLS[settings.pool or POOL](plan.hidden_size, plan.hidden_size)
        heads = {
            name: Head(plan.hidden_size, output.width, output.kind, None if weights is None else weights[name])
            for name, output in known.outputs.items()
        }
        front, pool = (Dropout(part, plan.dropout) if plan.dropout else part for part in (front, pool))
        model = Answering(inlet, front, memory, pool, heads, known.each).to(plan.device)
    if settings.freeze == "encoder":
        for part in (model.inlet, model.front, model.memory):
            part.requires_grad_(False).eval()  # keeps the statistics of a batch norm too
    return model


def build_taught(plan: Plan, settings: WritingSettings, tables: Mapping[str, Any]) -> Taught:
    """An untrained encoder-decoder, from a plan and a run's tables; the same for the same seed."""
    known = known_from_json(tables)
    output = next(iter(known.outputs.values()))
    if not isinstance(output, TextOutput):
        raise RunError("The run's symbols.json is damaged: its output is not a text. Train again.")
    with weights_drawn_by(settings.seed):
        inlet, front = build_inlet(known.intake, plan.embedding_size, settings.stem)
        writer = build_writer(
            inlet, plan.model, reader_of(settings), output.width, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout,
            tied=True, smoothing=plan.smoothing, front=front if isinstance(known.intake, Features) else None,
        )  # fmt: skip
        return Taught(writer).to(plan.device)


def reader_of(settings: WritingSettings) -> str:
    """The kind of cross-attention: as requested, else a default that suits the memory."""
    transformer = parse_part(settings.model or DEFAULT_MODEL)[0] == TRANSFORMER
    return settings.attention or ("multihead" if transformer else READER)


@contextmanager
def weights_drawn_by(seed: int) -> Iterator[None]:
    """Draw weights from a run's seed within the context; torch's generator outside is unaffected."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.number(seed, "weights"))
        yield
