"""Vocabularies: text to token ids and back.

Token 0 of every vocabulary is EOS and BOS: it separates documents and decodes to no text. A vocabulary is learnt
from the training split alone: a character that it lacks is replaced by a similar one and never added.
"""

from __future__ import annotations

import codecs
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError

TokenIds = NDArray[np.integer[Any]]  # uint8, uint16 or int32: the smallest that holds the vocabulary
EOS = 0
UNICODE = 0x110000  # one more than the last code point
DASHES = "-‐‑‒–—―−_"
QUOTES = "\"'“”‘’„‚«»‹›`´"


class Vocabulary(ABC):
    """A vocabulary. `size` includes the EOS token; `characters` (V,) is the number of characters of each token.

    The EOS token counts as one character, the line end that it stands for.
    """

    kind: str
    size: int
    characters: NDArray[np.float64]  # (V,)

    @classmethod
    @abstractmethod
    def learn(cls, counts: Counter[str], texts: Iterable[str]) -> Vocabulary:
        """The vocabulary of a training split: the counts of its characters, one at least, and its texts."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `to_json` described. Raises RunError if it is damaged."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest numpy type that holds every token id."""
        if self.size <= 1 << 8:
            return np.dtype(np.uint8)
        return np.dtype(np.uint16 if self.size <= 1 << 16 else np.int32)

    def encode(self, text: str) -> TokenIds:
        """The tokens of a text, without EOS; characters outside the vocabulary are replaced by similar ones."""
        return self.encode_with_cuts(text, np.zeros(0, np.int64))[0]

    @abstractmethod
    def encode_with_cuts(self, text: str, cuts: NDArray[np.int64]) -> tuple[TokenIds, NDArray[np.int64]]:
        """The tokens of a text that is cut at `cuts` (rising character offsets), and the same cuts in the tokens."""

    @abstractmethod
    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        """Decode chunks of tokens one by one; a character split over two chunks comes with the later chunk."""

    def decode(self, tokens: Sequence[int] | NDArray[Any]) -> str:
        """The text of tokens; EOS tokens add nothing, and bytes that are not UTF-8 become U+FFFD."""
        return "".join(self.decode_stream([tokens]))

    def unseen_counts(self, text: str) -> Counter[str]:
        """The characters of a text that the vocabulary lacks, with their counts."""
        del text  # a vocabulary of bytes lacks none
        return Counter()

    def replacements(self, text: str) -> dict[str, str]:
        """The characters of a text that the vocabulary lacks, each with its replacement."""
        return {found: self.decode(self.encode(found)) for found in self.unseen_counts(text)}

    def extended(self, characters: Iterable[str]) -> Vocabulary:
        """A vocabulary extended by these characters; one of bytes has all of them already."""
        del characters
        return self

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The values from which `from_json` makes the same vocabulary, and its kind."""


class CharacterVocabulary(Vocabulary):
    """A token for each character, in code point order. `rarest` replaces characters to which none is similar."""

    kind = "char"

    def __init__(self, letters: Iterable[str], rarest: str) -> None:
        self.letters = sorted(set(letters))
        self.rarest = rarest
        self.size = len(self.letters) + 1
        self.characters = np.ones(self.size)
        self._points = np.array([0, *map(ord, self.letters)], "<u4")  # (V,)
        self._token_of = np.full(UNICODE, -1, np.int32)  # replacements are added when first needed
        self._token_of[self._points[1:]] = np.arange(1, self.size)
        self._letters = frozenset(self.letters)
        self._known = self._token_of >= 0
        self._plain = bytes(point for point in self._points[1:].tolist() if point < 128)
        self._of_ascii = np.zeros(256, self.dtype)
        for point in range(128):
            self._of_ascii[point] = self.replacement(chr(point))

    @classmethod
    def from_counts(cls, counts: Mapping[str, int]) -> CharacterVocabulary:
        """The vocabulary of the counted characters; the rarest is the first among the least frequent."""
        return cls(counts, min(sorted(counts), key=counts.__getitem__))

    @classmethod
    def learn(cls, counts: Counter[str], texts: Iterable[str]) -> CharacterVocabulary:
        return cls.from_counts(counts)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CharacterVocabulary:
        return cls(*check_letters(value))

    def replacement(self, character: str) -> int:
        """The token of a character, or of the most similar one in the vocabulary."""
        point = ord(character)
        if self._token_of[point] < 0:
            similar = similar_character(character, self._letters, self.rarest)
            self._token_of[point] = self._token_of[ord(similar)]
        return int(self._token_of[point])

    def encode_with_cuts(self, text: str, cuts: NDArray[np.int64]) -> tuple[TokenIds, NDArray[np.int64]]:
        if text.isascii() and self.size <= 256:
            whole = text.encode().translate(self._of_ascii.tobytes())
            return np.frombuffer(whole, np.uint8), cuts
        points = code_points(text)
        tokens = self._token_of[points]
        if tokens.size and tokens.min() < 0:
            for point in np.unique(points[tokens < 0]).tolist():
                self.replacement(chr(point))
            tokens = self._token_of[points]
        return tokens.astype(self.dtype), cuts

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        for chunk in chunks:
            tokens = np.asarray(chunk, np.int64)
            yield self._points[tokens[tokens != EOS]].tobytes().decode("utf-32-le", "surrogatepass")

    def unseen_counts(self, text: str) -> Counter[str]:
        if text.isascii():
            return Counter(text.encode().translate(None, self._plain).decode())
        points = code_points(text)
        return Counter(map(chr, points[~self._known[points]].tolist()))

    def extended(self, characters: Iterable[str]) -> CharacterVocabulary:
        return CharacterVocabulary([*self.letters, *characters], self.rarest)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "letters": self.letters, "rarest": self.rarest}


class ByteVocabulary(Vocabulary):
    """A token for each of the 256 bytes of UTF-8: byte b is token b + 1. Any text can be encoded."""

    kind = "byte"

    def __init__(self) -> None:
        self.size = 257
        self.characters = characters_of_bytes([b"\n", *(bytes([byte]) for byte in range(256))])

    @classmethod
    def learn(cls, counts: Counter[str], texts: Iterable[str]) -> ByteVocabulary:
        return cls()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ByteVocabulary:
        return cls()

    def encode_with_cuts(self, text: str, cuts: NDArray[np.int64]) -> tuple[TokenIds, NDArray[np.int64]]:
        whole = np.frombuffer(to_bytes(text), np.uint8).astype(np.uint16) + np.uint16(1)
        if text.isascii() or not len(cuts):
            return whole, cuts
        points = code_points(text)
        lengths = 1 + (points >= 0x80) + (points >= 0x800).astype(np.int64) + (points >= 0x10000)
        lengths[(points >= 0xD800) & (points < 0xE000)] = 1  # a stray byte, see read_documents
        return whole, (np.cumsum(lengths) - lengths)[cuts]

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for chunk in chunks:
            tokens = np.asarray(chunk, np.int64)
            yield decoder.decode((tokens[tokens != EOS] - 1).astype(np.uint8).tobytes())
        yield decoder.decode(b"", final=True)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}


def tokens_before(vocabulary: Vocabulary, grown: Vocabulary) -> NDArray[np.int64]:
    """For each token of an extended vocabulary, the token of the original one, or its replacement there."""
    if grown.size == vocabulary.size:  # nothing was added; single bytes and subwords cannot be decoded alone
        return np.arange(vocabulary.size)
    texts = [grown.decode([token]) for token in range(grown.size)]
    return np.array([vocabulary.encode(text)[0] if text else EOS for text in texts], np.int64)


def code_points(text: str) -> NDArray[np.uint32] | NDArray[np.uint8]:
    """The code point of each character of a text."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def to_bytes(text: str) -> bytes:
    """Encode as UTF-8. Bytes of a file that was not valid UTF-8 come back as they were; other lone surrogates become
    "?"."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def characters_of_bytes(strings: Iterable[bytes]) -> NDArray[np.float64]:
    """How many characters begin in each of these strings of UTF-8."""
    return np.array([sum(byte & 0xC0 != 0x80 for byte in string) for string in strings], np.float64)


def similar_character(character: str, letters: Collection[str], rarest: str) -> str:
    """The best replacement for a character among `letters`.

    In this order: its base letter (é: e), the character or its base letter in the other case, one of the same class
    (white space, dash, quote, digit), else the rarest.
    """
    base = unicodedata.normalize("NFKD", character)[:1]
    wanted = [base, character.swapcase()[:1], base.swapcase()[:1]]
    if character.isspace():
        wanted += "\n \t" if character in "\r\n\v\f\x85\u2028\u2029" else " \n\t"
    elif unicodedata.category(character) == "Pd" or character in DASHES:
        wanted += DASHES
    elif unicodedata.category(character) in ("Pi", "Pf") or character in QUOTES:
        wanted += QUOTES
    elif character.isdecimal():
        wanted += [str(unicodedata.decimal(character)), *"0123456789"]
    return next((letter for letter in wanted if letter in letters), rarest)


def check_letters(value: Mapping[str, Any]) -> tuple[list[str], str]:
    """The letters of a vocabulary that was read from a file, and the rarest of them. Raises RunError."""
    letters, rarest = value.get("letters"), value.get("rarest")
    if not isinstance(letters, list) or not letters or letters != sorted({str(one)[:1] for one in letters}):
        raise RunError("The vocabulary is damaged: its letters are not single characters in order.")
    if rarest not in letters:
        raise RunError("The vocabulary is damaged: its rarest letter is not one of its letters.")
    return letters, str(rarest)
