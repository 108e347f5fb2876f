"""Generate texts for items with a trained encoder-decoder; attention weights, and nats of reference texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from unrolled import seeds
from unrolled.data.buckets import LONGEST, gather_steps, read_lengths
from unrolled.data.examples import Examples
from unrolled.data.intake import Ids, Intake
from unrolled.data.items import Item
from unrolled.data.outputs import TextOutput
from unrolled.data.pairs import PairBatch, make_pairs, side_by_side, written_of
from unrolled.data.symbols import BORDER
from unrolled.deadline import ENDLESS, Deadline
from unrolled.decoding.beam import ALPHA, Hypothesis, beam_search, greedy, length_penalty
from unrolled.decoding.sampling import sample_from
from unrolled.model.encoder_decoder import Source, Writer
from unrolled.tasks.dataset import in_turn
from unrolled.tasks.generation import Choice
from unrolled.tasks.results import Attention

ROWS = 128  # largest batch
AT_FIRST, LATE = 32, 4  # size of the first batch with a deadline, and after it has passed
STEPS = 1 << 15  # largest number of input steps in a batch, counted once per text of a beam
CELLS = 1 << 17  # largest product of tokens and input steps in a batch of reference texts, about


class Scribe:
    """A trained encoder-decoder, with its featurizer and the vocabulary of its output."""

    def __init__(self, writer: Writer, intake: Intake, output: TextOutput) -> None:
        self.writer, self.intake, self.output = writer, intake, output

    def write(
        self, items: Sequence[Item], choice: Choice, first: int = 0, length: int | None = None,
        deadline: Deadline = ENDLESS,
    ) -> list[Hypothesis]:  # fmt: skip
        """Generate a text for each item, in order. Items of similar length form a batch, which changes no text.

        With a deadline, for about as many of the first items as there is time for, at least one.

        first: the number of the first item, which seeds sampling. length: largest number of tokens; None: that of the
        longest training text.
        """
        length = self.output.longest if length is None else min(length, self.output.longest)
        if choice.temperature is not None:
            return [self._draw(item, choice, first + place, length) for place, item in enumerate(items)]
        texts: list[Hypothesis] = []
        if deadline.endless:
            return self._write_together(items, choice, length, deadline)
        together = LATE if deadline.passed() else AT_FIRST
        while len(texts) < len(items) and not (texts and deadline.passed()):
            left = deadline.left
            some = self._write_together(items[len(texts) : len(texts) + together], choice, length, deadline)
            texts += some
            pace = max(1e-9, left - deadline.left) / len(some)
            together = max(1, min(ROWS, int(deadline.left / pace)))  # as many as in time: larger batches are faster
        return texts

    def _write_together(
        self, items: Sequence[Item], choice: Choice, length: int, deadline: Deadline
    ) -> list[Hypothesis]:
        order = np.argsort([len(item) for item in items], kind="stable").tolist()
        found: dict[int, Hypothesis] = {}
        start = 0
        while start < len(order):
            deadline.check()
            some = order[start : start + ROWS]
            steps = 1 + min(LONGEST, max(len(items[row]) for row in some))
            some = some[: max(1, STEPS // (steps * choice.beam))]
            start += len(some)
            found |= zip(some, self._write([items[row] for row in some], choice.beam, length), strict=True)
        return [found[place] for place in range(len(items))]

    @torch.no_grad()
    def _write(self, items: Sequence[Item], beam: int, length: int) -> list[Hypothesis]:
        state = self.writer.start(Source(*gather_steps(self.intake, items)))
        if beam == 1:
            return greedy(self.writer, state, len(items), length=length)
        return [texts[0] for texts in beam_search(self.writer, state, len(items), width=beam, length=length)]

    @torch.no_grad()
    def _draw(self, item: Item, choice: Choice, number: int, length: int) -> Hypothesis:
        """Sample one text; its score is the log-probability at temperature 1."""
        source = Source(*gather_steps(self.intake, [item]))
        random = seeds.generator(choice.seed, "write", number)
        drawn = sample_from(
            self.writer, self.writer.start(source), generator=random, temperature=choice.temperature or 0.0,
            length=length,
        )  # fmt: skip
        tokens = tuple(drawn)
        ended = len(tokens) < length
        targets = torch.tensor([[*tokens, *([BORDER] if ended else [])]], dtype=torch.int64)  # (1, T)
        batch = PairBatch(*source, torch.ones(1, dtype=torch.bool), targets, torch.tensor([targets.shape[1]]))
        score = -float(self.writer.nats(batch)[0])
        return Hypothesis(tokens, score, score / length_penalty(targets.shape[1], ALPHA), ended)

    def spell(self, text: Hypothesis) -> str:
        """A generated text, decoded from its tokens."""
        return self.output.table.decode(text.symbols)

    @torch.no_grad()
    def attention(self, item: Item, text: Hypothesis) -> Attention:
        """The attention weights of a text that was generated for an item."""
        state = self.writer.start(Source(*gather_steps(self.intake, [item])))
        inputs = [BORDER, *text.symbols] if text.ended else [BORDER, *text.symbols][:-1]
        of_layers = self.writer.weights(torch.tensor([inputs]), state)  # each (1, T, S)
        weights = torch.stack(of_layers).mean(0)[0].tolist()
        tokens = [self.output.table.decode([token]) for token in text.symbols] + [""] * text.ended
        return Attention(tokens, self.intake.step_names(item)[:LONGEST], weights)

    @torch.no_grad()
    def cost(self, examples: Examples, rows: Ids, deadline: Deadline = ENDLESS) -> tuple[float, int, int]:
        """Summed nats of the reference texts of these rows, and their numbers of tokens and characters, with an end
        per text. With a deadline, for as many rows as there is time for, spread over all."""
        nats, symbols, characters = 0.0, 0, 0
        for rows_in_turn in in_turn(rows, ROWS, max(1, len(rows)), deadline):
            for some in in_groups(examples, rows_in_turn):
                if symbols and deadline.passed():
                    return nats, symbols, characters
                batch = make_pairs(examples, some)
                nats += float(self.writer.nats(batch).double().sum())
                symbols += batch.asked
                characters += written_of(examples).characters(some)
        return nats, symbols, characters


def in_groups(examples: Examples, rows: Ids) -> Iterator[Ids]:
    """Batches of these rows, each of similar lengths and within the limits on size."""
    inputs = np.minimum(read_lengths(examples, rows), LONGEST)
    texts = written_of(examples).target_lengths(rows, len(rows))
    order = side_by_side(inputs, texts)
    start = 0
    while start < len(order):
        some = order[start : start + ROWS]
        cells = np.maximum.accumulate(inputs[some]) * np.maximum.accumulate(texts[some]) * np.arange(1, len(some) + 1)
        some = some[: max(1, int(np.searchsorted(cells, CELLS, side="right")))]
        start += len(some)
        yield rows[some]
