"""Texts, as tokens of a vocabulary, or as words with their character n-grams.

A row begins with a BOS token, so that an empty text has a step and a prediction too.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from unrolled.data.cells.cell import Cell, InvalidCell
from unrolled.data.cells.column_kinds import list_as_text
from unrolled.data.cells.words import given_words
from unrolled.data.modalities.base import STEP, Featurizer, Ids, InputSample, Modality, Recipe, StepOptions
from unrolled.data.vocabulary.base import EOS, Vocabulary
from unrolled.data.vocabulary.table import (
    characters_or_bytes,
    check_tokenizer,
    make_vocabulary,
    vocabulary_from_json,
)
from unrolled.errors import OptionError, RunError

WORDS_AS_STEPS = "word"  # the tokenizer with which a step is a word with its character n-grams
LEAST_WORDS = 3.0  # average words per text from which on the steps are words
MOST_WORDS = 50_000  # most words with their own embedding
LEAST_SEEN = 2  # occurrences in the training split from which on a word has its own embedding
BUCKETS = 1 << 14  # embeddings shared by all character n-grams
MOST_NGRAMS = 24  # most character n-grams of a word
ENDS = 8  # characters at each end of a longer word from which its n-grams are taken
LENGTHS = (3, 4)  # characters of an n-gram
PADDING, BOS, UNKNOWN, FIRST = 0, 1, 2, 3  # ids; EDGE is the BOS token, FIRST the first word
WORD = re.compile(r"\w+|[^\w\s]")
KEPT = 200_000  # words whose ids are cached


TOKENS = Recipe(256, 2, 64, 64, 8e-3, 0.35, 60)
WORDS = Recipe(128, 1, 128, 64, 3e-3, 0.4, 10, twice=True)  # a model with an embedding per word soon overfits


@dataclass(frozen=True)
class TextInput(Modality):
    """A cell as text; the entries of a list stay distinguishable."""

    name, noun, is_text = "text", "texts", True

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        return True

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        return cls()

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> TextFeaturizer:
        learn = learn_given_words if options.tagged else learn_text_featurizer
        return learn(options.tokenizer, items)

    def load_featurizer(self, value: Mapping[str, Any]) -> TextFeaturizer:
        return _text_featurizer_from_json(value)

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        return count_equal_texts(items)

    def steps_of(self, item: Any) -> int:
        return len(given_words(item))

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> str:
        if isinstance(cells[0], np.ndarray):
            raise InvalidCell(f"{place}: an array of numbers, where a text was expected.", "Leave out --input-type.")
        return list_as_text(cells[0])


class TextFeaturizer(Featurizer):
    """Turns a text into steps, each a bag of ids whose embeddings are summed: (T, P) with 0 as padding. The first
    step is the BOS token. Subclasses are final."""

    axes = (STEP, "id")
    leading_steps = 1
    input: Modality = TextInput()
    size: int  # number of different ids
    has_word_steps: bool  # whether a step is a word or a subword


READ_AS = {
    "char": "characters",
    "byte": "bytes",
    "bpe": "subwords",
    "word": "frequent words, others as characters",
}


class TokenFeaturizer(TextFeaturizer):
    """One token of a vocabulary per step: a character, a byte, a subword or a word."""

    def __init__(self, table: Vocabulary) -> None:
        self.table, self.kind, self.size = table, table.kind, 1 + table.size
        self.step_description, self.has_word_steps = READ_AS[table.kind], table.kind in ("bpe", "word")
        self.recipe = WORDS if self.has_word_steps else TOKENS

    def encode(self, text: Any) -> Ids:
        ids = np.concatenate([[EOS], self.table.encode(text)])  # (T,)
        return 1 + ids[:, None].astype(np.int64)

    def step_names(self, item: Any) -> list[str]:
        return [self.table.decode([token]) for token in (self.encode(item)[:, 0] - 1).tolist()]

    def to_json(self) -> dict[str, Any]:
        return self.table.to_json()


class WordFeaturizer(TextFeaturizer):
    """One word per step, with its character n-grams (Bojanowski et al. 2017): the lower-case word, if the training
    split has it more than once, and the n-grams of three and four characters of the word as written.

    The n-grams share 16,384 embeddings by a checksum, so that an unseen word has an embedding too.
    """

    has_word_steps, step_description, recipe = True, "words with character n-grams", WORDS

    def __init__(self, words: Iterable[str], given: bool = False) -> None:
        """given: the text is a list of words already (`given_words`) and is not split into words here."""
        self.words, self.given = list(words), given
        self.kind = "given" if given else "words"
        self.size = FIRST + len(self.words) + BUCKETS
        self._number = {word: FIRST + place for place, word in enumerate(self.words)}
        self._known: dict[str, list[int]] = {}

    @classmethod
    def learn(cls, texts: Iterable[str], given: bool = False) -> WordFeaturizer:
        """Learn the vocabulary of a training split's words, the most frequent first."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(given_words(text.lower()) if given else WORD.findall(text.lower()))
        frequent = sorted((-count, word) for word, count in counts.items() if count >= LEAST_SEEN)
        return cls((word for _, word in frequent[:MOST_WORDS]), given)

    def encode(self, text: Any) -> Ids:
        rows = [[BOS], *map(self._ids, given_words(text) if self.given else WORD.findall(text))]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for row, found in zip(ids, rows, strict=True):
            row[: len(found)] = found
        return ids

    def step_names(self, item: Any) -> list[str]:
        return ["", *(given_words(item) if self.given else WORD.findall(item))]

    def _ids(self, word: str) -> list[int]:
        found = self._known.get(word)
        if found is None:
            if len(self._known) >= KEPT:
                self._known.clear()
            first = FIRST + len(self.words)
            ngrams = [
                first + zlib.crc32(ngram.encode("utf-8", "replace")) % BUCKETS for ngram in character_ngrams(word)
            ]
            found = self._known[word] = [self._number.get(word.lower(), UNKNOWN), *ngrams]
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": self.words}


