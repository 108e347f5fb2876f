"""A new order of the rows each epoch, rows of similar length together. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.seeds import numpy_generator

Numbers: TypeAlias = NDArray[np.uint32]  # row numbers from 0, four bytes each

POOL = 64  # batches within which rows are grouped by length


class RowOrder:
    """Assigns N rows to batches: all rows are shuffled each epoch, and within each pool of 64 batches they are
    arranged so that rows of similar length share a batch. Only the last epoch's order is kept in memory."""

    def __init__(
        self,
        rows: int,
        batch: int,
        seed: int,
        arrange: Callable[[Numbers], NDArray[Any]] | None = None,
        groups: NDArray[Any] | None = None,
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        """rows: N. arrange: the rows (R,) of a pool -> an order (R,) with similar rows next to each other; None: as
        they are shuffled. groups: (N,) rows with equal numbers stay together when rows are shuffled. shares: (N,) how
        often each row is drawn, relative to the others; None: once an epoch."""
        self.batch, self.seed = batch, seed
        self.batches_per_epoch = -(-rows // batch)
        self._rows, self._arrange = rows, arrange
        self._groups = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.uint32)
        self._shares = shares
        self._epoch, self._shuffled = -1, np.zeros(0, np.uint32)
        self._pool, self._batches = (-1, -1), list[Numbers]()

    def rows(self, k: int) -> Numbers:
        """The rows of batch k, counted from 0 over all epochs; the last batch of an epoch may have fewer rows."""
        epoch, turn = divmod(k, self.batches_per_epoch)
        pool, turn = divmod(turn, POOL)
        if self._epoch != epoch:
            self._epoch, self._shuffled = epoch, self._shuffle(numpy_generator(self.seed, "rows", epoch))
        if self._pool != (epoch, pool):
            rows = self._shuffled[pool * POOL * self.batch :][: POOL * self.batch]
            rows = rows if self._arrange is None else rows[self._arrange(rows)]
            turns = numpy_generator(self.seed, "pool", epoch, pool).permutation(-(-len(rows) // self.batch))
            self._batches = [rows[place * self.batch :][: self.batch] for place in turns.tolist()]
            self._pool = (epoch, pool)
        return self._batches[turn]

    def _shuffle(self, generator: np.random.Generator) -> Numbers:
        """All rows in a new order, or N rows drawn by their shares."""
        if self._shares is not None:
            return draw_by_shares(self._shares, generator)
        if self._groups is None:
            shuffled = np.arange(self._rows, dtype=np.uint32)
            generator.shuffle(shuffled)
            return shuffled
        places = generator.permutation(int(self._groups.max(initial=0)) + 1)
        return np.argsort(places[self._groups], kind="stable").astype(np.uint32)


def draw_by_shares(shares: NDArray[np.float64], generator: np.random.Generator) -> Numbers:
    """N of N rows in random order, row i about N · shares[i] / Σ shares times: that number rounded up or down, at
    random (systematic sampling). shares: (N,), above 0."""
    rows = len(shares)
    order = generator.permutation(rows)
    ends = np.cumsum(shares[order]) * (rows / shares.sum())  # a row is drawn for each point between its ends
    points = np.arange(rows) + generator.uniform()
    drawn = order[np.minimum(np.searchsorted(ends, points, side="right"), rows - 1)]
    return generator.permutation(drawn).astype(np.uint32)
