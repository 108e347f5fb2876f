"""A row's text as steps for a model: symbols of a table, or words with characters inside.

A row begins with a border, so that an empty text has an answer too.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from unrolled.data.inputs import InputKind, LabelInput, TextInput
from unrolled.data.intake import Ids, Intake
from unrolled.data.pieces import PieceTable, table_from_json
from unrolled.data.symbols import BORDER, ByteTable, CharacterTable, Table
from unrolled.data.words import given_words
from unrolled.errors import OptionError, RunError, nearest

TOKENS = ("auto", "char", "byte", "word", "bpe")
WORDY = 3.0  # words a text from which on its steps are words
MOST_CHARACTERS = 512  # different ones up to which a text of few words is read as characters
MOST_WORDS = 50_000  # that have a vector of their own
LEAST_SEEN = 2  # times that a word stands in the training part to have one
BUCKETS = 1 << 14  # vectors that all pieces of words share
PIECES = 24  # of a word, at most
ENDS = 8  # characters at each end of a longer word whose pieces it has
LENGTHS = (3, 4)  # characters of a piece
PADDING, EDGE, UNKNOWN, FIRST = 0, 1, 2, 3  # of a word's ids; FIRST is the first word's
WORD = re.compile(r"\w+|[^\w\s]")
KEPT = 200_000  # words whose ids are remembered


class Tokens(Intake):
    """Turns a text into steps, each a bag of ids whose vectors are added up: (T, P) with 0 as padding. The first
    step is a border. A subclass is final."""

    lead = 1
    input: InputKind = TextInput()
    size: int  # different ids
    worded: bool  # whether a step is a word or a piece of one


READ_AS = {
    "char": "characters",
    "byte": "bytes",
    "bpe": "word pieces",
    "word": "frequent words, others by characters",
}


class SymbolTokens(Tokens):
    """A step a symbol of a table: characters, bytes or word pieces."""

    def __init__(self, table: Table) -> None:
        self.table, self.kind, self.size = table, table.kind, 1 + table.size
        self.read_as, self.worded = READ_AS[table.kind], table.kind in ("bpe", "word")

    def encode(self, text: Any) -> Ids:
        symbols = np.concatenate([[BORDER], self.table.encode(text)])  # (T,)
        return 1 + symbols[:, None].astype(np.int64)

    def step_names(self, item: Any) -> list[str]:
        return [self.table.decode([symbol]) for symbol in (self.encode(item)[:, 0] - 1).tolist()]

    def to_json(self) -> dict[str, Any]:
        return self.table.to_json()


class WordTokens(Tokens):
    """A step a word, with characters inside (Bojanowski et al. 2017): the word itself, whatever its case, where the
    training part has it more than once, and the pieces of three and four characters of it as it is written.

    Pieces share 16,384 vectors by a checksum, so that a word never met has a vector too.
    """

    worded, read_as = True, "words with characters inside"

    def __init__(self, words: Iterable[str], given: bool = False) -> None:
        """given: a text's words are those it is given as (`given_words`), not those that are found in it."""
        self.words, self.given = list(words), given
        self.kind = "given" if given else "words"
        self.size = FIRST + len(self.words) + BUCKETS
        self._number = {word: FIRST + place for place, word in enumerate(self.words)}
        self._known: dict[str, list[int]] = {}

    @classmethod
    def learn(cls, texts: Iterable[str], given: bool = False) -> WordTokens:
        """The table of a training part's words, the most frequent first."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(given_words(text.lower()) if given else WORD.findall(text.lower()))
        frequent = sorted((-count, word) for word, count in counts.items() if count >= LEAST_SEEN)
        return cls((word for _, word in frequent[:MOST_WORDS]), given)

    def encode(self, text: Any) -> Ids:
        rows = [[EDGE], *map(self._ids, given_words(text) if self.given else WORD.findall(text))]
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
            pieces = [first + zlib.crc32(piece.encode("utf-8", "replace")) % BUCKETS for piece in pieces_of(word)]
            found = self._known[word] = [self._number.get(word.lower(), UNKNOWN), *pieces]
        return found

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": self.words}


class LabelTokens(Tokens):
    """One step of one id: the whole text is one of few labels. A label that is not known is read as the one that is
    written most like it, or as the most frequent one."""

    kind, lead, worded, input = "label", 0, False, LabelInput()

    def __init__(self, names: Iterable[str]) -> None:
        """names: the most frequent first."""
        self.names = list(names)
        self.size = 1 + len(self.names)
        self.read_as = f"one of {len(self.names):,} labels"
        self._number = {name: 1 + place for place, name in enumerate(self.names)}

    @classmethod
    def learn(cls, texts: Iterable[str]) -> LabelTokens:
        """The labels of a training part."""
        counts = Counter(texts)
        return cls(sorted(counts, key=lambda name: (-counts[name], name)))

    def known(self, text: str) -> str:
        """The label that a text is read as."""
        if text in self._number:
            return text
        return next(iter(get_close_matches(text, self.names, 1)), self.names[0])

    def encode(self, text: Any) -> Ids:
        return np.array([[self._number[self.known(text)]]], np.int64)

    def step_names(self, item: Any) -> list[str]:
        return [self.known(item)]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "names": self.names}


def pieces_of(word: str) -> list[str]:
    """The pieces of a word between < and >; of a long one its beginning's and its end's."""
    whole = f"<{word}>"
    pieces = [whole[place : place + n] for n in LENGTHS for place in range(len(whole) - n + 1)]
    if len(pieces) <= PIECES:
        return pieces
    ends = (whole[:ENDS], whole[-ENDS:])
    return [part[place : place + n] for n in LENGTHS for part in ends for place in range(len(part) - n + 1)]


def learn_given(kind: str, texts: Iterable[str]) -> Tokens:
    """The tokens of a training part whose words are given, because each has a tag. Raises OptionError for others."""
    if kind not in ("auto", "word"):
        raise OptionError(f"Tags are of words: --symbols {kind} is no choice here. Leave it out.")
    return WordTokens.learn(texts, given=True)


def grow_tokens(table: Table, texts: Iterable[str]) -> tuple[SymbolTokens, str]:
    """The tokens of a run's table of symbols with the characters of these texts that it lacked, and these."""
    lacking: Counter[str] = Counter()
    for text in texts:
        lacking.update(table.unseen_counts(text))
    return SymbolTokens(table.grown(lacking)), "".join(sorted(lacking))


