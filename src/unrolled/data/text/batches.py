"""Batches of windows. Batch k is a pure function of (seed, k), so that no loader state has to be saved.

Long documents form a stream: each row of the batch continues from window to window and carries its state. Short
documents are rows that start from the start state. A window never crosses the end of a document: the rest is padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dataset.shuffling import POOL, Numbers, RowOrder
from unrolled.data.text.corpus import Corpus
from unrolled.data.text.targets import SplitSegments
from unrolled.data.vocabulary.base import EOS, TokenIds
from unrolled.errors import DataError
from unrolled.seeds import numpy_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LONGEST = 8  # most windows in a row of RowBatches
PHASED = 16  # average windows per segment from which on StreamBatches shifts its windows each epoch
TOO_MUCH = 0.25  # share of padding in windows from which on documents are rows
LEAST_TARGETS = 200  # least targets that split_rows reads of a segment, where it is limited
SAMPLE = 2_000  # least targets of each sample of a long segment, which is read without its past
MOST_SAMPLES = 8  # most samples of a long segment


class TextBatch(NamedTuple):
    """B rows of at most T steps. Past a row's length, inputs and targets are padding: 0, and not to be used."""

    inputs: Tensor  # (B, T) int64: the token before each target, BOS where a document begins
    targets: Tensor  # (B, T) int64
    lengths: Tensor  # (B,) int64, 0 for a row without targets
    fresh: Tensor  # (B,) bool: the row starts from the start state

    @property
    def steps(self) -> int:
        """T."""
        return self.inputs.shape[1]

    @property
    def target_count(self) -> int:
        """The number of targets to be predicted, by which the loss is divided."""
        import torch

        within = torch.arange(self.targets.shape[1]) < self.lengths[:, None]  # (B, T)
        return int((within & (self.targets >= 0)).sum())

    def to(self, device: torch.device) -> TextBatch:
        """The batch with inputs and targets on a device; lengths stay where they are."""
        return self._replace(inputs=self.inputs.to(device), targets=self.targets.to(device))

    def cut(self, a: int, b: int) -> TextBatch:
        """Steps a to b - 1."""
        lengths = (self.lengths - a).clamp(0, b - a)
        return self._replace(inputs=self.inputs[:, a:b], targets=self.targets[:, a:b], lengths=lengths)


