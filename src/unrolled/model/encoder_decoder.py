"""Encoder-decoder: embedding -> stem -> encoder, and a decoder stack with cross-attention.

B rows, S steps of the input, T tokens of the text, V size of the vocabulary, E of an embedding, H of the stack. An
embedding turns any input into vectors: a text to translate, an image to caption; a label is one step of one id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import states
from unrolled.arguments import Count, checked
from unrolled.data.vocabulary.base import EOS
from unrolled.errors import OptionError
from unrolled.memory import Memory, build_stack
from unrolled.memory.base import at_least_float32, ragged, valid_steps
from unrolled.memory.blocks import norm, with_dropout
from unrolled.model.cross_attention import CROSS_ATTENTIONS, CrossAttentionMemory, cross_attentions_of, with_source
from unrolled.model.encoders import Encoded, Encoder, PlaceEncoder, SelfAttentionEncoder, build_bidirectional
from unrolled.registry import build, parse_component
from unrolled.states import State

SMALL = 0.02  # standard deviation of the output layer's weights at the start: the distribution is then near uniform
TRANSFORMER = "transformer"
PRETRAINED = "net"  # the component with the last layers of a pretrained net


class Source(NamedTuple):
    """The inputs of a batch: U different ones for B texts, each encoded once."""

    inputs: Tensor  # (U, S, P) ids of each step, or what else the embedding takes
    lengths: Tensor  # (U,) steps of each, kept on the CPU
    of_text: Tensor | None = None  # (B,) the input of each text; None: text i is about input i


class InitialState(NamedTuple):
    """The initial state of stem, encoder and decoder. `draw_masks` draws dropout's masks in it."""

    stem: State
    encoder: State
    decoder: State


class Seq2SeqBatch(Protocol):
    """A batch: inputs, and target texts about them."""

    @property
    def inputs(self) -> Tensor: ...  # (U, S, P), as in `Source`

    @property
    def lengths(self) -> Tensor: ...  # (B,) steps of each text's input

    @property
    def of_text(self) -> Tensor | None: ...  # (B,), as in `Source`

    @property
    def targets(self) -> Tensor: ...  # (B, T) target tokens, with the EOS token at the end

    @property
    def target_lengths(self) -> Tensor: ...  # (B,)