def learn_tokens(kind: str, texts: Iterable[str]) -> Tokens:
    """The tokens of a training part. "auto": words where a text has several, else characters, or bytes where there
    are more than 512 of them. Raises OptionError for an unknown kind; `texts` is gone through more than once."""
    if kind not in TOKENS:
        raise OptionError(f"--symbols takes {', '.join(TOKENS)}; '{kind}' was given.{nearest(kind, TOKENS)}")
    counts: Counter[str] = Counter()
    words = rows = 0
    for text in texts:
        counts.update(text)
        words, rows = words + len(text.split()), rows + 1
    if kind == "auto":
        kind = "word" if words >= WORDY * rows else "char" if len(counts) <= MOST_CHARACTERS else "byte"
    if kind == "word":
        return WordTokens.learn(texts)
    if kind == "bpe":
        return SymbolTokens(PieceTable.learn(iter(texts), counts.total()))
    return SymbolTokens(ByteTable() if kind == "byte" or not counts else CharacterTable.from_counts(counts))


def tokens_from_json(value: Mapping[str, Any]) -> Tokens:
    """The tokens that `to_json` wrote. Raises RunError where they are damaged."""
    if isinstance(value, Mapping) and value.get("kind") == "label":
        names = value.get("names")
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise RunError("The run's symbols.json is damaged: its labels are no list of names. Train again.")
        return LabelTokens(names)
    if not isinstance(value, Mapping) or value.get("kind") not in ("words", "given"):
        return SymbolTokens(table_from_json(value))
    words = value.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise RunError("The table of words is damaged: it is no list of words. Use another run, or train again.")
    return WordTokens(words, given=value["kind"] == "given")
