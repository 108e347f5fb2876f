"""Build the net of a plan, for each task. Training and loading both use this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from unrolled import seeds
from unrolled.data.dataset.dataset import DatasetSchema
from unrolled.data.dataset.outputs import TextOutput
from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.video_clips import ClipFeaturizer
from unrolled.errors import RunError
from unrolled.memory import Dropout, build_stack
from unrolled.memory.pooling import POOLS
from unrolled.model.embeddings import RawInput
from unrolled.model.encoder_decoder import TRANSFORMER, EncoderDecoderConfig, TeacherForced, build_encoder_decoder
from unrolled.model.encoders import ClipEncoder, ImageEncoder, build_bidirectional, make_glimpse
from unrolled.model.encoders.glimpse import is_glimpse
from unrolled.model.heads import Head
from unrolled.model.language import LanguageModel
from unrolled.model.nets.base import first_layers
from unrolled.model.nets.table import is_video_net, make_net, make_video_net
from unrolled.model.row_net import PredictionNet
from unrolled.model.weights import batch_norms
from unrolled.options import DEFAULT_MODEL, EARLY, PredictionSettings, Seq2SeqSettings
from unrolled.registry import parse_component
from unrolled.tasks.dataset import build_stem, known_from_json
from unrolled.tasks.pretrained import is_pretrained

if TYPE_CHECKING:
    from unrolled.training.plan import Plan

LANGUAGE_MODELING = "language-modeling"  # kind of a language model's run
READING = ("embedding", "stem", "memory", "encoder")
"""Components that read the input, in order; the last two are the same place. The others predict from their output."""
DEFAULT_POOL = "attention"  # unless requested otherwise
COVERAGE = 1.0  # λ of doubly stochastic attention to images, as in Xu et al. 2015
ATTENTION = "additive"  # unless requested otherwise or the memory is a transformer
IMAGE_ATTENTION = "multihead"  # unless requested otherwise, to the features of images (docs/results/captions.md)


def build_model(plan: Plan, tokens: int, seed: int) -> LanguageModel:
    """An untrained language model over `tokens` tokens, the same for the same plan and seed."""
    with weights_seeded_by(seed):
        memory = build_stack(plan.model, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout)
        return LanguageModel(tokens, plan.embedding_size, memory).to(plan.device)


def build_prediction_net(
    plan: Plan,
    settings: PredictionSettings,
    tables: Mapping[str, Any],
    weights: Mapping[str, list[float]] | None = None,
) -> PredictionNet:
    """An untrained net for labels and numbers, from a plan and a run's tables; the same for the same seed."""
    known = known_from_json(tables)
    if is_glimpse(settings.encoder):
        return _build_glimpse_net(plan, settings, known, weights)
    if settings.encoder is not None:
        return _build_image_net(plan, settings, known, weights)
    with weights_seeded_by(settings.seed):
        embedding, stem = build_stem(
            known.featurizer, plan.embedding_size, settings.stem, tables.get("init_task") == LANGUAGE_MODELING
        )
        ahead = settings.direction == "causal"
        build = build_stack if ahead else build_bidirectional
        memory = build(plan.model, plan.embedding_size, plan.hidden_size, plan.layers, plan.dropout)
        pool = POOLS[settings.pool or DEFAULT_POOL](plan.hidden_size, plan.hidden_size)
        heads = _build_heads(known, plan, plan.hidden_size, weights)
        stem, pool = (Dropout(part, plan.dropout) if plan.dropout else part for part in (stem, pool))
        model = PredictionNet(embedding, stem, memory, pool, heads, known.each).to(plan.device)
    for name in frozen_components(settings.freeze):
        component = model.get_submodule(name if name in ("embedding", "stem") else "memory")
        component.requires_grad_(False).eval()  # keeps the statistics of a batch norm too
    return model


