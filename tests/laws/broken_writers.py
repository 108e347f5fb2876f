"""Planted faults of encoder-decoders, each with the law that has to catch it."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from unrolled import laws
from unrolled.laws import Law
from unrolled.memory import RNN, NoMemory, Stack
from unrolled.memory.blocks import block
from unrolled.model.cross_attention import Dot, Looking, ReaderState
from unrolled.model.embeddings import BagInlet
from unrolled.model.encoder_decoder import Blank, Source, Writer
from unrolled.model.encoders import Bidirectional, Encoded
from unrolled.states import State


class SmallWriter(Writer):
    """Keeps every law; the faults below change what it sees of its source."""

    def __init__(self, reader: type[Dot] = Dot) -> None:
        front = NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5))
        encoder = Bidirectional([(RNN(6, 4), RNN(6, 4))])
        decoder = Stack([RNN(6, 8), block([Looking(reader(8, 8, 8))])])
        super().__init__(BagInlet(20, 6), front, encoder, decoder, symbols=65, embed=6)


class ReadsItsSourcesPadding(SmallWriter):
    breaks: ClassVar[Law] = laws.padding_of_a_source_changes_nothing

    def start(self, source: Source, blank: Blank | None = None) -> State:
        return super().start(source._replace(lengths=torch.full_like(source.lengths, source.inputs.shape[1])), blank)


class CountsThePadding(Dot):
    """Padding adds nothing to the sum, but takes a share of the attention weights."""

    def start(self, source: Encoded) -> ReaderState:
        state = super().start(source)
        return state._replace(lengths=torch.full_like(state.lengths, state.keys.shape[1]))


class LooksAtPadding(SmallWriter):
    breaks: ClassVar[Law] = laws.padding_of_a_source_changes_nothing

    def __init__(self) -> None:
        super().__init__(CountsThePadding)


class CentresOverItsSources(SmallWriter):
    breaks: ClassVar[Law] = laws.a_text_hangs_on_no_other_source

    def encode(self, source: Source, blank: Blank) -> Encoded:
        features, lengths = super().encode(source, blank)
        return Encoded(features - 0.01 * features[:, :1].mean(0, keepdim=True), lengths)


class ReadsNoFurther(SmallWriter):
    """Uses only three steps of the input."""

    breaks: ClassVar[Law] = laws.a_text_hangs_on_every_step_of_its_source

    def start(self, source: Source, blank: Blank | None = None) -> State:
        return super().start(source._replace(lengths=source.lengths.clamp(max=3)), blank)


class DividesByNoSteps(SmallWriter):
    breaks: ClassVar[Law] = laws.nothing_to_write_about_is_allowed

    def encode(self, source: Source, blank: Blank) -> Encoded:
        features, lengths = super().encode(source, blank)
        return Encoded(features.cumsum(1) / lengths.to(features)[:, None, None], lengths)


class WritesTheSameAboutAll(SmallWriter):
    breaks: ClassVar[Law] = laws.a_tiny_batch_of_texts_is_learnt_by_heart

    def start(self, source: Source, blank: Blank | None = None) -> State:
        return super().start(Source(torch.ones_like(source.inputs), torch.ones_like(source.lengths)), blank)


BROKEN_WRITERS = (
    ReadsItsSourcesPadding,
    LooksAtPadding,
    CentresOverItsSources,
    ReadsNoFurther,
    DividesByNoSteps,
    WritesTheSameAboutAll,
)
