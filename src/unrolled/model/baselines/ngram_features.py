"""A text as a bag of n-grams, each a hash of 63 bits: the features of a linear model.

Characters: all n-grams of one to five, with the beginning and end of a row. Words: single words, pairs and triples in
lower case, and the subwords of three to five characters of each word. Neighbours: a bag for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.words import given_words
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.text import WORD, TextFeaturizer
from unrolled.data.vocabulary.base import code_points

Hashes = NDArray[np.uint64]

CHARACTERS, WORDS, SUBWORDS = 5, 3, (3, 4, 5)  # lengths of n-grams
BEGIN, END = "\x02", "\x03"  # of a row, as characters
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd factor of a multiplicative hash (Knuth 1998, section 6.4)
MIX = np.uint64(0xBF58476D1CE4E5B9)
KEPT = 200_000  # words whose hashes are cached


class Bags(NamedTuple):
    """The distinct n-grams of B rows: those of row r are hashes[starts[r]:starts[r + 1]]."""

    hashes: Hashes  # (F,)
    starts: NDArray[np.int64]  # (B + 1,)


def character_units(texts: Sequence[str]) -> tuple[Hashes, list[int]]:
    """A hash for each character of all texts, and the number of characters of each text."""
    points = [code_points(text).astype(np.uint64) for text in texts]
    return mix_bits(np.concatenate([np.zeros(0, np.uint64), *points])), [len(one) for one in points]


def word_units(texts: Sequence[str]) -> tuple[Hashes, list[int]]:
    """A hash for each word of all texts, in lower case, and the number of words of each text."""
    words = [WORD.findall(text.lower()) for text in texts]
    numbers = [_word_hashes(word)[0] for row in words for word in row]
    return np.array(numbers, np.uint64), [len(row) for row in words]


def character_bags(texts: Sequence[str]) -> Bags:
    """The n-grams of characters of each text."""
    units, lengths = character_units([BEGIN + text + END for text in texts])
    return collect_bags(np.repeat(np.arange(len(texts)), lengths), units, CHARACTERS, [], len(texts))


def word_bags(texts: Sequence[str]) -> Bags:
    """The n-grams of words of each text, and the subwords of its words."""
    numbers: list[int] = []
    lengths: list[int] = []
    subwords: list[tuple[NDArray[np.int64], Hashes]] = []
    for row, text in enumerate(texts):
        words = WORD.findall(text.lower())
        lengths.append(len(words))
        found = [_word_hashes(word) for word in words]
        numbers += [number for number, _ in found]
        within = np.concatenate([np.zeros(0, np.uint64), *(inner for _, inner in found)])
        subwords.append((np.full(len(within), row), within))
    rows = np.repeat(np.arange(len(texts)), lengths)
    return collect_bags(rows, np.array(numbers, np.uint64), WORDS, subwords, len(texts))


def neighbour_bags(texts: Sequence[str]) -> Bags:
    """A bag for each given word of the texts, in order: the word as written and in lower case, its shape, its
    prefixes and suffixes, and the two words on either side of it with their suffixes."""
    rows: list[NDArray[np.int64]] = []
    found: list[Hashes] = []
    before = 0
    for text in texts:
        own = [_features_of(word) for word in given_words(text)]
        count = len(own)
        around = np.stack([EDGES, EDGES, *(one.around for one in own), EDGES, EDGES])  # (count + 4, 3)
        left, right = around[1 : count + 1, 0], around[3 : count + 3, 0]
        itself = around[2 : count + 2, 0]
        pairs = np.stack([left * FACTOR + right, left * MIX + itself, itself * FACTOR + right], 1)  # (count, 3)
        sides = [around[place : count + place] + role for place, role in zip((0, 1, 3, 4), ROLES, strict=True)]
        number = np.arange(before, before + count)
        rows += [np.repeat(number, [len(one.own) for one in own]), np.repeat(number, 3), np.repeat(number, 12)]
        found += [*(one.own for one in own), pairs.ravel(), np.concatenate(sides, 1).ravel()]
        before += count
    whole = np.concatenate([NOTHING, *found])
    places = np.concatenate([NOTHING.astype(np.int64), *rows])
    return collect_bags(places[:0], whole[:0], 1, [(places, mix_bits(whole))], before)


UNITS: dict[str, Callable[[Sequence[str]], tuple[Hashes, list[int]]]] = {
    "characters": character_units,
    "words": word_units,
}
BAGS: dict[str, Callable[[Sequence[str]], Bags]] = {
    "characters": character_bags,
    "words": word_bags,
    "neighbours": neighbour_bags,
}


def collect_bags(
    rows: NDArray[np.int64],
    units: Hashes,
    longest: int,
    extra: Sequence[tuple[NDArray[np.int64], Hashes]],
    count: int,
) -> Bags:
    """All n-grams of one to `longest` units within a row, and `extra`, each once per row."""
    found_rows, found = [row for row, _ in extra], [hashes for _, hashes in extra]
    for ends, numbers in windows(units, rows, longest):
        found_rows.append(rows[ends])
        found.append(numbers)
    all_rows, hashes = np.concatenate(found_rows), np.concatenate(found) >> np.uint64(1)
    order = np.lexsort((hashes, all_rows))
    all_rows, hashes = all_rows[order], hashes[order]
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (all_rows[1:] != all_rows[:-1]) | (hashes[1:] != hashes[:-1])
    starts = np.searchsorted(all_rows[first], np.arange(count + 1))
    return Bags(hashes[first], starts.astype(np.int64))


def windows(units: Hashes, rows: NDArray[np.int64], longest: int) -> Iterator[tuple[NDArray[np.int64], Hashes]]:
    """For n = 1, 2, …: the index of the last unit, and the hash, of each n-gram within a row."""
    running = units
    yield np.arange(len(units)), units
    for n in range(2, longest + 1):
        running = running[:-1] * FACTOR + units[n - 1 :]
        together = np.flatnonzero(rows[: len(running)] == rows[n - 1 :])  # the first and the last unit are in one row
        yield together + n - 1, mix_bits(running[together] + np.uint64(n))


def text_units(featurizer: Featurizer) -> str:
    """The units of n-grams of a text, by the steps of the featurizer: words or characters."""
    return "words" if isinstance(featurizer, TextFeaturizer) and featurizer.has_word_steps else "characters"


def mix_bits(hashes: Hashes) -> Hashes:
    """Mix the bits of hashes (the finaliser of splitmix64, Steele et al. 2014)."""
    hashes = (hashes + FACTOR) * MIX
    return (hashes ^ (hashes >> np.uint64(31))) * FACTOR


class WordFeatures(NamedTuple):
    """Hashes of a word's own features, and of its features for its neighbours."""

    own: Hashes
    around: Hashes


