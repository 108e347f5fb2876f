"""Splits rows into training, validation and test: by shares, files or folds, and in whole groups if there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import Ids
from unrolled.data.splits import SPLITS
from unrolled.errors import DataError
from unrolled.seeds import numpy_generator

FEWEST = 10  # least rows that can be split


def split_table(
    path: str | Path, source: NDArray[np.uint8], shares: Sequence[float | str], groups: Any, seed: int,
    direction: int = 0, by_groups: bool = False,
) -> dict[str, Ids]:  # fmt: skip
    """The rows of each split: those of a separate file, or a share of the table's, in whole groups if there are any.

    direction: 1 or -1 if rows are in ascending or descending order of time; then the latest rows are the test split,
    and those before them validation. by_groups: shares count groups, not rows.
    """
    own = np.flatnonzero(source == 0)
    splits: dict[str, Ids] = {}
    following = 1
    counts = {}
    for split, share in zip(SPLITS[1:], shares, strict=True):
        if isinstance(share, str):
            splits[split] = np.flatnonzero(source == following)
            following += 1
            if not len(splits[split]):
                raise DataError(f"{share} holds no rows for the {split} split. Add some, or give a share: 0.1.")
        else:
            counts[split] = round(share * (len(np.unique(groups[own])) if by_groups else len(own)))
    if any(counts.values()) and len(own) < FEWEST:
        raise DataError(
            f"{path} holds {len(own):,} rows: too few for validation and test splits, which need {FEWEST}.\n"
            "Add rows, or give separate files: --valid FILE --test FILE."
        )
    if groups is None and direction:
        order, sizes = own[::-direction], None
    elif groups is None:
        order, sizes = own[numpy_generator(seed, "cut").permutation(len(own))], None
    else:
        order, sizes = _by_group(path, groups[own], own, 1 + sum(map(bool, counts.values())), seed)
    start = 0
    for split, count in reversed(counts.items()):
        stop = start + count if sizes is None else _whole_groups(sizes, start, count, by_groups)
        splits[split] = np.sort(order[start:stop])
        start = stop
    splits["training"] = np.sort(order[start:])
    if not len(splits["training"]):
        raise DataError(f"{path}: no rows are left for training after the groups for validation and test are taken.")
    return {name: splits[name] for name in SPLITS}


def split_fold(
    path: str | Path, fold: tuple[int, int], valid: float | str, source: NDArray[np.uint8], groups: Any, seed: int,
    by_groups: bool = False,
) -> dict[str, Ids]:  # fmt: skip
    """Splits in which one of n folds is the test split and a share of the other rows is validation; whole groups.

    by_groups: folds and shares are of similar numbers of groups, not of rows.
    """
    number, count = fold
    own = np.flatnonzero(source == 0)
    units = np.arange(len(own)) if groups is None else np.unique(groups[own], return_inverse=True)[1]
    sizes = np.minimum(1, np.bincount(units)) if by_groups else np.bincount(units)
    if len(sizes) < count:
        kind = "rows" if groups is None else "groups"
        raise DataError(f"{path} holds {len(sizes):,} {kind}: too few for {count} folds. Use fewer: --folds N.")
    order = numpy_generator(seed, "folds").permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.zeros(len(sizes), np.int64), np.zeros(count, np.int64)
    for unit in order.tolist():  # the largest first, each into the fold with the fewest rows
        fold_of[unit] = filled.argmin()
        filled[fold_of[unit]] += sizes[unit]
    tested = fold_of[units] == number - 1
    rest = own[~tested]
    if isinstance(valid, str):
        validation = np.flatnonzero(source == 1)
    else:
        order, ends = numpy_generator(seed, "cut", number).permutation(rest), None
        if groups is not None:
            order, ends = _by_group(path, groups[rest], rest, 2, seed)
        count = round(valid * (len(ends) if by_groups and ends is not None else len(rest)))
        stop = count if ends is None else _whole_groups(ends, 0, count, by_groups)
        validation, rest = np.sort(order[:stop]), np.sort(order[stop:])
    return {"training": rest, "validation": validation, "test": own[tested]}


def _by_group(path: str | Path, groups: NDArray[Any], rows: Ids, fewest: int, seed: int) -> tuple[Ids, Ids]:
    """(rows, group after group in random order, end of each group). fewest: groups needed, one per split."""
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < fewest:
        there = "one group of rows" if len(names) == 1 else f"{len(names)} groups of rows"
        raise DataError(
            f"{path}: {there} (by --group, or rows of one file), and {fewest} splits need at least one each.\n"
            "Add rows of others, or give separate files: --valid FILE --test FILE."
        )
    rank = numpy_generator(seed, "cut").permutation(len(names))
    order = np.argsort(rank[group], kind="stable")
    return rows[order], np.cumsum(np.bincount(rank[group], minlength=len(names)))


def _whole_groups(ends: Ids, start: int, count: int, by_groups: bool = False) -> int:
    """The end of a split of about `count` rows, or groups, in whole groups, at least one; `start` if count is 0."""
    if not count:
        return start
    later = ends[ends > start]
    if by_groups:
        return int(later[min(count, len(later)) - 1])
    return int(later[np.argmin(np.abs(later - (start + count)))])
