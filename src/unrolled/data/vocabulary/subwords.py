"""Vocabularies of words and of subwords. Other words are written as characters or bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary.base import (
    ByteVocabulary,
    CharacterVocabulary,
    TokenIds,
    Vocabulary,
    characters_of_bytes,
    check_letters,
)
from unrolled.errors import MissingExtra, RunError, install_extra

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD = re.compile(r" ?\w+|[^\w]")  # a word includes the space before it
MARKS = r" ?\w+| ?[^\w\s]+|\s"  # units that no subword crosses
WORDS = 8192  # most words; the most frequent ones
SUBWORDS = 8192  # most subwords
TIMES = 5  # least occurrences of a word in the training split to become a token
LEARN = 1 << 24  # characters of the training split that words and subwords are learnt from
SPAN = 1 << 15  # characters per text given to the tokenizer's trainer, which holds about a hundred bytes for each
KEPT = 1 << 18  # words whose subwords are cached


class WordVocabulary(Vocabulary):
    """The frequent words and all characters; any other word is a sequence of characters."""

    kind = "word"

    def __init__(self, letters: Iterable[str], rarest: str, words: Sequence[str]) -> None:
        self._single = CharacterVocabulary(letters, rarest)
        self.words = list(words)
        self._texts = ["", *self._single.letters, *self.words]  # (V,)
        self._token_of = {word: token for token, word in enumerate(self._texts) if token}
        self.size = len(self._texts)
        self.characters = np.array([1, *map(len, self._texts[1:])], np.float64)

    @classmethod
    def learn(cls, counts: Counter[str], texts: Iterable[str]) -> WordVocabulary:
        """All characters, and the frequent words at the beginning of `texts`."""
        words: Counter[str] = Counter()
        for text in beginning(texts, LEARN):
            words.update(WORD.findall(text))
        frequent = [word for word, times in words.items() if times >= TIMES and len(word) > 1]
        frequent.sort(key=lambda word: (-words[word], word))
        single = CharacterVocabulary.from_counts(counts)
        return cls(single.letters, single.rarest, frequent[:WORDS])

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WordVocabulary:
        letters, rarest = check_letters(value)
        words = value.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) and len(word) > 1 for word in words):
            raise RunError("The vocabulary is damaged: its list of words is invalid.")
        if len(set(words)) < len(words) or not set("".join(words)) <= set(letters):
            raise RunError("The vocabulary is damaged: a word is in it twice, or has other characters than its own.")
        return cls(letters, rarest, words)

    def replacement(self, character: str) -> int:
        """The token of a character, or of the most similar character in the vocabulary."""
        return self._single.replacement(character)

    def encode_with_cuts(self, text: str, cuts: NDArray[np.int64]) -> tuple[TokenIds, NDArray[np.int64]]:
        return _encode_segments(self._encode, text, cuts, self.dtype)

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        for word in WORD.findall(text):
            token = self._token_of.get(word)
            if token is None:
                tokens.extend(map(self._single.replacement, word))
            else:
                tokens.append(token)
        return tokens

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        for chunk in chunks:
            yield "".join(map(self._texts.__getitem__, np.asarray(chunk, np.int64).tolist()))

    def unseen_counts(self, text: str) -> Counter[str]:
        return self._single.unseen_counts(text)

    def extended(self, characters: Iterable[str]) -> WordVocabulary:
        single = self._single.extended(characters)
        return WordVocabulary(single.letters, single.rarest, self.words)

    def to_json(self) -> dict[str, Any]:
        return {**self._single.to_json(), "kind": self.kind, "words": self.words}


class SubwordVocabulary(Vocabulary):
    """Subwords by byte-level byte pair encoding (Sennrich et al. 2016; Radford et al. 2019).

    Learnt and applied by the package `tokenizers` (extra `bpe`); id p of its vocabulary is token p + 1.
    """

    kind = "bpe"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens_of: dict[str, list[int]] = {}
        self.size = tokenizer.get_vocab_size() + 1
        byte_of = {letter: byte for byte, letter in enumerate(letters_for_bytes())}
        vocabulary = tokenizer.get_vocab()
        subwords = sorted(vocabulary, key=vocabulary.__getitem__)
        if [vocabulary[subword] for subword in subwords] != list(range(len(subwords))):
            raise ValueError("the ids of the subwords are not 0, 1, …")
        self._bytes = [b"", *(bytes(byte_of[letter] for letter in subword) for subword in subwords)]  # (V,)
        self.characters = characters_of_bytes([b"\n", *self._bytes[1:]])

    @classmethod
    def learn(cls, counts: Counter[str], texts: Iterable[str]) -> SubwordVocabulary:
        return cls.of_texts(texts, counts.total())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SubwordVocabulary:
        tokenizers = _tokenizers()
        try:
            return cls(tokenizers.Tokenizer.from_str(value["tokenizer"]))
        except Exception:  # the package raises no narrower one
            raise RunError("The vocabulary is damaged: its subwords cannot be read.") from None

    @classmethod
    def of_texts(cls, texts: Iterable[str], characters: int) -> SubwordVocabulary:
        """Learn from the beginning of `texts`: one subword per 250 of their characters, 512 to 8,192 in all."""
        tokenizers = _tokenizers()
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        cut = tokenizers.pre_tokenizers
        tokenizer.pre_tokenizer = cut.Sequence(
            [
                cut.Split(tokenizers.Regex(MARKS), "isolated"),
                cut.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=min(SUBWORDS, max(512, characters // 250)),
            initial_alphabet=letters_for_bytes(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(beginning(texts, LEARN), trainer)
        return cls(tokenizer)

    def encode_with_cuts(self, text: str, cuts: NDArray[np.int64]) -> tuple[TokenIds, NDArray[np.int64]]:
        return _encode_segments(self._encode, text, cuts, self.dtype)

    def _encode(self, text: str) -> list[int]:
        words = re.findall(MARKS, text.encode("utf-8", "replace").decode())  # it takes no lone surrogates
        if len(self._tokens_of) > KEPT:
            self._tokens_of.clear()
        missing = list(set(words).difference(self._tokens_of))
        for word, found in zip(missing, self._tokenizer.encode_batch(missing), strict=True):
            self._tokens_of[word] = [subword + 1 for subword in found.ids]
        return list(chain.from_iterable(map(self._tokens_of.__getitem__, words)))

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        def decoded_bytes() -> Iterator[NDArray[np.int64]]:
            for chunk in chunks:
                whole = b"".join(map(self._bytes.__getitem__, np.asarray(chunk, np.int64).tolist()))
                yield np.frombuffer(whole, np.uint8).astype(np.int64) + 1

        return ByteVocabulary().decode_stream(decoded_bytes())

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "tokenizer": self._tokenizer.to_str()}


def _encode_segments(
    encode: Callable[[str], list[int]], text: str, cuts: NDArray[np.int64], dtype: np.dtype[Any]
) -> tuple[TokenIds, NDArray[np.int64]]:
    """Encode each segment of a cut text separately, so that no token crosses a cut."""
    tokens: list[int] = []
    places = []
    for start, stop in pairwise([0, *cuts.tolist(), len(text)]):
        places.append(len(tokens))
        tokens += encode(text[start:stop])
    return np.array(tokens, dtype), np.array(places[1:], np.int64)


def beginning(texts: Iterable[str], characters: int) -> Iterator[str]:
    """The first `characters` characters of texts, in chunks of at most SPAN."""
    for text in texts:
        for start in range(0, min(len(text), characters), SPAN):
            yield text[start : min(start + SPAN, characters)]
        characters -= len(text)
        if characters <= 0:
            return


def letters_for_bytes() -> list[str]:
    """The character that stands for each of the 256 bytes in byte-level vocabularies: its own if it is printable."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + hidden.index(byte)) for byte in range(256)]


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra(
            f"--tokenizer bpe needs the package tokenizers: {install_extra('bpe')}. "
            "--tokenizer char, byte and word work without it."
        ) from None
    return tokenizers
