"""Planted faults of encoder-decoders, each with the law that has to catch it."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from unrolled import laws
from unrolled.laws import Law
from unrolled.memory import RNN, NoMemory, Stack
from unrolled.memory.blocks import block
from unrolled.model.cross_attention import CrossAttentionMemory, CrossAttentionState, Dot
from unrolled.model.embeddings import BagEmbedding
from unrolled.model.encoder_decoder import EncoderDecoder, InitialState, Source
from unrolled.model.encoders import Bidirectional, Encoded
from unrolled.states import State


class SmallEncoderDecoder(EncoderDecoder):
    """Keeps every law; the faults below change what it sees of its source."""

    def __init__(self, cross_attention: type[Dot] = Dot) -> None:
        stem = NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5))
        encoder = Bidirectional([(RNN(6, 4), RNN(6, 4))])
        decoder = Stack([RNN(6, 8), block([CrossAttentionMemory(cross_attention(8, 8, 8))])])
        super().__init__(BagEmbedding(20, 6), stem, encoder, decoder, tokens=65)


class ReadsItsSourcesPadding(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.padding_of_a_source_changes_nothing

    def start(self, source: Source, initial_state: InitialState | None = None) -> State:
        return super().start(
            source._replace(lengths=torch.full_like(source.lengths, source.inputs.shape[1])), initial_state
        )


class CountsThePadding(Dot):
    """Padding adds nothing to the sum, but takes a share of the attention weights."""

    def start(self, source: Encoded) -> CrossAttentionState:
        state = super().start(source)
        return state._replace(lengths=torch.full_like(state.lengths, state.keys.shape[1]))


class LooksAtPadding(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.padding_of_a_source_changes_nothing

    def __init__(self) -> None:
        super().__init__(CountsThePadding)


class CentresOverItsSources(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.a_text_depends_on_no_other_source

    def encode(self, source: Source, initial_state: InitialState) -> Encoded:
        features, lengths = super().encode(source, initial_state)
        return Encoded(features - 0.01 * features[:, :1].mean(0, keepdim=True), lengths)


class ReadsNoFurther(SmallEncoderDecoder):
    """Uses only three steps of the input."""

    breaks: ClassVar[Law] = laws.a_text_depends_on_every_step_of_its_source

    def start(self, source: Source, initial_state: InitialState | None = None) -> State:
        return super().start(source._replace(lengths=source.lengths.clamp(max=3)), initial_state)


class MixesUpSharedSources(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.texts_may_share_a_source

    def start(self, source: Source, initial_state: InitialState | None = None) -> State:
        of_text = None if source.of_text is None else source.of_text.flip(0)
        return super().start(source._replace(of_text=of_text), initial_state)


class DividesByNoSteps(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.an_empty_source_is_allowed

    def encode(self, source: Source, initial_state: InitialState) -> Encoded:
        features, lengths = super().encode(source, initial_state)
        return Encoded(features.cumsum(1) / lengths.to(features)[:, None, None], lengths)


class WritesTheSameAboutAll(SmallEncoderDecoder):
    breaks: ClassVar[Law] = laws.a_tiny_batch_of_texts_is_overfit

    def start(self, source: Source, initial_state: InitialState | None = None) -> State:
        return super().start(Source(torch.ones_like(source.inputs), torch.ones_like(source.lengths)), initial_state)


BROKEN_ENCODER_DECODERS = (
    ReadsItsSourcesPadding,
    LooksAtPadding,
    CentresOverItsSources,
    ReadsNoFurther,
    MixesUpSharedSources,
    DividesByNoSteps,
    WritesTheSameAboutAll,
)
