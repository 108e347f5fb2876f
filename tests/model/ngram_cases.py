"""A text for the n-gram tests, and a slow reference count with dicts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from unrolled.model.ngram.text import Array

V = 5


def some_text(length: int = 600, seed: int = 0) -> Array:
    """Tokens 1 … 4 that depend on those before, with some BOS/EOS tokens (0) between; it begins with one."""
    generator = np.random.default_rng(seed)
    text = [0]
    while len(text) < length:
        close = generator.random() < 0.7
        follows = 1 + (2 * text[-1] + text[-2 if len(text) > 1 else -1]) % 4 if close else generator.integers(5)
        text.append(int(follows))
    return np.array(text, dtype=np.uint8)


def documents_of(text: Array) -> list[list[int]]:
    """Documents with the BOS/EOS token before each, and after each but the last."""
    boundaries = [*np.flatnonzero(text == 0).tolist(), len(text)]
    return [text[a : b + 1].tolist() for a, b in pairwise(boundaries)]


def count_slowly(documents: list[list[int]], opened: bool, k: int) -> dict[tuple[int, ...], tuple[int, int]]:
    """The same with dicts. `opened`: documents begin with a BOS token, which follows nothing and is not a target."""
    seen: Counter[tuple[int, ...]] = Counter()
    before: dict[tuple[int, ...], set[tuple[str, int]]] = {}
    for d, document in enumerate(documents):
        for i in range(len(document) - k + 1):
            gram = tuple(document[i : i + k])
            seen[gram] += not (opened and k == 1 and i == 0)
            extension = ("symbol", document[i - 1]) if i else (f"none {d}", i)
            if not (opened and k == 1 and i == 0):
                before.setdefault(gram, set()).add(extension)
    return {gram: (times, len(before.get(gram, ()))) for gram, times in seen.items()}
