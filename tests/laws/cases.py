"""The components that the laws are checked on, one line each; a test demands a line for every component."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from batch_norm_encoder import NormedConvolution
from torch import Tensor, nn

from unrolled.arguments import Count, checked
from unrolled.gradient import BPTTStrategy, Checkpointed, Full, Randomised, Truncated
from unrolled.laws import FixedSources
from unrolled.memory import (
    GRU,
    LSTM,
    MEMORIES,
    RNN,
    Attention,
    Convolution,
    Delta,
    Dropout,
    Memory,
    NoMemory,
    Residual,
    Stack,
    build_stack,
)
from unrolled.memory.columns import ColumnConvolution, build_columns
from unrolled.memory.pooling import POOLS
from unrolled.model.cross_attention import CROSS_ATTENTIONS, CrossAttention
from unrolled.model.embeddings import BagEmbedding
from unrolled.model.encoder_decoder import EncoderDecoderConfig, Source, build_encoder_decoder
from unrolled.model.encoders import Encoder, PlaceEncoder, SelfAttentionEncoder, build_bidirectional
from unrolled.model.heads import Head
from unrolled.model.image_features import FeatureSource
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.net_end import NetEnd
from unrolled.model.ngram.model import NGram
from unrolled.model.row_net import PredictionNet, PredictionNetState


@checked
def layer(inputs: Count, size: Count) -> Memory:
    """A layer for inputs that are numbers."""
    return NoMemory(inputs, size, nn.Linear(inputs, size))


def narrow_columns(places: int, channels: int, size: int) -> list[Memory]:
    """Two convolutions over neighbouring places, which together cover five steps, and a layer to `size` numbers."""
    first = ColumnConvolution(places, channels, 3)
    second = ColumnConvolution(first.places_after, 3, 4)
    return [first, second, layer(second.size, size)]


MEMORY_CASES: dict[str, Callable[[int, int], Memory]] = {
    **MEMORIES,
    "lstm with a horizon": lambda inputs, size: LSTM(inputs, size, horizon=50),
    "attention of two heads that slides": lambda inputs, size: Attention(inputs, size, heads=2, span=5),
    "attention to the step itself": lambda inputs, size: Attention(inputs, size, span=1),
    "attention that remembers everything": lambda inputs, size: Attention(inputs, size, span=None),
    "a convolution of one step": lambda inputs, size: Convolution(inputs, size, width=1),
    "a convolution that mixes nothing": lambda inputs, size: Convolution(size, size, width=5, mix=False),
    "delta of two heads": lambda inputs, size: Delta(inputs, size, heads=2),
    "a layer of numbers alone": layer,
    "convolutions over columns as trained": lambda inputs, size: Stack(build_columns(inputs, 1, size)),
    "convolutions over columns of three numbers each": lambda inputs, size: Stack(
        [layer(inputs, 15), *narrow_columns(5, 3, size)]
    ),
    "stack of unlike memories": lambda inputs, size: Stack([RNN(inputs, 3), LSTM(3, size)]),
    "residual": lambda inputs, size: Residual(GRU(size, size)),
    "the last of a row": lambda inputs, size: Stack([RNN(inputs, size), POOLS["last"](size, size)]),
    "the mean of a row": lambda inputs, size: Stack([GRU(inputs, size), POOLS["mean"](size, size)]),
    "what is looked for in a row": lambda inputs, size: Stack([GRU(inputs, size), POOLS["attention"](size, size)]),
    "dropout": lambda inputs, size: Dropout(LSTM(inputs, size), 0.5),
    "dropout that drops nothing": lambda inputs, size: Dropout(RNN(inputs, size), 0.0),
    "blocks of mingru": lambda inputs, size: build_stack("mingru", inputs, size, depth=2, dropout=0.3),
    "blocks of delta": lambda inputs, size: build_stack("delta", inputs, size),
    "a transformer": lambda inputs, size: build_stack("transformer:span=4", inputs, size, depth=2, dropout=0.3),
    "a recurrent stack with attention": lambda inputs, size: build_stack("lstm/attention:span=4", inputs, size),
    "six layers of lstm": lambda inputs, size: build_stack("lstm", inputs, size, depth=6),
    "six blocks of mingru": lambda inputs, size: build_stack("mingru", inputs, size, depth=6),
    "six blocks of a transformer": lambda inputs, size: build_stack("transformer", inputs, size, depth=6),
    "lstm and attention, six layers": lambda inputs, size: build_stack("lstm/attention", inputs, size, depth=3),
    "three layers as trained": lambda inputs, size: build_stack("lstm", inputs, size, depth=3, dropout=0.3),
}


def counted() -> NGram:
    """An n-gram of a text in which all tokens are about equally frequent."""
    return NGram.count(np.random.default_rng(0).integers(0, 65, 20_000), 65, order=2, eos=0)


class OneOutput(nn.Module):
    """A classifier with one output, wrapped as a model over tokens, for the laws of models.

    If its inputs are bags of ids, a token stands for a bag of three.
    """

    tokens = 65

    def __init__(self, memory: str, pool: str, bags: bool, each: bool = False) -> None:
        super().__init__()
        embedding = BagEmbedding(200, 6)
        stem = Dropout(NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5)), 0.2)
        pooled = Dropout(POOLS[pool](8, 8), 0.2)
        self.bags = bags
        self.model = PredictionNet(
            embedding, stem, build_stack(memory, 6, 8), pooled, {"label": Head(8, 65)}, ["label"] * each
        )

    def _ids(self, tokens: Tensor) -> Tensor:
        one = tokens + 1
        return torch.stack([one, tokens % 7 + 70, tokens * 0], -1) if self.bags else one[..., None]

    def start(self, rows: int) -> PredictionNetState:
        return self.model.start(rows)

    def step(self, tokens: Tensor, state: PredictionNetState) -> tuple[Tensor, PredictionNetState]:
        logits, state = self.model.step(self._ids(tokens), state)
        return logits["label"], state

    def unroll(
        self, tokens: Tensor, state: PredictionNetState, lengths: Tensor | None = None
    ) -> tuple[Tensor, PredictionNetState]:
        logits, state = self.model.unroll(self._ids(tokens), state, lengths)
        return logits["label"], state


MODEL_CASES: dict[str, Callable[[], LanguageModel | Mixture | OneOutput]] = {
    "labels by lstm and mean": lambda: OneOutput("lstm", "mean", bags=False),
    "labels by gru and its last": lambda: OneOutput("gru", "last", bags=False),
    "labels of words by mingru and attention": lambda: OneOutput("mingru", "attention", bags=True),
    "tags by lstm": lambda: OneOutput("lstm", "mean", bags=True, each=True),
    "language model, rnn": lambda: LanguageModel(65, 6, build_stack("rnn", 6, 8)),
    "language model, gru": lambda: LanguageModel(65, 6, build_stack("gru", 6, 8, dropout=0.2)),
    "language model, lstm": lambda: LanguageModel(65, 6, build_stack("lstm", 6, 8, depth=2, dropout=0.2)),
    "language model, transformer": lambda: LanguageModel(65, 6, build_stack("transformer:span=5", 6, 8, depth=2)),
    "language model, no memory": lambda: LanguageModel(65, 6, build_stack("none", 6, 8, dropout=0.2)),
    "mixture of a language model and counts": lambda: Mixture([LanguageModel(65, 6, LSTM(6, 8)), counted()]),
    "language model of two tokens": lambda: LanguageModel(2, 3, LSTM(3, 5)),
}

GRADIENT_CASES: dict[str, BPTTStrategy] = {
    "full": Full(),
    "truncated:k1=1": Truncated(1),
    "truncated:k1=2": Truncated(2),
    "truncated:k1=5": Truncated(5),
    "truncated:k1=1,k2=3": Truncated(1, 3),
    "truncated:k1=2,k2=4": Truncated(2, 4),
    "truncated:k1=2,k2=5": Truncated(2, 5),
    "truncated:k1=3,k2=4": Truncated(3, 4),
    "checkpointed:slots=1": Checkpointed(slots=1),
    "checkpointed:slots=3": Checkpointed(slots=3),
    "checkpointed:slots=2,segment=3": Checkpointed(slots=2, segment=3),
    "checkpointed:slots=3,keep=states": Checkpointed(slots=3, keep="states"),
    "checkpointed:slots=99,keep=states": Checkpointed(slots=99, keep="states"),
    "checkpointed:bytes=2MB": Checkpointed(bytes="2MB"),
    "randomised:mean=2": Randomised(2),
    "randomised:mean=4,every=2": Randomised(4, every=2),
}

GRADIENT_MEMORIES: dict[str, Callable[[int, int], Memory]] = {
    **MEMORIES,
    "growing attention": lambda inputs, size: Attention(inputs, size, span=None),
    "two blocks": lambda inputs, size: build_stack("mingru", inputs, size, depth=2, dropout=0.3),
    "two layers": lambda inputs, size: build_stack("lstm", inputs, size, depth=2, dropout=0.3),
}

ENCODER_CASES: dict[str, Callable[[int, int], Encoder]] = {
    "both ways, rnn": lambda inputs, size: build_bidirectional("rnn", inputs, size),
    "both ways, three layers of lstm": lambda inputs, size: build_bidirectional("lstm", inputs, size, 3, dropout=0.3),
    "both ways, blocks of mingru": lambda inputs, size: build_bidirectional("mingru", inputs, size, 2, dropout=0.3),
    "all at once": lambda inputs, size: SelfAttentionEncoder(inputs, size, depth=2, dropout=0.3),
    "all at once, as wide as its input": lambda inputs, size: SelfAttentionEncoder(size, size, heads=4),
    "both ways, attention": lambda inputs, size: build_bidirectional("attention", inputs, size),
    "convolutions with batch norm": NormedConvolution,
    "places of an image": lambda inputs, size: PlaceEncoder(inputs, size, places=64),
}

CROSS_ATTENTION_CASES: dict[str, Callable[[int, int], CrossAttention]] = {
    name: lambda inputs, size, make=make: make(inputs, 5, size)  # type: ignore[misc]
    for name, make in CROSS_ATTENTIONS.items()
}


CONSTRUCTOR_CASES: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    **{name: (make, (4, 8)) for name, make in {**MEMORY_CASES, **ENCODER_CASES}.items()},
    **{f"pool: {name}": (make, (8, 8)) for name, make in POOLS.items()},
    **{f"reader: {name}": (make, (4, 5, 8)) for name, make in CROSS_ATTENTIONS.items()},
    "a convolution over columns": (ColumnConvolution, (5, 2, 3)),
    "all at once, with its options": (SelfAttentionEncoder, (4, 8)),
    "a stack by its names": (partial(build_stack, "lstm"), (4, 8)),
    "an encoder by its names": (partial(build_bidirectional, "lstm"), (4, 8)),
}
"""A function that makes a component, and its sizes, of which the first is the size of the input."""


def bags() -> Source:
    """Inputs of two ids a step."""
    inputs = torch.randint(1, 20, (5, 5, 2), generator=torch.Generator().manual_seed(3))
    return Source(inputs, torch.tensor([5, 1, 3, 0, 4]))


def labels() -> Source:
    """Inputs of one step of one id, and one of none."""
    return Source(torch.tensor([[[1]], [[2]], [[3]], [[4]], [[5]]]), torch.tensor([1, 1, 1, 0, 1]))


def vectors() -> Source:
    """Inputs of four numbers a step."""
    return Source(torch.randn(5, 5, 4, generator=torch.Generator().manual_seed(4)), bags().lengths)


def early_features() -> Source:
    """Inputs of four places with 128 early features each: those of images of 64 pixels by a narrow ResNet."""
    inputs = torch.rand(5, 4, 128, generator=torch.Generator().manual_seed(5))
    return Source(inputs, torch.tensor([4, 4, 4, 0, 4]))


def end_of_a_net() -> nn.Module:
    """What makes six numbers of a place from these, by the last layers of the net."""
    source = FeatureSource("resnet18:width=0.125", "drawn", 64, (0.5,) * 3, (0.5,) * 3, "float32")
    return nn.Sequential(NetEnd(source, [0.5] * 64, [2.0] * 64), nn.Linear(64, 6))


def fixed_sources(model: str, cross_attention: str, source: Source | None = None, **how: Any) -> FixedSources:
    """An encoder-decoder with 65 tokens and a small memory, given a source of five inputs."""
    size = how.pop("size", 8)
    embedding = how.pop("embedding", None) or BagEmbedding(20, 6)
    config = EncoderDecoderConfig(model, cross_attention, 65, 6, size, **how)
    encoder_decoder = build_encoder_decoder(config, embedding)
    return FixedSources(encoder_decoder, bags() if source is None else source)


ENCODER_DECODER_CASES: dict[str, Callable[[], FixedSources]] = {
    "lstm, no attention": lambda: fixed_sources("lstm", "none"),
    "lstm, additive": lambda: fixed_sources("lstm", "additive", dropout=0.2),
    "gru, dot": lambda: fixed_sources("gru", "dot", depth=2, dropout=0.2),
    "lstm, multihead": lambda: fixed_sources("lstm", "multihead:heads=4", depth=2),
    "blocks of mingru, dot": lambda: fixed_sources("mingru", "dot", depth=2, dropout=0.2),
    "transformer": lambda: fixed_sources("transformer", "multihead", depth=2, dropout=0.2),
    "transformer with a span": lambda: fixed_sources("transformer:span=3", "multihead", depth=2, dropout=0.2),
    "transformer, tied": lambda: fixed_sources("transformer:span=4", "multihead", size=6, tied=True),
    "gru of a category": lambda: fixed_sources("gru", "none", labels(), smoothing=0.1),
    "lstm of vectors": lambda: fixed_sources("lstm", "additive", vectors(), embedding=nn.Linear(4, 6)),
    "lstm of images, with the end of a net": lambda: fixed_sources(
        "lstm", "multihead:heads=2", early_features(), embedding=end_of_a_net(), places=64
    ),
}
