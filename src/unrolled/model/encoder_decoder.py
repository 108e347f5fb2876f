"""A model that writes a text about an input: inlet -> front -> encoder, at which a stack with readers looks.

B rows, S steps of the input, T symbols of the text, V symbols, E of an embedding, H of the stack. A translation, a
caption, a name in a language: the input is whatever an inlet turns into vectors, a label being one step of one id.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count, checked
from unrolled.errors import OptionError
from unrolled.memory import Memory, build_stack
from unrolled.memory.base import at_least_float32, ragged, reading
from unrolled.memory.blocks import norm, with_dropout
from unrolled.model.cross_attention import READERS, Looking, look_at, readers_of
from unrolled.model.encoders import Attending, Encoded, Encoder, build_bidirectional
from unrolled.registry import build, parse_part
from unrolled.states import State

SMALL = 0.02  # spread of the output layer's weights at the start: chances are even then
BORDER = 0  # the symbol that every text begins and ends with
TRANSFORMER = "transformer"


class Source(NamedTuple):
    """B inputs to write about."""

    inputs: Tensor  # (B, S, P) ids of each step, or whatever else the writer's inlet takes
    lengths: Tensor  # (B,) steps of each, kept on the CPU


class Blank(NamedTuple):
    """What reading and writing begin from: nothing was read. `draw_masks` draws dropout's masks in it."""

    front: State
    encoder: State
    decoder: State


class Lesson(Protocol):
    """Inputs, and the text that is to be written about each."""

    @property
    def inputs(self) -> Tensor: ...

    @property
    def lengths(self) -> Tensor: ...

    @property
    def targets(self) -> Tensor: ...  # (B, T) the symbols to write, the border that ends them among them

    @property
    def target_lengths(self) -> Tensor: ...  # (B,)