class StreamBatches:
    """Rows that continue from batch to batch: row r reads one window per batch, from window r·M/B of the M windows of
    an epoch on.

    Each epoch begins at another window, and cuts long segments into windows at other places. Every target is read
    once per epoch. A row is fresh where a segment or an epoch begins.
    """

    shape = "stream"

    def __init__(self, split: SplitSegments, batch_size: int, window: int, seed: int) -> None:
        self.batch_size, self.window, self.seed = batch_size, window, seed
        self._tokens = split.tokens
        self._first, self._stop = split.target_ranges()  # (S,)
        self._mid = self._first == split.segments[:, 0]  # (S,) whether the segment begins within its document
        targets = self._stop - self._first
        self.tokens_per_epoch = int(targets.sum())
        self._phased = self.tokens_per_epoch >= PHASED * window * len(targets)
        most = count_windows(targets, window, window - 1 if self._phased else 0)
        self.batches_per_epoch = -(-int(most[-1]) // batch_size)
        self._epoch, self._skip, self._until = 0, 0, count_windows(targets, window, 0)
        self._turn_to(0)

    @property
    def padding_share(self) -> float:
        """The share of padding in the batches of an epoch."""
        return 1 - self.tokens_per_epoch / (self.batches_per_epoch * self.batch_size * self.window)

    def batch(self, k: int) -> TextBatch:
        """Batch k, counted from 0 over all epochs."""
        epoch, turn = divmod(k, self.batches_per_epoch)
        if epoch != self._epoch:
            self._turn_to(epoch)
        count = int(self._until[-1])
        begins = np.arange(self.batch_size + 1) * count // self.batch_size
        ordinal = begins[:-1] + turn  # (B,)
        alive = ordinal < begins[1:]
        shift = numpy_generator(self.seed, "stream", epoch).integers(count)
        place = np.where(alive, (ordinal + shift) % count, 0)
        segment = np.searchsorted(self._until, place, side="right")
        number = place - np.append(0, self._until)[segment]  # which window of its segment
        start = self._first[segment] + number * self.window - self._skip
        stop = np.minimum(start + self.window, self._stop[segment])
        start = np.maximum(start, self._first[segment])
        opens = start == self._first[segment]
        lengths = np.where(alive, stop - start, 0)
        return gather(self._tokens, start, lengths, self.window, opens & self._mid[segment], opens | (turn == 0))

    def _turn_to(self, epoch: int) -> None:
        """Cut the windows of an epoch: if shifted, the first window of each segment is `_skip` shorter."""
        self._epoch = epoch
        if self._phased:
            self._skip = int(numpy_generator(self.seed, "phase", epoch).integers(self.window))
            self._until = count_windows(self._stop - self._first, self.window, self._skip)


class RowBatches:
    """One document per row, read from the start state; documents of similar length share a batch.

    Documents longer than 8 windows are cut into segments of that length. Every target is read once per epoch, in an
    order shuffled by (seed, epoch). The last batch of an epoch is filled up with rows of length 0.
    """

    shape = "rows"

    def __init__(self, split: SplitSegments, batch_size: int, window: int, seed: int) -> None:
        self.batch_size = batch_size
        self._split = split
        targets = split.count_targets()
        self.tokens_per_epoch = int(targets.sum())
        self._longest = LONGEST * window
        self._later = self._later_segments(np.flatnonzero(targets > self._longest))
        self._order = RowOrder(len(split.segments) + len(self._later), batch_size, seed, self._by_length)
        self.batches_per_epoch = self._order.batches_per_epoch

    @property
    def padding_share(self) -> float:
        """The share of padding in the batches of the first epoch; estimated from 64 of them if there are more."""
        count = min(POOL, self.batches_per_epoch)
        chosen = (self._order.rows(k * self.batches_per_epoch // count) for k in range(count))
        lengths = [self._ranges(rows)[1] for rows in chosen]
        steps = sum(int(of_row.max()) for of_row in lengths) * self.batch_size
        return 1 - sum(int(of_row.sum()) for of_row in lengths) / steps

    def batch(self, k: int) -> TextBatch:
        """Batch k, counted from 0 over all epochs; T is the length of its longest row."""
        rows = self._order.rows(k)
        start, lengths, hidden = self._ranges(np.resize(rows, self.batch_size))
        lengths[len(rows) :] = 0
        fresh = np.ones(self.batch_size, np.bool_)
        return gather(self._split.tokens, start, lengths, int(lengths.max()), hidden, fresh)

    def _by_length(self, rows: Numbers) -> NDArray[np.int64]:
        return np.argsort(self._ranges(rows)[1], kind="stable")

    def _later_segments(self, documents: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the second and later segments of long documents begin and stop, (P, 2)."""
        first, stop = self._split.take(documents).target_ranges()
        counts = -(-(stop - first) // self._longest) - 1
        number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        start = np.repeat(first, counts) + number * self._longest
        return np.stack([start, np.minimum(start + self._longest, np.repeat(stop, counts))], axis=1)

    def _ranges(self, rows: Numbers) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """First target and length of rows, and whether the token before a row belongs to another split.

        A row number below S is the first segment of a document, any other a later one: nothing is stored per
        document.
        """
        later = rows >= len(self._split.segments)
        documents = self._split.take(np.where(later, 0, rows))
        first, stop = documents.target_ranges()
        hidden = (first == documents.segments[:, 0]) & ~later
        first[later], stop[later] = self._later[rows[later] - len(self._split.segments)].T
        return first, np.minimum(stop - first, self._longest), hidden


def gather(
    tokens: TokenIds,
    start: NDArray[np.int64],
    lengths: NDArray[np.int64],
    steps: int,
    hidden: NDArray[np.bool_],
    fresh: NDArray[np.bool_],
) -> TextBatch:
    """Read each row's targets from `start` on, and the tokens before them.

    Where `hidden`, the token before the first belongs to another split and is replaced by BOS.
    """
    import torch

    steps_of_row = np.arange(-1, steps)
    place = np.minimum(start[:, None] + steps_of_row, len(tokens) - 1)  # (B, 1 + T)
    tokens = tokens[place].astype(np.int64)
    tokens[hidden, 0] = EOS
    past = np.arange(steps) >= lengths[:, None]  # (B, T)
    inputs, targets = np.where(past, 0, tokens[:, :-1]), np.where(past, 0, tokens[:, 1:])
    return TextBatch(*map(torch.from_numpy, (inputs, targets, lengths, fresh)))


def count_windows(targets: NDArray[np.int64], window: int, skip: int) -> NDArray[np.int64]:
    """The cumulative number of windows of the segments, (S,), if the first window of each is `skip` shorter."""
    windows = targets + (skip + window - 1)
    windows //= window
    windows[targets == 0] = 0
    return np.cumsum(windows, out=windows)


def make_batches(corpus: Corpus, split: str, batch_size: int, window: int, seed: int) -> StreamBatches | RowBatches:
    """The batches of a split: a stream if less than a quarter of its windows is padding, else rows.

    Raises DataError where the split is empty.
    """
    segments = corpus.segments(split)
    targets = segments.count_targets()
    target_count = int(targets.sum())
    if not target_count:
        raise DataError(f"The {split} split of {corpus.path} is empty: no text was cut off for it.")
    steps = int(count_windows(targets, window, 0)[-1]) * window
    del targets  # eight bytes a document
    if corpus.document_count == 1 or target_count > (1 - TOO_MUCH) * steps:
        return StreamBatches(segments, batch_size, window, seed)
    return RowBatches(segments, batch_size, window, seed)


def split_rows(corpus: Corpus, split: str, limit: int | None = None) -> Iterator[tuple[TokenIds, TokenIds]]:
    """Inputs and targets of each segment of a split, in order, each read from the start state.

    With `limit`, about that many targets: the beginnings of segments spread evenly over the split, and of a long
    segment several samples spread over it, because its beginning may be easier, or harder, than the rest.
    """
    tokens = corpus.tokens
    first, stop = corpus.segments(split).target_ranges()
    chosen = np.flatnonzero(stop > first)
    left = int((stop - first).sum())
    least = left  # least targets that are read of a segment
    if limit is not None and limit < left:
        least = LEAST_TARGETS
        count = max(1, limit // min(LEAST_TARGETS, max(1, left // len(chosen))))
        if count < len(chosen):
            chosen = chosen[np.arange(count) * len(chosen) // count]
        left = limit
    for number, row in enumerate(chosen.tolist()):
        share = max(least, left // (len(chosen) - number))
        whole = int(stop[row] - first[row])
        taken = min(whole, share, left)
        if not taken:
            return
        left -= taken
        samples = 1 if taken == whole else max(1, min(MOST_SAMPLES, taken // SAMPLE))
        for sample in range(samples):
            start = int(first[row]) + whole * sample // samples
            end = start + taken // samples + (sample < taken % samples)
            yield np.append(np.zeros(1, tokens.dtype), tokens[start : end - 1]), tokens[start:end]