def character_ngrams(word: str) -> list[str]:
    """The character n-grams of a word between < and >; of a long word those of its beginning and its end."""
    whole = f"<{word}>"
    ngrams = [whole[place : place + n] for n in LENGTHS for place in range(len(whole) - n + 1)]
    if len(ngrams) <= MOST_NGRAMS:
        return ngrams
    ends = (whole[:ENDS], whole[-ENDS:])
    return [end[place : place + n] for n in LENGTHS for end in ends for place in range(len(end) - n + 1)]


def learn_given_words(kind: str, texts: Iterable[str]) -> TextFeaturizer:
    """Learn the tokens of a training split whose words are given because each has a tag. Raises OptionError where
    another kind of token is requested."""
    if kind not in ("auto", "word"):
        raise OptionError(f"Tags belong to words: --tokenizer {kind} cannot be used here. Leave it out.")
    return WordFeaturizer.learn(texts, given=True)


def grow_text_featurizer(table: Vocabulary, texts: Iterable[str]) -> tuple[TokenFeaturizer, str]:
    """A run's vocabulary extended by the characters of these texts that it lacks, and these characters."""
    lacking: Counter[str] = Counter()
    for text in texts:
        lacking.update(table.unseen_counts(text))
    return TokenFeaturizer(table.extended(lacking)), "".join(sorted(lacking))


def learn_text_featurizer(kind: str, texts: Iterable[str]) -> TextFeaturizer:
    """Learn the tokens of a training split. "auto": words where texts have three or more on average, else characters,
    or bytes where there are more than 512 different characters. Iterates over `texts` several times. Raises
    OptionError for an unknown kind."""
    check_tokenizer(kind)
    counts: Counter[str] = Counter()
    words = rows = 0
    for text in texts:
        counts.update(text)
        words, rows = words + len(text.split()), rows + 1
    if kind == "auto":
        kind = WORDS_AS_STEPS if words >= LEAST_WORDS * rows else characters_or_bytes(counts)
    if kind == WORDS_AS_STEPS:
        return WordFeaturizer.learn(texts)
    return TokenFeaturizer(make_vocabulary(kind, counts, texts))


def _text_featurizer_from_json(value: Mapping[str, Any]) -> TextFeaturizer:
    if value.get("kind") not in ("words", "given"):
        return TokenFeaturizer(vocabulary_from_json(value))
    words = value.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise RunError(
            "The vocabulary is damaged: its words are not a list of texts. Use another run, or train again."
        )
    return WordFeaturizer(words, given=value["kind"] == "given")


def count_equal_texts(items: Sequence[str]) -> tuple[int, str]:
    """Count the items that equal the first; also return a description of them."""
    return sum(item == items[0] for item in items), f"the same, '{items[0][:40]}'"