def _build_image_net(
    plan: Plan, settings: PredictionSettings, known: DatasetSchema, weights: Mapping[str, list[float]] | None
) -> PredictionNet:
    featurizer, text = known.featurizer, settings.encoder or ""
    further = f"{text}{',' if ':' in text else ':'}"
    encoder: ImageEncoder | ClipEncoder
    with weights_seeded_by(settings.seed):
        if isinstance(featurizer, ClipFeaturizer) and is_video_net(text):
            encoder = ClipEncoder(make_video_net(f"{further}frames={featurizer.frames}"))
        elif isinstance(featurizer, PixelFeaturizer) and not is_video_net(text):
            encoder = ImageEncoder(make_net(f"{further}channels={featurizer.channels}"), featurizer.side)
        else:
            raise RunError("The run's vocabulary.json is damaged: its input is none of its net. Train again.")
        heads = _build_heads(known, plan, encoder.size, weights)
        pooling = "mean" if isinstance(encoder, ClipEncoder) else "last"
        embedding, pool = RawInput(featurizer.width), POOLS[pooling](encoder.size, encoder.size)
        model = PredictionNet(embedding, None, encoder, pool, heads).to(plan.device)
    if is_pretrained(settings.init_from):
        for normed in batch_norms(encoder).values():
            normed.eval()  # the statistics of many images are better than those of a few in small batches
    if settings.freeze == EARLY:
        for own in encoder.net.parameters(recurse=False):
            own.requires_grad_(False)  # embeddings of places
        for layer in first_layers(encoder.net):
            layer.requires_grad_(False).eval()
    elif settings.freeze is not None:
        encoder.requires_grad_(False).eval()
    return model


def _build_glimpse_net(
    plan: Plan, settings: PredictionSettings, known: DatasetSchema, weights: Mapping[str, list[float]] | None
) -> PredictionNet:
    featurizer = known.featurizer
    if not isinstance(featurizer, PixelFeaturizer):
        raise RunError("The run's vocabulary.json is damaged: its input is no image as a whole. Train again.")
    with weights_seeded_by(settings.seed):
        encoder = make_glimpse(settings.encoder or "", featurizer.channels)
        heads = _build_heads(known, plan, encoder.size, weights)
        embedding, pool = RawInput(featurizer.width), POOLS["last"](encoder.size, encoder.size)
        model = PredictionNet(embedding, None, encoder, pool, heads).to(plan.device)
    if settings.freeze is not None:
        encoder.requires_grad_(False).eval()
    return model


def _build_heads(
    known: DatasetSchema, plan: Plan, size: int, weights: Mapping[str, list[float]] | None
) -> dict[str, Head]:
    return {
        name: Head(size, output.width, output.likelihood, None if weights is None else weights[name], plan.smoothing)
        for name, output in known.outputs.items()
    }


def frozen_components(freeze: str | None) -> tuple[str, ...]:
    """The components that --freeze leaves as they are: the named one, and all that come before it."""
    if freeze is None:
        return ()
    return {"embedding": READING[:1], "stem": READING[:2]}.get(freeze, READING)


def build_teacher_forced(plan: Plan, settings: Seq2SeqSettings, tables: Mapping[str, Any]) -> TeacherForced:
    """An untrained encoder-decoder, from a plan and a run's tables; the same for the same seed."""
    known = known_from_json(tables)
    output = next(iter(known.outputs.values()))
    if not isinstance(output, TextOutput):
        raise RunError("The run's vocabulary.json is damaged: its output is not a text. Train again.")
    with weights_seeded_by(settings.seed):
        embedding, stem = build_stem(known.featurizer, plan.embedding_size, settings.stem)
        places = known.featurizer.places or None
        attention = attention_of(settings)
        config = EncoderDecoderConfig(
            model=plan.model, cross_attention=attention, tokens=output.width, embed=plan.embedding_size,
            size=plan.hidden_size, depth=plan.layers, dropout=plan.dropout, tied=True, smoothing=plan.smoothing,
            places=places, coverage=COVERAGE if places and not attention.startswith("none") else 0.0,
        )  # fmt: skip
        numeric = isinstance(known.featurizer, NumericFeaturizer)
        encoder_decoder = build_encoder_decoder(config, embedding, stem if numeric else None)
        return TeacherForced(encoder_decoder).to(plan.device)


def attention_of(settings: Seq2SeqSettings) -> str:
    """The kind of cross-attention: as requested, else a default that suits the memory."""
    transformer = parse_component(settings.model or DEFAULT_MODEL)[0] == TRANSFORMER
    return settings.attention or ("multihead" if transformer else ATTENTION)


@contextmanager
def weights_seeded_by(seed: int) -> Iterator[None]:
    """Draw weights from a run's seed within the context; torch's generator outside is unaffected."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.number(seed, "weights"))
        yield
