"""Generate texts for items with a trained encoder-decoder; attention weights, and nats of reference texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch

from unrolled import seeds
from unrolled.data.dataset.batches import LONGEST, GroupingLengths, pad_items
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.outputs import TextOutput
from unrolled.data.dataset.seq2seq_batches import PairBatch, make_pairs, order_by_lengths, target_texts_of
from unrolled.data.modalities.base import Featurizer, Ids, Item
from unrolled.data.vocabulary.base import EOS
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.decoding.beam import ALPHA, Hypothesis, beam_search, greedy, length_penalty
from unrolled.decoding.sampling import sample_from
from unrolled.model.encoder_decoder import EncoderDecoder, Source
from unrolled.tasks.dataset import chunks_in_time
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.results import AttentionWeights

ROWS = 128  # largest batch
AT_FIRST, LATE = 32, 4  # size of the first batch with a deadline, and after it has passed
STEPS = 1 << 15  # largest number of input steps in a batch, counted once per text of a beam
CELLS = 1 << 17  # largest product of tokens and input steps in a batch of reference texts, about

ImageFit: TypeAlias = Callable[[Sequence[Item], Sequence[Sequence[str]]], list[list[float]]]
"""Images, and texts about each -> the similarity of each text to the captions of similar images, 0 to 1."""


class Generator:
    """A trained encoder-decoder, with its featurizer and the vocabulary of its output."""

    def __init__(
        self, encoder_decoder: EncoderDecoder, featurizer: Featurizer, output: TextOutput,
        image_fit: ImageFit | None = None,
    ) -> None:  # fmt: skip
        """image_fit: for settings with a weight of the image."""
        self.encoder_decoder, self.featurizer, self.output = encoder_decoder, featurizer, output
        self._image_fit = image_fit

    def generate(
        self, items: Sequence[Item], config: GenerationConfig, first: int = 0, length: int | None = None,
        deadline: Deadline = UNLIMITED,
    ) -> list[Hypothesis]:  # fmt: skip
        """Generate a text for each item, in order. Items of similar length form a batch, which changes no text.

        With a deadline, for about as many of the first items as there is time for, at least one.

        first: the number of the first item, which seeds sampling. length: largest number of tokens; None: that of the
        longest training text.
        """
        if config.temperature is not None:
            length = self.output.longest if length is None else min(length, self.output.longest)
            return [self._sample(item, config, first + place, length) for place, item in enumerate(items)]
        return [found[0] for found in self.beams(items, config, length, deadline)]

    def beams(
        self, items: Sequence[Item], config: GenerationConfig, length: int | None = None,
        deadline: Deadline = UNLIMITED,
    ) -> list[list[Hypothesis]]:  # fmt: skip
        """Up to `config.beam` texts for each item, the best first. length, deadline: as for `generate`."""
        length = self.output.longest if length is None else min(length, self.output.longest)
        if deadline.unlimited:
            return self._ranked_by(config, items, self._generate_batches(items, config.beam, length))
        texts: list[list[Hypothesis]] = []
        together = LATE if deadline.passed() else AT_FIRST
        while len(texts) < len(items) and not (texts and deadline.passed()):
            left = deadline.seconds_left
            some = self._generate_batches(items[len(texts) : len(texts) + together], config.beam, length, deadline)
            texts += some
            pace = max(1e-9, left - deadline.seconds_left) / len(some)
            together = max(
                1, min(ROWS, int(deadline.seconds_left / pace))
            )  # as many as in time: larger batches are faster
        return self._ranked_by(config, items[: len(texts)], texts)

    def ranked(
        self, items: Sequence[Item], beams: Sequence[Sequence[Hypothesis]], image_weight: float
    ) -> list[list[Hypothesis]]:
        """The texts of each image by their normalised score plus `image_weight` times their similarity to captions of
        similar images, the best first. A language model alone prefers what is said of many images (Devlin et al.
        2015, arXiv 1505.01809 and 1505.04467)."""
        if self._image_fit is None:
            raise TypeError("texts are ranked by captions of similar images only where these are known")
        fits = self._image_fit(items, [[self.decode(text) for text in texts] for texts in beams])
        return [
            sorted(
                (text._replace(fit=fit) for text, fit in zip(texts, own, strict=True)),
                key=lambda text: -(text.normalised + image_weight * text.fit),
            )
            for texts, own in zip(beams, fits, strict=True)
        ]

    def _ranked_by(
        self, config: GenerationConfig, items: Sequence[Item], beams: list[list[Hypothesis]]
    ) -> list[list[Hypothesis]]:
        return self.ranked(items, beams, config.image_weight) if config.image_weight else beams

    def alternatives(self, items: Sequence[Item], config: GenerationConfig, top: int) -> list[list[Hypothesis]]:
        """For each item at most `top` texts, all different: first the one that `generate` gives, then the best
        others. Where the beam is narrower than `top`, a beam as wide as `top` finds the others."""
        found = self.beams(items, replace(config, beam=max(config.beam, top)))
        if config.beam < top:
            first = self.beams(items, config)
            found = [[answer[0], *others] for answer, others in zip(first, found, strict=True)]
        return [self._different(texts)[:top] for texts in found]

    def _different(self, texts: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The first of those that are the same text, because several sequences of tokens can be one text."""
        first: dict[str, Hypothesis] = {}
        for text in texts:
            first.setdefault(self.decode(text), text)
        return list(first.values())

    def _generate_batches(
        self, items: Sequence[Item], beam: int, length: int, deadline: Deadline = UNLIMITED
    ) -> list[list[Hypothesis]]:
        """Up to `beam` texts for each item, the best first."""
        order = np.argsort([len(item) for item in items], kind="stable").tolist()
        found: dict[int, list[Hypothesis]] = {}
        start = 0
        while start < len(order):
            deadline.check()
            some = order[start : start + ROWS]
            steps = 1 + min(LONGEST, max(len(items[row]) for row in some))
            some = some[: max(1, STEPS // (steps * beam))]
            start += len(some)
            found |= zip(some, self._generate_batch([items[row] for row in some], beam, length), strict=True)
        return [found[place] for place in range(len(items))]

    @torch.no_grad()
    def _generate_batch(self, items: Sequence[Item], beam: int, length: int) -> list[list[Hypothesis]]:
        state = self.encoder_decoder.start(Source(*pad_items(self.featurizer, items)))
        if beam == 1:
            return [[text] for text in greedy(self.encoder_decoder, state, len(items), length=length)]
        return beam_search(self.encoder_decoder, state, len(items), width=beam, length=length)

    @torch.no_grad()
    def _sample(self, item: Item, config: GenerationConfig, number: int, length: int) -> Hypothesis:
        """Sample one text; its score is the log-probability at temperature 1."""
        source = Source(*pad_items(self.featurizer, [item]))
        random = seeds.make_generator(config.seed, "write", number)
        drawn = sample_from(
            self.encoder_decoder, self.encoder_decoder.start(source), generator=random,
            temperature=config.temperature or 0.0,
            length=length,
        )  # fmt: skip
        tokens = tuple(drawn)
        ended = len(tokens) < length
        targets = torch.tensor([[*tokens, *([EOS] if ended else [])]], dtype=torch.int64)  # (1, T)
        batch = PairBatch(
            source.inputs, source.lengths, torch.ones(1, dtype=torch.bool), targets, torch.tensor([targets.shape[1]])
        )
        score = -float(self.encoder_decoder.nats(batch)[0])
        return Hypothesis(tokens, score, score / length_penalty(targets.shape[1], ALPHA), ended)

    def decode(self, text: Hypothesis) -> str:
        """A generated text, decoded from its tokens."""
        return self.output.vocabulary.decode(text.tokens)

    @torch.no_grad()
    def attention(self, item: Item, text: Hypothesis) -> AttentionWeights:
        """The attention weights of a text that was generated for an item."""
        state = self.encoder_decoder.start(Source(*pad_items(self.featurizer, [item])))
        inputs = [EOS, *text.tokens] if text.ended else [EOS, *text.tokens][:-1]
        of_layers = self.encoder_decoder.weights(torch.tensor([inputs]), state)  # each (1, T, S)
        weights = torch.stack(of_layers).mean(0)[0].tolist()
        tokens = [self.output.vocabulary.decode([token]) for token in text.tokens] + [""] * text.ended
        names, grid = self.featurizer.step_names(item), self.featurizer.step_grid(item)
        whole = grid is not None and grid.rows * grid.columns == len(weights[0])
        return AttentionWeights(tokens, names[:LONGEST], weights, grid if whole else None)

    @torch.no_grad()
    def reference_nats(self, examples: Examples, rows: Ids, deadline: Deadline = UNLIMITED) -> tuple[float, int, int]:
        """Summed nats of the reference texts of these rows, and their numbers of tokens and characters, with an end
        per text. With a deadline, for as many rows as there is time for, spread over all."""
        nats, tokens, characters = 0.0, 0, 0
        for rows_in_turn in chunks_in_time(rows, ROWS, max(1, len(rows)), deadline):
            for some in in_groups(examples, rows_in_turn):
                if tokens and deadline.passed():
                    return nats, tokens, characters
                batch = make_pairs(examples, some)
                nats += float(self.encoder_decoder.nats(batch).double().sum())
                tokens += batch.target_count
                characters += target_texts_of(examples).characters(some)
        return nats, tokens, characters


def in_groups(examples: Examples, rows: Ids) -> Iterator[Ids]:
    """Batches of these rows, each of similar lengths and within the limits on size."""
    inputs = np.minimum(GroupingLengths(examples).of(rows), LONGEST)
    texts = target_texts_of(examples).target_lengths(rows, len(rows))
    order = order_by_lengths(inputs, texts)
    start = 0
    while start < len(order):
        some = order[start : start + ROWS]
        cells = np.maximum.accumulate(inputs[some]) * np.maximum.accumulate(texts[some]) * np.arange(1, len(some) + 1)
        some = some[: max(1, int(np.searchsorted(cells, CELLS, side="right")))]
        start += len(some)
        yield rows[some]