class EncoderDecoder(nn.Module):
    """Encoder-decoder: logits over the next token of a text about each input, at each step.

    `start(source)` encodes the inputs; after that the methods are those of a language model. The state is the
    decoder's, with the keys and values of the cross-attention, row by row.
    """

    def __init__(
        self,
        source_embedding: nn.Module,
        stem: Memory,
        encoder: Encoder,
        decoder: Memory,
        tokens: int,
        *,
        tied: bool = False,
        begins: bool = True,
        smoothing: float = 0.0,
        coverage: float = 0.0,
    ) -> None:
        """decoder: a stack with at least one `CrossAttentionMemory` in it. tokens: V.

        tied: one matrix for input and output embeddings (Press & Wolf 2017); the decoder's output must then be as
        wide as its input.
        begins: the decoder's first input is a vector of the whole source, before the first token (Vinyals et al.
        2015), so that a recurrent memory has the source in its state from the start.
        smoothing: label smoothing, the share of a target's weight spread over all tokens (Szegedy et al. 2016).
        coverage: λ of doubly stochastic attention (Xu et al. 2015, equation 14): over a whole text, each place of the
        source gets a total weight near 1.
        """
        super().__init__()
        embed = decoder.input_size  # E
        if not cross_attentions_of(decoder):
            raise OptionError("The decoder has no cross-attention: it would generate text without using the input.")
        if tied and embed != decoder.size:
            raise OptionError(
                f"Tied embeddings use one matrix for input and output, but the decoder's input has {embed} numbers "
                f"per step and its output {decoder.size}. Make the two equal, or pass tied=False."
            )
        if not 0.0 <= smoothing < 1.0:
            raise OptionError(f"The label smoothing is {smoothing}; it must be at least 0 and below 1.")
        self.source_embedding, self.stem, self.encoder, self.decoder = source_embedding, stem, encoder, decoder
        self.tokens, self.tied, self.smoothing, self.coverage = tokens, tied, smoothing, coverage
        self.embedding = nn.Embedding(tokens, embed)  # normal, standard deviation 1
        self.bias = nn.Parameter(torch.zeros(tokens))
        self.output = None if tied else nn.Linear(decoder.size, tokens, bias=False)
        nn.init.normal_(self.embedding.weight, std=embed**-0.5 if tied else 1.0)
        if self.output is not None:
            nn.init.normal_(self.output.weight, std=SMALL)
        self.scale = embed**0.5  # of tied input embeddings, which then have standard deviation 1 at the start
        # the scale of tied output embeddings is learnt per unit: the matrix cannot grow for the output alone
        self.gain = nn.Parameter(torch.full((decoder.size,), SMALL * self.scale if tied else 1.0))
        self.begin = nn.Linear(encoder.size, embed) if begins else None

    def initial_state(self, rows: int) -> InitialState:
        """The initial state for `start` and `loss`."""
        return InitialState(self.stem.start(rows), self.encoder.start(rows), self.decoder.start(rows))

    def start(self, source: Source, initial_state: InitialState | None = None) -> State:
        """Encode the inputs, with the dropout masks of `initial_state`; returns the state of each text before its
        first token. `initial_state` has a row per text."""
        of_text = torch.arange(len(source.inputs)) if source.of_text is None else source.of_text
        initial_state = self.initial_state(len(of_text)) if initial_state is None else initial_state
        encoded = self.encode(source, initial_state)
        state = with_source(self.decoder, initial_state.decoder, encoded, source.of_text)
        if self.begin is not None:
            total = encoded.features.sum(1)  # (U, D), zero past a row's length
            mean = total / encoded.lengths.to(total.device).clamp_min(1)[:, None]
            begin = at_least_float32(self.begin(mean))[of_text.to(total.device)]  # (B, E)
            _, state = self.decoder.step(begin, state)
        return state

    def encode(self, source: Source, initial_state: InitialState) -> Encoded:
        """Compute the features (U, S, D) for the cross-attention."""
        inputs = source.inputs.to(self.bias.device)
        first = torch.arange(len(inputs))
        stem, encoder = states.take(initial_state.stem, first), states.take(initial_state.encoder, first)
        xs, _ = self.stem.unroll(self.source_embedding(inputs), stem, source.lengths)
        return self.encoder.encode(xs, source.lengths, encoder)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (B,) -> logits (B, V) of the next token, and the state. The first token is BOS."""
        hidden, state = self.decoder.step(self._embed(tokens), state)  # (B, H)
        return self._project(hidden), state

    def unroll(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """tokens (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        steps, lengths = tokens.shape[1], ragged(lengths, tokens.shape[1])
        hidden, state = self.decoder.unroll(self._embed(tokens), state, lengths)  # (B, T, H)
        logits = self._project(hidden)
        if lengths is not None:
            logits = torch.where(valid_steps(lengths, steps, logits.device)[..., None], logits, 0.0)
        return logits, state

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """The same as `unroll`."""
        return self.unroll(tokens, state, lengths)

    def loss(self, batch: Seq2SeqBatch, initial_state: InitialState) -> tuple[Tensor, InitialState]:
        """Smoothed nats of all targets, summed, with teacher forcing (Williams & Zipser 1989), and the initial state
        for the next batch: no state is carried from one text to another.

        The gradient includes the penalty of `coverage`; the value is the nats alone.
        """
        logits, targets, _, seen = self._teacher_forced(batch, initial_state)
        nats = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=self.smoothing)
        if not self.coverage:
            return nats, initial_state
        alive = valid_steps(batch.target_lengths, batch.targets.shape[1], logits.device)  # (B, T)
        cost = torch.stack([uncovered(weights, alive, batch.lengths) for weights in seen]).sum() * self.coverage
        return nats + cost - cost.detach(), initial_state

    def nats(self, batch: Seq2SeqBatch) -> Tensor:
        """Nats of each row's text (B,), without label smoothing or dropout."""
        logits, targets, rows, _ = self._teacher_forced(batch, self.initial_state(len(batch.lengths)))
        each = F.cross_entropy(logits, targets, reduction="none")
        return each.new_zeros(len(batch.lengths)).index_add(0, rows, each)

    def weights(self, tokens: Tensor, state: State) -> tuple[Tensor, ...]:
        """Attention weights (B, T, S) of each cross-attention for tokens (B, T), from the first layer on.

        Weights [:, t] are those of the token that follows token t.
        """
        with self._seeing() as seen:
            self.unroll(tokens, state)
        return tuple(seen)

    @contextmanager
    def _seeing(self, needed: bool = True) -> Iterator[list[Tensor]]:
        """Within the context, unrolling appends the attention weights (B, T, S) of each cross-attention, where they
        are needed, from the first layer on. They are averaged over heads, sum to 1, and are 0 past a source's
        length."""
        seen: list[Tensor] = []
        hooks = [
            one.seen.register_forward_hook(lambda _, given, weights: seen.append(weights.mean(1)))
            for one in (cross_attentions_of(self.decoder) if needed else ())
        ]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()

    def _teacher_forced(
        self, batch: Seq2SeqBatch, initial_state: InitialState
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Logits (N, V) of N targets, each after BOS and the targets before it; the targets (N,); their rows (N,);
        and the attention weights (B, T, S) of each cross-attention, where `coverage` needs them. The decoder also
        runs over padding, which changes no logits before it; its logits are dropped."""
        state = self.start(source_of(batch), initial_state)
        targets = batch.targets.to(self.bias.device)
        inputs = F.pad(targets, (1, 0), value=EOS)[:, :-1]  # (B, T)
        with self._seeing(self.coverage > 0) as seen:
            hidden, _ = self.decoder.unroll(self._embed(inputs), state)  # (B, T, H)
        alive = valid_steps(batch.target_lengths, targets.shape[1], targets.device)
        return self._project(hidden[alive]), targets[alive], alive.nonzero()[:, 0], seen

    def _embed(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(tokens.to(self.bias.device))
        return self.scale * vectors if self.tied else vectors

    def _project(self, hidden: Tensor) -> Tensor:
        weight = self.embedding.weight if self.output is None else self.output.weight
        logits = F.linear(self.gain * hidden, weight, self.bias)
        return at_least_float32(logits)


def source_of(batch: Seq2SeqBatch) -> Source:
    """The inputs of a batch."""
    if batch.of_text is None:
        return Source(batch.inputs, batch.lengths)
    lengths = batch.lengths.new_zeros(len(batch.inputs)).index_put((batch.of_text,), batch.lengths)
    return Source(batch.inputs, lengths, batch.of_text)


def uncovered(weights: Tensor, alive: Tensor, lengths: Tensor) -> Tensor:
    """Σ (1 − Σ_t α_ts)² over rows and places: weights α (B, T, S) of T tokens, of which `alive` (B, T) exist, for
    sources of these lengths (B,)."""
    total = (weights * alive[..., None]).sum(1)  # (B, S)
    there = valid_steps(lengths, weights.shape[2], weights.device)
    written = alive.any(1)[:, None]
    return (torch.where(there & written, 1 - total, 0.0) ** 2).sum()


@checked
@dataclass(frozen=True)
class EncoderDecoderConfig:
    """The sizes and settings of an encoder-decoder."""

    model: str  # the memories of encoder and decoder, as for `build_stack`: "lstm", "transformer:span=64"
    cross_attention: str  # a name in `CROSS_ATTENTIONS`, with its options: "multihead:heads=4"
    tokens: Count  # V
    embed: Count  # E
    size: Count  # H
    depth: Count = 1  # layers of the encoder, and of the decoder
    dropout: float = 0.0  # share of each layer's outputs
    tied: bool = False  # one matrix for input and output embeddings
    smoothing: float = 0.0  # label smoothing
    coverage: float = 0.0  # λ of doubly stochastic attention
    places: Count | None = None  # of an image: the source has at most so many, which are no sequence


@checked
def build_encoder_decoder(
    config: EncoderDecoderConfig, source_embedding: nn.Module, stem: Memory | None = None
) -> EncoderDecoder:
    """Build an encoder-decoder.

    source_embedding: turns inputs into vectors, which `stem`, a norm if left out, turns into E numbers per step. A
    memory in plain layers has a bidirectional encoder, and a decoder with cross-attention after its first layer, so
    that the layers above have its output (Wu et al. 2016). A memory in blocks has cross-attention in every block.
    "transformer" is Vaswani et al. 2017 with pre-norm and rotary positions; the decoder attends to the whole text,
    unless a span is set. Raises OptionError.
    """
    model, embed, size, depth, dropout = config.model, config.embed, config.size, config.depth, config.dropout
    stem = with_dropout(norm(embed) if stem is None else stem, dropout)
    transformer = parse_component(model)[0] == TRANSFORMER
    if transformer and "span" not in parse_component(model)[1]:
        model = f"{model}{',' if ':' in model else ':'}span=none"
    encoder: Encoder
    if config.places is not None:
        encoder = PlaceEncoder(embed, size, config.places)
    elif transformer:
        encoder = SelfAttentionEncoder(embed, size, depth, dropout=dropout)
    else:
        encoder = build_bidirectional(model, embed, size, depth, dropout)

    def make_cross_attention() -> Memory:
        kind = config.cross_attention
        return CrossAttentionMemory(build("attention", CROSS_ATTENTIONS, kind, size, encoder.size, size))

    decoder = build_stack(model, embed, size, depth, dropout, make_cross_attention)
    return EncoderDecoder(
        source_embedding, stem, encoder, decoder, config.tokens,
        tied=config.tied, begins=not transformer, smoothing=config.smoothing, coverage=config.coverage,
    )  # fmt: skip


class TeacherForced(nn.Module):
    """An encoder-decoder with the interface of the training loop. Each batch holds whole texts."""

    memories = ("encoder_decoder.encoder.", "encoder_decoder.decoder.")
    pretrained = ("encoder_decoder.source_embedding.net.",)  # the last layers of a pretrained net, where it has them

    def __init__(self, encoder_decoder: EncoderDecoder) -> None:
        super().__init__()
        self.encoder_decoder = encoder_decoder

    @property
    def components(self) -> dict[str, str]:
        """Component -> prefix of the names of its tensors."""
        components = {
            PRETRAINED: "encoder_decoder.source_embedding.net.",
            "embedding": "encoder_decoder.source_embedding.",
            "stem": "encoder_decoder.stem.",
            "encoder": "encoder_decoder.encoder.",
        }
        return components | {"decoder": "encoder_decoder."}

    def start(self, rows: int) -> InitialState:
        """The initial state."""
        return self.encoder_decoder.initial_state(rows)

    def loss(self, batch: Seq2SeqBatch, state: InitialState) -> tuple[Tensor, InitialState]:
        """Smoothed nats of all tokens, summed, and the initial state for the next batch."""
        return self.encoder_decoder.loss(batch, state)