class Writer(nn.Module):
    """Looks at inputs and writes a text about each: at each step logits over the next symbol.

    `start(source)` is the state in which the inputs were read and nothing is written; from there on it has the verbs
    of a language model. Its state is the decoder's, readers' keys and values among it, row by row.
    """

    def __init__(
        self,
        inlet: nn.Module,
        front: Memory,
        encoder: Encoder,
        decoder: Memory,
        symbols: int,
        embed: int,
        tied: bool = False,
        begins: bool = True,
        smoothing: float = 0.0,
    ) -> None:
        """decoder: a stack with at least one `Looking` in it.

        tied: one matrix for the symbols read and written (Press & Wolf 2017), which takes embed = the decoder's size.
        begins: the decoder reads a vector of the whole input before the first symbol, as if it were one (Vinyals et
        al. 2015), so that a recurrent memory knows from the start what it writes about.
        smoothing: the share of a target's weight that is spread over all symbols in training (Szegedy et al. 2016).
        """
        super().__init__()
        if decoder.input_size != embed:
            raise OptionError(f"The decoder takes {decoder.input_size} numbers per step, but embed is {embed}.")
        if not readers_of(decoder):
            raise OptionError("The decoder has no cross-attention: it would write without using the input.")
        if tied and embed != decoder.size:
            raise OptionError(
                f"Tied embeddings use one matrix for input and output, but embed is {embed} and the decoder's size "
                f"is {decoder.size}. Make the two equal, or pass tied=False."
            )
        if not 0.0 <= smoothing < 1.0:
            raise OptionError(f"The label smoothing is {smoothing}; it must be at least 0 and below 1.")
        self.inlet, self.front, self.encoder, self.decoder = inlet, front, encoder, decoder
        self.symbols, self.tied, self.smoothing = symbols, tied, smoothing
        self.embedding = nn.Embedding(symbols, embed)  # normal, standard deviation 1
        self.bias = nn.Parameter(torch.zeros(symbols))
        self.output = None if tied else nn.Linear(decoder.size, symbols, bias=False)
        nn.init.normal_(self.embedding.weight, std=embed**-0.5 if tied else 1.0)
        if self.output is not None:
            nn.init.normal_(self.output.weight, std=SMALL)
        self.scale = embed**0.5  # of tied symbols: read as large as others at the start
        # how large they are written is learnt, unit by unit: one matrix cannot grow at one end alone
        self.gain = nn.Parameter(torch.full((decoder.size,), SMALL * self.scale if tied else 1.0))
        self.begin = nn.Linear(encoder.size, embed) if begins else None

    def blank(self, rows: int) -> Blank:
        """What `start` and `loss` begin from."""
        return Blank(self.front.start(rows), self.encoder.start(rows), self.decoder.start(rows))

    def start(self, source: Source, blank: Blank | None = None) -> State:
        """The state in which the inputs were read, with the masks of `blank`, and nothing is written."""
        blank = self.blank(len(source.inputs)) if blank is None else blank
        encoded = self.encode(source, blank)
        state = look_at(self.decoder, blank.decoder, encoded)
        if self.begin is not None:
            total = encoded.features.sum(1)  # (B, D), zero past a row's length
            mean = total / encoded.lengths.to(total.device).clamp_min(1)[:, None]
            _, state = self.decoder.step(at_least_float32(self.begin(mean)), state)
        return state

    def encode(self, source: Source, blank: Blank) -> Encoded:
        """The features (B, S, D) that are looked at."""
        inputs = source.inputs.to(self.bias.device)
        xs, _ = self.front.unroll(self.inlet(inputs), blank.front, source.lengths)
        return self.encoder.encode(xs, source.lengths, blank.encoder)

    def step(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        """symbols (B,) -> logits (B, V) of the symbol after them, and the state. The first symbol is the border."""
        hidden, state = self.decoder.step(self._read(symbols), state)  # (B, H)
        return self._write(hidden), state

    def unroll(self, symbols: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """symbols (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        steps, lengths = symbols.shape[1], ragged(lengths, symbols.shape[1])
        hidden, state = self.decoder.unroll(self._read(symbols), state, lengths)  # (B, T, H)
        logits = self._write(hidden)
        if lengths is not None:
            logits = torch.where(reading(lengths, steps, logits.device)[..., None], logits, 0.0)
        return logits, state

    def forward(self, symbols: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """The same as `unroll`."""
        return self.unroll(symbols, state, lengths)

    def loss(self, lesson: Lesson, blank: Blank) -> tuple[Tensor, Blank]:
        """Nats of all targets, smoothed, summed, each read before the next is due (Williams & Zipser 1989), and what
        the next lesson begins from: nothing of a text is carried into another."""
        logits, targets, _ = self._taught(lesson, blank)
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=self.smoothing), blank

    def nats(self, lesson: Lesson) -> Tensor:
        """Nats of each row's text (B,), not smoothed, nothing dropped."""
        logits, targets, rows = self._taught(lesson, self.blank(len(lesson.inputs)))
        each = F.cross_entropy(logits, targets, reduction="none")
        return each.new_zeros(len(lesson.inputs)).index_add(0, rows, each)

    def weights(self, symbols: Tensor, state: State) -> tuple[Tensor, ...]:
        """How much each step of the input weighed while symbols (B, T) were read: (B, T, S) of each reader.

        The symbol that is written after symbol t was chosen with weights [:, t]; readers are counted from below.
        """
        seen: list[Tensor] = []
        hooks = [
            reader.register_forward_hook(lambda one, given, _: seen.append(one.weights(*given[:2])))
            for reader in readers_of(self.decoder)
        ]
        try:
            self.unroll(symbols, state)
        finally:
            for hook in hooks:
                hook.remove()
        return tuple(seen)

    def _taught(self, lesson: Lesson, blank: Blank) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, V) of each of N targets after the border and the targets before it, these (N,), and of which row
        each is (N,). Padding is read, for nothing before it hangs on it, but nothing is written after it."""
        state = self.start(Source(lesson.inputs, lesson.lengths), blank)
        targets = lesson.targets.to(self.bias.device)
        read = F.pad(targets, (1, 0), value=BORDER)[:, :-1]  # (B, T)
        hidden, _ = self.decoder.unroll(self._read(read), state)  # (B, T, H)
        alive = reading(lesson.target_lengths, targets.shape[1], targets.device)
        return self._write(hidden[alive]), targets[alive], alive.nonzero()[:, 0]

    def _read(self, symbols: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(symbols.to(self.bias.device))
        return self.scale * vectors if self.tied else vectors

    def _write(self, hidden: Tensor) -> Tensor:
        weight = self.embedding.weight if self.output is None else self.output.weight
        logits = F.linear(self.gain * hidden, weight, self.bias)
        return at_least_float32(logits)


@checked
def build_writer(
    inlet: nn.Module,
    model: str,
    reader: str,
    symbols: Count,
    embed: Count,
    size: Count,
    depth: Count = 1,
    dropout: float = 0.0,
    tied: bool = False,
    smoothing: float = 0.0,
    front: Memory | None = None,
) -> Writer:
    """A writer whose encoder and decoder have `depth` layers of a memory, `size` wide: "lstm", with "additive".

    inlet: turns inputs into vectors, of which `front` makes `embed` numbers; left out, it is a norm. A memory that
    stands in plain layers is read both ways by the
    encoder, and the decoder looks at the input between its first layer and the next, so that the layers above know
    what was looked at (Wu et al. 2016). One that stands in blocks looks once a block. "transformer" is Vaswani et
    al. 2017 with norms before and rotary positions: the encoder sees the whole input at once, and the text is all
    remembered, unless a span is said. Raises OptionError.
    """
    front = with_dropout(norm(embed) if front is None else front, dropout)
    encoder: Encoder
    if parse_part(model)[0] == TRANSFORMER:
        model = model if "span" in parse_part(model)[1] else f"{model}{',' if ':' in model else ':'}span=none"
        encoder = Attending(embed, size, depth, dropout=dropout)
    else:
        encoder = build_bidirectional(model, embed, size, depth, dropout)

    def looking() -> Memory:
        return Looking(build("reader", READERS, reader, size, encoder.size, size))

    decoder = build_stack(model, embed, size, depth, dropout, looking)
    begins = not isinstance(encoder, Attending)
    return Writer(inlet, front, encoder, decoder, symbols, embed, tied, begins, smoothing)


class Taught(nn.Module):
    """A writer as the training loop has any model: `start` is a blank, and a lesson is whole texts."""

    memories = ("writer.encoder.", "writer.decoder.")

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer

    @property
    def components(self) -> dict[str, str]:
        """Component -> how the names of its tensors begin."""
        parts = {"embedding": "writer.inlet.", "stem": "writer.front.", "encoder": "writer.encoder."}
        return parts | {"decoder": "writer."}

    def start(self, rows: int) -> Blank:
        """What reading and writing begin from."""
        return self.writer.blank(rows)

    def loss(self, lesson: Lesson, state: Blank) -> tuple[Tensor, Blank]:
        """Nats of all symbols, smoothed, summed, and what the next lesson begins from."""
        return self.writer.loss(lesson, state)
