"""A text as a bag of n-grams, each a number of 63 bits: what a linear model looks at.

Of characters: all n-grams of one to five, a row's beginning and end among them. Of words: single words, pairs and
triples in lower case, and the pieces of three to five characters of each word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.symbols import code_points
from unrolled.data.tokens import WORD

Hashes = NDArray[np.uint64]

CHARACTERS, WORDS, PIECES = 5, 3, (3, 4, 5)  # lengths of n-grams
BEGIN, END = "\x02", "\x03"  # of a row, as characters
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, of a multiplicative hash (Knuth 1998, section 6.4)
MIX = np.uint64(0xBF58476D1CE4E5B9)
KEPT = 200_000  # words whose pieces are remembered


class Bags(NamedTuple):
    """N-grams of B rows, each once: those of row r stand from starts[r] to starts[r + 1]."""

    hashes: Hashes  # (F,)
    starts: NDArray[np.int64]  # (B + 1,)


def character_bags(texts: Sequence[str]) -> Bags:
    """The n-grams of characters of each text."""
    points = [code_points(BEGIN + text + END).astype(np.uint64) for text in texts]
    lengths = [len(one) for one in points]
    whole = np.concatenate([np.zeros(0, np.uint64), *points])
    return gather(np.repeat(np.arange(len(texts)), lengths), mixed(whole), CHARACTERS, [], len(texts))


def word_bags(texts: Sequence[str]) -> Bags:
    """The n-grams of words of each text, and the pieces of its words."""
    numbers: list[int] = []
    lengths: list[int] = []
    pieces: list[tuple[NDArray[np.int64], Hashes]] = []
    for row, text in enumerate(texts):
        words = WORD.findall(text.lower())
        lengths.append(len(words))
        found = [_word_hashes(word) for word in words]
        numbers += [number for number, _ in found]
        within = np.concatenate([np.zeros(0, np.uint64), *(inner for _, inner in found)])
        pieces.append((np.full(len(within), row), within))
    rows = np.repeat(np.arange(len(texts)), lengths)
    return gather(rows, np.array(numbers, np.uint64), WORDS, pieces, len(texts))


BAGS: dict[str, Callable[[Sequence[str]], Bags]] = {"characters": character_bags, "words": word_bags}


def gather(
    rows: NDArray[np.int64],
    units: Hashes,
    longest: int,
    more: Sequence[tuple[NDArray[np.int64], Hashes]],
    count: int,
) -> Bags:
    """All n-grams of one to `longest` units that stand in one row, and `more`, each once a row."""
    found_rows, found = [rows, *(row for row, _ in more)], [units, *(hashes for _, hashes in more)]
    running = units
    for n in range(2, longest + 1):
        running = running[:-1] * FACTOR + units[n - 1 :]
        together = rows[: len(running)] == rows[n - 1 :]  # the first unit and the last are of one row
        found_rows.append(rows[: len(running)][together])
        found.append(mixed(running[together] + np.uint64(n)))
    all_rows, hashes = np.concatenate(found_rows), np.concatenate(found) >> np.uint64(1)
    order = np.lexsort((hashes, all_rows))
    all_rows, hashes = all_rows[order], hashes[order]
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (all_rows[1:] != all_rows[:-1]) | (hashes[1:] != hashes[:-1])
    starts = np.searchsorted(all_rows[first], np.arange(count + 1))
    return Bags(hashes[first], starts.astype(np.int64))


def mixed(hashes: Hashes) -> Hashes:
    """The same numbers well spread (the finish of splitmix64, Steele et al. 2014)."""
    hashes = (hashes + FACTOR) * MIX
    return (hashes ^ (hashes >> np.uint64(31))) * FACTOR


_known: dict[str, tuple[int, Hashes]] = {}


def _word_hashes(word: str) -> tuple[int, Hashes]:
    """The number of a word, and those of its pieces, which are other numbers than any word's."""
    found = _known.get(word)
    if found is None:
        if len(_known) >= KEPT:
            _known.clear()
        whole = f"<{word}>"
        points = mixed(code_points(whole).astype(np.uint64))
        pieces, running = [], points
        for n in range(2, len(whole) + 1):
            running = running[:-1] * FACTOR + points[n - 1 :]
            if n in PIECES:
                pieces.append(mixed(running + np.uint64(n)))
        number = int(mixed(running)[0])
        found = _known[word] = number, np.unique(np.concatenate([np.zeros(0, np.uint64), *pieces]))
    return found
