"""Token vectors from co-occurrence in a text without labels.

Tokens that occur in the same documents more often than at random get similar vectors: a truncated singular value
decomposition of the positive pointwise mutual information (Levy, Goldberg & Dagan 2015).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.corpus import Corpus
from unrolled.data.vocabulary.base import EOS

TOGETHER = 64  # tokens of a document that are paired; a longer document is cut into segments of so many
MOST = 1_000_000  # tokens of a text that are used
CHUNK = 1 << 22  # pairs that are counted together
SMOOTHING = 0.75  # exponent of a token's frequency in the expected co-occurrence (context distribution smoothing)
ITERATIONS = 4  # of the randomised decomposition
SPARE = 16  # oversampled columns, for the accuracy of those that are kept


def cooccurrence_vectors(corpus: Corpus, width: int, seed: int) -> Tensor:
    """Token vectors (V, E) from co-occurrence in the training documents, with an overall standard deviation of 1;
    zero for a token that occurs with no other."""
    size = corpus.vocabulary.size
    pairs, counts = count_pairs(bags_of(corpus), size)
    first, second = pairs // size, pairs % size
    frequency = np.bincount(first, counts, size)  # (V,) pairs of each token
    expected = frequency**SMOOTHING
    information = np.log(counts * expected.sum() / (frequency[first] * expected[second]))  # (N,) nats
    kept = information > 0
    places = torch.from_numpy(np.stack([first[kept], second[kept]]))
    matrix = torch.sparse_coo_tensor(
        places, torch.from_numpy(information[kept]).float(), (size, size), check_invariants=False
    ).coalesce()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        left, values, _ = torch.svd_lowrank(matrix, q=min(size, width + SPARE), niter=ITERATIONS)
    vectors = torch.zeros(size, width)
    found = (left * values.sqrt())[:, :width]  # (V, E), or fewer columns if V is small
    vectors[:, : found.shape[1]] = found / found.std().clamp_min(torch.finfo(found.dtype).tiny)
    return vectors


def bags_of(corpus: Corpus) -> Iterator[NDArray[np.int64]]:
    """Yield the distinct tokens of each document of the training split, or of each segment of a long document."""
    for chunk in corpus.training_chunks(MOST, overlap=0):
        for document in np.split(chunk, np.flatnonzero(chunk == EOS)):
            for start in range(0, len(document), TOGETHER):
                bag = np.unique(document[start : start + TOGETHER]).astype(np.int64)
                yield bag[bag != EOS]


def count_pairs(bags: Iterable[NDArray[np.int64]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the bags that hold two tokens: pairs (N,) as first * size + second, in order, and counts (N,)."""
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
    """Add the occurrences of the keys in `more` to the counts."""
    added, times = np.unique(np.concatenate([keys[:0], *more]), return_counts=True)
    whole, where = np.unique(np.concatenate([keys, added]), return_inverse=True)
    return whole, np.bincount(where, np.concatenate([counts, times])).astype(np.int64)