@lru_cache(KEPT)
def _features_of(word: str) -> WordFeatures:
    shape = "".join("X" if c.isupper() else "x" if c.islower() else "9" if c.isdecimal() else "-" for c in word)
    short = "".join(c for c, before in zip(shape, " " + shape, strict=False) if c != before)
    lower = word.lower()
    ends = [lower[-n:] for n in range(1, 6)] + [lower[:n] for n in range(1, 5)]
    named = [f"w{lower}", f"W{word}", f"s{short}", *(f"{n}{end}" for n, end in enumerate(ends))]
    return WordFeatures(_numbers(named), _numbers([f"w{lower}", f"e{lower[-3:]}", f"s{short}"]))


def _numbers(names: Sequence[str]) -> Hashes:
    digests = (blake2b(name.encode("utf-8", "replace"), digest_size=8).digest() for name in names)
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


NOTHING = np.zeros(0, np.uint64)
EDGES = _numbers(["w\x02", "e\x02", "s\x02"])  # outside a text
ROLES = [np.uint64(number * 0x9E3779B97F4A7C15 % 2**64) for number in (3, 5, 7, 9)]  # of the four neighbours

_known: dict[str, tuple[int, Hashes]] = {}


def _word_hashes(word: str) -> tuple[int, Hashes]:
    """The hash of a word, and those of its subwords, which differ from the hashes of words."""
    found = _known.get(word)
    if found is None:
        if len(_known) >= KEPT:
            _known.clear()
        whole = f"<{word}>"
        points = mix_bits(code_points(whole).astype(np.uint64))
        subwords, running = [], points
        for n in range(2, len(whole) + 1):
            running = running[:-1] * FACTOR + points[n - 1 :]
            if n in SUBWORDS:
                subwords.append(mix_bits(running + np.uint64(n)))
        number = int(mix_bits(running)[0])
        found = _known[word] = number, np.unique(np.concatenate([np.zeros(0, np.uint64), *subwords]))
    return found
