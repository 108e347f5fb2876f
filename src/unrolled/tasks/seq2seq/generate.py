"""Texts about items by a trained writer, the likeliest or drawn; what was looked at, and what right ones cost."""

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

ROWS = 128  # side by side, at most
AT_FIRST, LATE = 32, 4  # of them, the first with a deadline; where it has passed
STEPS = 1 << 15  # of all inputs that are looked at side by side, at most, each counted for every text of a beam
CELLS = 1 << 17  # symbols times steps of all rows whose right texts are read side by side, about, at most


class Scribe:
    """A trained writer, how it reads items, and the symbols that it writes."""

    def __init__(self, writer: Writer, intake: Intake, output: TextOutput) -> None:
        self.writer, self.intake, self.output = writer, intake, output

    def write(
        self, items: Sequence[Item], choice: Choice, first: int = 0, length: int | None = None,
        deadline: Deadline = ENDLESS,
    ) -> list[Hypothesis]:  # fmt: skip
        """A text about each, in order; inputs of like length side by side, which changes no text.

        With a deadline, about as many of the first ones as there is time for, one at least.

        first: the number of the first of them, from which it is drawn. length: symbols at most, those of the
        training part's longest text where left out.
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
            together = max(1, min(ROWS, int(deadline.left / pace)))  # what there is time for: more at once are faster
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
        """One text by chance; its score is the model's own, whatever the temperature."""
        source = Source(*gather_steps(self.intake, [item]))
        chance = seeds.generator(choice.seed, "write", number)
        drawn = sample_from(
            self.writer, self.writer.start(source), generator=chance, temperature=choice.temperature or 0.0,
            length=length,
        )  # fmt: skip
        symbols = tuple(drawn)
        ended = len(symbols) < length
        read = torch.tensor([[*symbols, *([BORDER] if ended else [])]], dtype=torch.int64)  # (1, T)
        lesson = PairBatch(*source, torch.ones(1, dtype=torch.bool), read, torch.tensor([read.shape[1]]))
        score = -float(self.writer.nats(lesson)[0])
        return Hypothesis(symbols, score, score / length_penalty(read.shape[1], ALPHA), ended)

    def spell(self, text: Hypothesis) -> str:
        """A text that was written, as a person reads it."""
        return self.output.table.decode(text.symbols)

    @torch.no_grad()
    def attention(self, item: Item, text: Hypothesis) -> Attention:
        """What was looked at while a text about an item was written."""
        state = self.writer.start(Source(*gather_steps(self.intake, [item])))
        symbols = [BORDER, *text.symbols] if text.ended else [BORDER, *text.symbols][:-1]
        of_readers = self.writer.weights(torch.tensor([symbols]), state)  # (1, T, S) of each
        weights = torch.stack(of_readers).mean(0)[0].tolist()
        written = [self.output.table.decode([symbol]) for symbol in text.symbols] + [""] * text.ended
        return Attention(written, self.intake.step_names(item)[:LONGEST], weights)

    @torch.no_grad()
    def cost(self, examples: Examples, rows: Ids, deadline: Deadline = ENDLESS) -> tuple[float, int, int]:
        """Nats of these rows' right texts, their symbols, and their characters, each text's end among both; with a
        deadline of as many rows, spread over them, as there is time for."""
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
    """These rows, those of like lengths together, as many as may be read side by side."""
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
