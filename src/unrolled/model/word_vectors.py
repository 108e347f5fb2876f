"""Vectors of words from what they stand together with: what a text tells of them without any label.

Words that stand in the same documents more often than chance has it are near each other: positive pointwise mutual
information, of which a truncated singular value decomposition is taken (Levy, Goldberg & Dagan 2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.corpus import Corpus
from unrolled.data.symbols import BORDER

TOGETHER = 64  # different symbols of a document that are paired; of a longer one each stretch of so many steps
MOST = 1_000_000  # symbols of a text that are looked at
CHUNK = 1 << 22  # pairs that are counted at once
SMOOTHING = 0.75  # power of how often a symbol is met, where chance is reckoned: rare ones are met by chance too
ITERATIONS = 4  # of the decomposition
SPARE = 16  # columns beside those that are kept, which make these exact


def cooccurrence_vectors(corpus: Corpus, width: int, seed: int) -> Tensor:
    """Vectors (V, E) of the symbols of a text by what stands in its training documents, of deviation 1 in all; zero
    for those that stand with none."""
    size = corpus.table.size
    pairs, counts = count_pairs(bags_of(corpus), size)
    first, second = pairs // size, pairs % size
    met = np.bincount(first, counts, size)  # (V,) pairs that a symbol is in
    chance = met**SMOOTHING
    information = np.log(counts * chance.sum() / (met[first] * chance[second]))  # (N,) nats
    kept = information > 0
    places = torch.from_numpy(np.stack([first[kept], second[kept]]))
    matrix = torch.sparse_coo_tensor(
        places, torch.from_numpy(information[kept]).float(), (size, size), check_invariants=False
    ).coalesce()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        left, values, _ = torch.svd_lowrank(matrix, q=min(size, width + SPARE), niter=ITERATIONS)
    vectors = torch.zeros(size, width)
    found = (left * values.sqrt())[:, :width]  # (V, E) or, of few symbols, fewer columns
    vectors[:, : found.shape[1]] = found / found.std().clamp_min(torch.finfo(found.dtype).tiny)
    return vectors


def bags_of(corpus: Corpus) -> Iterator[NDArray[np.int64]]:
    """The different symbols of each document of the training part, or of each stretch of a long one."""
    for piece in corpus.training_pieces(MOST, overlap=0):
        for document in np.split(piece, np.flatnonzero(piece == BORDER)):
            for start in range(0, len(document), TOGETHER):
                bag = np.unique(document[start : start + TOGETHER]).astype(np.int64)
                yield bag[bag != BORDER]


def count_pairs(bags: Iterable[NDArray[np.int64]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many bags hold two different symbols of `size`: (N,) first x size + second, rising, and (N,) bags."""
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    waiting: list[NDArray[np.int64]] = []
    held = 0
    for bag in bags:
        waiting.append((bag[:, None] * size + bag)[~np.eye(len(bag), dtype=np.bool_)])
        held += len(waiting[-1])
        if held > CHUNK:
            keys, counts = add_up(keys, counts, waiting)
            waiting, held = [], 0
    return add_up(keys, counts, waiting)


def add_up(
    keys: NDArray[np.int64], counts: NDArray[np.int64], more: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts of keys, with one more for each time that a key stands in `more`."""
    added, times = np.unique(np.concatenate([keys[:0], *more]), return_counts=True)
    whole, where = np.unique(np.concatenate([keys, added]), return_inverse=True)
    return whole, np.bincount(where, np.concatenate([counts, times])).astype(np.int64)
