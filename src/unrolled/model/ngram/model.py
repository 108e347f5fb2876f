"""The n-gram model: counted, not fitted by gradient descent; with start, step and unroll.

P(w | h) = (c(h, w) - D(c(h, w))) / total(h) + backoff(h) · P(w | h'), where h' is h without its oldest
token; a history that was never seen gives P(w | h'), and the unigram backs off to 1/V. The two smoothings
differ in what c, D, total and backoff are (see `SMOOTHINGS`); both are interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import DataError, OptionError, RunError, nearest
from unrolled.model.ngram.counts import NO_LIMITS, ROOT, CountLimits, Counts, count_ngrams, walk
from unrolled.model.ngram.table import (
    PACKED,
    SMOOTHINGS,
    NGramTable,
    interpolate,
    interpolate_all,
    make_ngram_table,
    pack_table,
    unpack_table,
)
from unrolled.model.ngram.text import Array, make_blocks, read_block

SCORED_AT_ONCE = 200_000  # tokens that are scored at a time
CHOOSE_ON = 300_000  # validation tokens on which an order is chosen, at most
COUNTING = 0.45  # share of the time of `choose_order` for reading the text; the rest is for levels and scoring
UNCHOSEN = 6  # the order if there is no validation split to choose it on


class NGramState(NamedTuple):
    """The state of an n-gram model, per row."""

    contexts: Tensor  # (B, n-1) int64: the node of the last 1, 2, … tokens; 0: never seen, or fewer tokens so far


class NGram:
    """The n-gram model of V tokens: start, step and unroll; logits are the logarithms of its probabilities.

    The history starts empty and is cleared by an EOS token, which is predicted like any other token. The model
    runs on the CPU in float64 and has no parameters; its probabilities sum to 1 over all V tokens, seen or not.
    Chen & Goodman 1999 (interpolated modified Kneser-Ney); Witten & Bell 1991.
    """

    def __init__(self, tables: list[NGramTable], tokens: int, smoothing: str, eos: int | None, note: str) -> None:
        self.tokens, self.smoothing, self.eos, self.note = tokens, smoothing, eos, note
        self.order = len(tables)  # n
        self._tables = tables
        uniform = np.full((1, tokens), 1 / tokens)
        self._unigram = interpolate_all(tables[0], np.array([ROOT]), uniform, tokens)  # (1, V)

    @staticmethod
    def count(
        tokens: Array,
        size: int,
        order: int,
        smoothing: str = "kneser-ney",
        segments: Array | None = None,
        eos: int | None = None,
        *,
        limits: CountLimits = NO_LIMITS,
    ) -> NGram:
        """Count a model of n-grams of up to `order` tokens in one text; `count_ngrams` explains the arguments.

        The order is lower than requested if there are too many n-grams or the text is too short; `describe` notes it.
        """
        counts = count_ngrams(tokens, size, order, segments, eos, limits=limits)
        return NGram.smooth(counts, smoothing)

    @staticmethod
    def smooth(counts: Counts, smoothing: str = "kneser-ney", order: int | None = None) -> NGram:
        """Make a model from counted n-grams, all of them or those of up to `order` tokens."""
        _check_smoothing(smoothing)
        order = len(counts.levels) if order is None else order
        if not 1 <= order <= len(counts.levels):
            raise OptionError(
                f"The n-gram order is {order}; n-grams of 1 to {len(counts.levels)} tokens were counted."
            )
        tables = [_make_table(counts, k, smoothing, lower=k < order) for k in range(1, order + 1)]
        limited = counts.why_lower and order == len(counts.levels)
        notes = [f"not longer, because {counts.why_lower}"] if limited else []
        if counts.counted < counts.total:
            notes.append(f"counted on {counts.counted:,} of {counts.total:,} tokens")
        return NGram(tables, counts.size, smoothing, counts.eos, "; ".join(notes))

    def describe(self) -> str:
        """One line: "7-gram (Kneser–Ney)", with a note if the text or the order was limited."""
        note = f"; {self.note}" if self.note else ""
        return f"{self.order}-gram ({SMOOTHINGS[self.smoothing]}{note})"

    def start(self, rows: int) -> NGramState:
        """The state before the first token."""
        return NGramState(torch.zeros(rows, self.order - 1, dtype=torch.int64))

    def step(self, tokens: Tensor, state: NGramState) -> tuple[Tensor, NGramState]:
        """tokens (B,) -> logits (B, V) float64 of the next token, and the state."""
        after = self._contexts(tokens.detach().cpu().numpy()[:, None], state)  # (B, 1, n-1)
        logits = torch.from_numpy(np.log(self._probabilities(after[:, 0])))
        return logits.to(tokens.device), NGramState(torch.from_numpy(after[:, 0].copy()))

    def unroll(self, tokens: Tensor, state: NGramState, lengths: Tensor | None = None) -> tuple[Tensor, NGramState]:
        """tokens (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        rows, steps = tokens.shape
        ids = tokens.detach().cpu().numpy()
        ends = np.full(rows, steps) if lengths is None else lengths.cpu().numpy()  # (B,)
        alive = np.arange(steps) < ends[:, None]  # (B, T)
        after = self._contexts(np.where(alive, ids, 0), state)  # (B, T, n-1)
        logits = np.zeros((rows, steps, self.tokens))
        logits[alive] = np.log(self._probabilities(after[alive]))
        before = state.contexts.cpu().numpy()[:, None]
        last = np.concatenate([before, after], axis=1)[np.arange(rows), ends]  # (B, n-1)
        return torch.from_numpy(logits).to(tokens.device), NGramState(torch.from_numpy(last))

    def score(self, tokens: Array, deadline: Deadline = UNLIMITED) -> Array:
        """The nats (N,) of tokens (N,), from an empty history: like `unroll`, but much faster. If the deadline
        passes, only those of the first tokens."""
        state = self.start(1).contexts.numpy()
        nats = [np.zeros(0)]
        for at in range(0, len(tokens), SCORED_AT_ONCE):
            if at and deadline.passed():
                break
            ids = self._check(np.asarray(tokens[at : at + SCORED_AT_ONCE])[None])
            probabilities: Array = np.full(ids.shape, 1 / self.tokens)
            carried = []
            for table, (contexts, nodes, after) in zip(self._tables, self._walk(ids, state), strict=True):
                probabilities = interpolate(table, contexts, nodes, probabilities)
                carried.append(after[:, -1])
            state = np.stack(carried, axis=1)[:, :-1]
            nats.append(-np.log(probabilities[0]))
        return np.concatenate(nats)

    def score_segments(self, tokens: Array, segments: Array | None = None) -> Array:
        """The nats of all targets of segments (M, 2) of a text, in order; an opening EOS token is no target."""
        scores = [self.score(text)[~opening] for text, opening in _split_texts(tokens, segments, self.eos)]
        return np.concatenate([np.zeros(0), *scores])

    def _contexts(self, tokens: Array, state: NGramState) -> Array:
        """The contexts (B, T, n-1) after each of tokens (B, T)."""
        ids, before = self._check(tokens), state.contexts.cpu().numpy()
        limits = np.array([len(table.keys) for table in self._tables[:-1]])
        if before.shape[1:] != limits.shape or bool(((before < 0) | (before > limits)).any()):
            raise RunError(
                f"A state of shape {tuple(before.shape)} does not fit this {self.order}-gram, or holds n-grams "
                "that it has not counted. The state belongs to another model; begin with start(rows)."
            )
        carried = [after for _, _, after in self._walk(ids, before, self.order - 1)]
        return np.stack(carried, axis=2) if carried else np.zeros((*ids.shape, 0), np.int64)

    def _walk(self, tokens: Array, before: Array, levels: int | None = None) -> Iterator[tuple[Array, Array, Array]]:
        keys = [table.keys for table in self._tables[:levels]]
        return walk(keys, self.tokens, self.eos, tokens, before)

    def _check(self, tokens: Array) -> Array:
        """The tokens as int64, checked to be below V."""
        tokens = tokens.astype(np.int64)
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self.tokens:
            raise DataError(
                f"The tokens range from {tokens.min()} to {tokens.max()}; this model has 0 to {self.tokens - 1}. "
                "Encode the text with the vocabulary of this model."
            )
        return tokens

    def _probabilities(self, contexts: Array) -> Array:
        """The probabilities of all tokens (R, V) after contexts (R, n-1)."""
        probabilities = np.repeat(self._unigram, len(contexts), axis=0)
        for table, nodes in zip(self._tables[1:], contexts.T, strict=True):
            if nodes.any():
                probabilities = interpolate_all(table, nodes, probabilities, self.tokens)
        return probabilities

    def facts(self) -> dict[str, Any]:
        """All that `from_tensors` needs besides the tensors, as JSON."""
        names = ("tokens", "order", "smoothing", "eos", "note")
        return {name: getattr(self, name) for name in names}

    def to_tensors(self) -> dict[str, Tensor]:
        """All counts as named tensors, for safetensors."""
        arrays = [pack_table(table, self.tokens) for table in self._tables]
        return {
            f"level{k}.{name}": torch.from_numpy(array)
            for k, kept in enumerate(arrays, 1)
            for name, array in kept.items()
        }

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> NGram:
        """Load the model from `to_tensors` and `facts`. Raises RunError if they do not fit."""
        try:
            size, order, smoothing = int(facts["tokens"]), int(facts["order"]), str(facts["smoothing"])
            eos = None if facts["eos"] is None else int(facts["eos"])
            _check_smoothing(smoothing)
            if eos is not None and not 0 <= eos < size:
                raise ValueError(f"the EOS token {eos} is not in a vocabulary of size {size}")
            tables: list[NGramTable] = []
            for k in range(1, order + 1):
                arrays = {name: tensors[f"level{k}.{name}"].numpy() for name in PACKED}
                tables.append(unpack_table(arrays, len(tables[-1].keys) if tables else ROOT, size, smoothing))
            return NGram(tables, size, smoothing, eos, str(facts["note"]))
        except (KeyError, ValueError, TypeError, IndexError, OptionError) as problem:
            raise RunError(
                f"The saved n-gram counts cannot be used ({problem}): they are damaged, or belong to another model. "
                "Train the model again, or use another run."
            ) from None


def choose_order(
    tokens: Array,
    size: int,
    train: Array | None,
    valid: Array,
    *,
    eos: int | None = 0,
    smoothing: str = "kneser-ney",
    longest: int = 8,
    limits: CountLimits = NO_LIMITS,
) -> NGram:
    """The model of the order (1 to `longest`) with the least loss on the validation split.

    train, valid (M, 2): segments of one text. All orders that fit into one pass of counting are scored together, on
    at most 300,000 tokens from all over the validation split; a further pass is made only if the highest order was
    the best. limits: the deadline is for counting and choosing together; the model's `describe` notes how much of the
    text was counted. Without a validation split the order is 6, or `longest` if that is lower. Raises DataError if
    the validation split has no targets.
    """
    _check_smoothing(smoothing)
    if not len(valid):
        order = min(UNCHOSEN, longest)
        return NGram.count(tokens, size, order, smoothing, train, eos, limits=limits)
    for_counting = limits._replace(deadline=limits.deadline.share(COUNTING))
    counts = None
    while True:
        done = 0 if counts is None else len(counts.levels)
        counts = count_ngrams(tokens, size, longest, train, eos, limits=for_counting, passes=1, onto=counts)
        limits.deadline.check()
        nats = _score_orders(counts, smoothing, tokens, _thin(valid))
        best = int(np.argmin(nats)) + 1
        if best < len(counts.levels) or len(counts.levels) in (done, longest) or counts.why_lower:
            return NGram.smooth(counts, smoothing, best)


def _score_orders(counts: Counts, smoothing: str, tokens: Array, segments: Array) -> Array:
    """Mean nats (n,) of the targets of segments under the model of each order."""
    keys, sums = [level.keys for level in counts.levels], np.zeros(len(counts.levels))
    texts = list(_split_texts(tokens, segments, counts.eos))
    if not (targets := sum(int((~opening).sum()) for _, opening in texts)):
        raise DataError(
            "The validation split is empty: no order can be chosen on it. Pass an order, or a larger split."
        )
    before = np.zeros((1, len(keys)), np.int64)
    walks = [walk(keys, counts.size, counts.eos, text.astype(np.int64)[None], before) for text, _ in texts]
    shorter = [np.full((1, len(text)), 1 / counts.size) for text, _ in texts]
    for k in range(len(keys)):  # the tables of one level at a time
        lower = _make_table(counts, k + 1, smoothing, lower=True)
        top = lower if smoothing == "witten-bell" else _make_table(counts, k + 1, smoothing, lower=False)
        for i, (_, opening) in enumerate(texts):
            contexts, nodes, _ = next(walks[i])
            sums[k] -= np.log(interpolate(top, contexts, nodes, shorter[i])[0, ~opening]).sum()
            shorter[i] = interpolate(lower, contexts, nodes, shorter[i])
    return sums / targets


def _split_texts(tokens: Array, segments: Array | None, eos: int | None) -> Iterator[tuple[Array, Array]]:
    """Texts (N,), each with an empty history, and a mask (N,) of tokens that open a block and are no targets."""
    texts = [read_block(tokens, block, eos) for block in make_blocks(tokens, segments, eos)]
    openings = [np.arange(len(text)) < (eos is not None) for text in texts]
    if eos is not None and texts:  # every text begins with EOS, which clears the history
        texts, openings = [np.concatenate(texts)], [np.concatenate(openings)]
    yield from zip(texts, openings, strict=True)


def _thin(segments: Array) -> Array:
    """Limit segments to `CHOOSE_ON` tokens: every i-th segment, or the beginning of each."""
    lengths = segments[:, 1] - segments[:, 0]
    share = min(1.0, CHOOSE_ON / max(1, int(lengths.sum())))
    if share == 1.0:
        return segments
    if len(segments) * share >= 20:
        return segments[:: int(1 / share)]
    return np.stack([segments[:, 0], segments[:, 0] + np.ceil(lengths * share).astype(np.int64)], axis=1)


def _make_table(counts: Counts, k: int, smoothing: str, lower: bool) -> NGramTable:
    """The table of level k; Kneser-Ney counts extensions instead of occurrences below the highest level."""
    level = counts.levels[k - 1]
    kept = level.extensions if lower and smoothing == "kneser-ney" else level.occurrences
    contexts = len(counts.levels[k - 2].keys) if k > 1 else ROOT
    return make_ngram_table(level.keys, kept, contexts, counts.size, smoothing)


def _check_smoothing(smoothing: str) -> None:
    if smoothing not in SMOOTHINGS:
        raise OptionError(
            f"Unknown smoothing '{smoothing}'; available: {', '.join(SMOOTHINGS)}.{nearest(smoothing, SMOOTHINGS)}"
        )
