"""Rows in another order each epoch, those of like length side by side. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.seeds import numpy_generator

Numbers: TypeAlias = NDArray[np.uint32]  # of rows, from 0: four bytes each

POOL = 64  # batches within which rows of like length are put side by side


class RowOrder:
    """Which of N rows stand in which batch: all are shuffled each epoch, and within each pool of 64 batches they are
    arranged so that rows of like length share one. The last epoch's order is held."""

    def __init__(self, rows: int, batch: int, seed: int, arrange: Callable[[Numbers], NDArray[Any]]) -> None:
        """rows: N. arrange: rows (R,) of a pool -> the order (R,) in which they stand side by side."""
        self.batch, self.seed = batch, seed
        self.batches_an_epoch = -(-rows // batch)
        self._rows, self._arrange = rows, arrange
        self._epoch, self._shuffled = -1, np.zeros(0, np.uint32)
        self._pool, self._batches = (-1, -1), list[Numbers]()

    def rows(self, k: int) -> Numbers:
        """The rows of batch k, from 0, of an endless row of epochs; an epoch's last one may have fewer."""
        epoch, turn = divmod(k, self.batches_an_epoch)
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
