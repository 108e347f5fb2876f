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

    def __init__(self, rows: int, batch: int, seed: int, arrange: Callable[[Numbers], NDArray[Any]]) -> None:
        """rows: N. arrange: the rows (R,) of a pool -> an order (R,) with similar rows next to each other."""
        self.batch, self.seed = batch, seed
        self.batches_per_epoch = -(-rows // batch)
        self._rows, self._arrange = rows, arrange
        self._epoch, self._shuffled = -1, np.zeros(0, np.uint32)
        self._pool, self._batches = (-1, -1), list[Numbers]()

    def rows(self, k: int) -> Numbers:
        """The rows of batch k, counted from 0 over all epochs; the last batch of an epoch may have fewer rows."""
        epoch, turn = divmod(k, self.batches_per_epoch)
        pool, turn = divmod(turn, POOL)
        if self._epoch != epoch:
            shuffled = np.arange(self._rows, dtype=np.uint32)
            numpy_generator(self.seed, "rows", epoch).shuffle(shuffled)
            self._epoch, self._shuffled = epoch, shuffled
        if self._pool != (epoch, pool):
            rows = self._shuffled[pool * POOL * self.batch :][: POOL * self.batch]
            rows = rows[self._arrange(rows)]
            turns = numpy_generator(self.seed, "pool", epoch, pool).permutation(-(-len(rows) // self.batch))
            self._batches = [rows[place * self.batch :][: self.batch] for place in turns.tolist()]
            self._pool = (epoch, pool)
        return self._batches[turn]
