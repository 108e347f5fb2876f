"""Which rows share a batch: the same as when each epoch was shuffled again for each pool, but shuffled once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unrolled import seeds
from unrolled.data.dataset import shuffling
from unrolled.data.dataset.shuffling import POOL, RowOrder

ROWS, BATCH, SEED = 1_000, 3, 7
LENGTHS = np.random.default_rng(0).integers(1, 9, ROWS)  # many equal lengths: they keep their order


def by_length(rows: np.ndarray) -> np.ndarray:
    return np.argsort(LENGTHS[rows], kind="stable")


def drawn_anew(k: int) -> list[int]:
    """The rows of batch k, from seed and k alone."""
    epoch, turn = divmod(k, -(-ROWS // BATCH))
    pool, turn = divmod(turn, POOL)
    order = seeds.numpy_generator(SEED, "rows", epoch).permutation(ROWS)
    rows = order[pool * POOL * BATCH :][: POOL * BATCH]
    rows = rows[by_length(rows)]
    turn = seeds.numpy_generator(SEED, "pool", epoch, pool).permutation(-(-len(rows) // BATCH))[turn]
    return [int(row) for row in rows[turn * BATCH :][:BATCH]]


def test_batches_depend_on_seed_and_number_alone() -> None:
    order = RowOrder(ROWS, BATCH, SEED, by_length)
    assert order.batches_per_epoch == 334
    wanted = [drawn_anew(k) for k in range(3 * 334)]
    assert [order.rows(k).tolist() for k in range(3 * 334)] == wanted
    jumps = np.random.default_rng(1).permutation(3 * 334)[:200].tolist()
    assert [order.rows(k).tolist() for k in jumps] == [wanted[k] for k in jumps]
    for epoch in range(3):
        rows = [row for batch in wanted[epoch * 334 : (epoch + 1) * 334] for row in batch]
        assert sorted(rows) == list(range(ROWS))


def test_an_epoch_is_shuffled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Any, ...]] = []

    def generator(seed: int, *names: str | int) -> np.random.Generator:
        drawn.append(names)
        return seeds.numpy_generator(seed, *names)

    monkeypatch.setattr(shuffling, "numpy_generator", generator)
    order = RowOrder(ROWS, BATCH, SEED, by_length)
    for k in range(2 * order.batches_per_epoch):
        order.rows(k)
    pools = -(-order.batches_per_epoch // POOL)
    assert drawn == [
        names for epoch in range(2) for names in (("rows", epoch), *(("pool", epoch, pool) for pool in range(pools)))
    ]


def test_a_shuffle_that_was_interrupted_is_done_again() -> None:
    def broken(rows: np.ndarray) -> np.ndarray:
        if left.pop():
            raise KeyboardInterrupt
        return by_length(rows)

    left = [False, True]
    order = RowOrder(ROWS, BATCH, SEED, broken)
    with pytest.raises(KeyboardInterrupt):
        order.rows(5)
    assert order.rows(5).tolist() == drawn_anew(5)


def test_rows_of_a_group_stay_together() -> None:
    groups = np.random.default_rng(2).integers(0, 60, 300) * 7  # of different sizes, and not in order
    order = RowOrder(300, 8, SEED, groups=groups)
    epochs = []
    for epoch in range(2):
        batches = [order.rows(epoch * 38 + k) for k in range(38)]
        assert sorted(np.concatenate(batches).tolist()) == list(range(300))
        apart = sum(len({k for k, rows in enumerate(batches) if group in groups[rows]}) - 1 for group in set(groups))
        assert apart <= 37, "only where a batch ends can a group be in two batches"
        epochs.append([rows.tolist() for rows in batches])
    assert epochs[0] != epochs[1]
    again = RowOrder(300, 8, SEED, groups=groups)
    assert again.rows(50).tolist() == epochs[1][12]
