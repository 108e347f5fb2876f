"""Tables of longer symbols: words, and word pieces. What they lack they spell out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.symbols import (
    ByteTable,
    CharacterTable,
    Symbols,
    Table,
    characters_of_bytes,
    check_letters,
)
from unrolled.errors import MissingExtra, RunError, install_extra

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD = re.compile(r" ?\w+|[^\w]")  # a word takes the space before it along
MARKS = r" ?\w+| ?[^\w\s]+|\s"  # what no word piece reaches beyond
WORDS = 8192  # at most; those most frequent
PIECES = 8192  # at most
TIMES = 5  # how often a word must stand in the training part to become a symbol
LEARN = 1 << 24  # characters of the training part that words and word pieces are learnt from
SPAN = 1 << 15  # characters that the tokenizer learns from as one text; it holds some hundred bytes for each
KEPT = 1 << 18  # words whose pieces are remembered


class WordTable(Table):
    """The frequent words and all characters; another word is spelled by its characters."""

    kind = "word"

    def __init__(self, letters: Iterable[str], rarest: str, words: Sequence[str]) -> None:
        self._single = CharacterTable(letters, rarest)
        self.words = list(words)
        self._spellings = ["", *self._single.letters, *self.words]  # (V,)
        self._symbol_of = {word: symbol for symbol, word in enumerate(self._spellings) if symbol}
        self.size = len(self._spellings)
        self.characters = np.array([1, *map(len, self._spellings[1:])], np.float64)

    @classmethod
    def learn(cls, counts: Mapping[str, int], texts: Iterable[str]) -> WordTable:
        """The characters counted, and the frequent words of the beginning of `texts`."""
        words: Counter[str] = Counter()
        for text in beginning(texts, LEARN):
            words.update(WORD.findall(text))
        frequent = [word for word, times in words.items() if times >= TIMES and len(word) > 1]
        frequent.sort(key=lambda word: (-words[word], word))
        single = CharacterTable.from_counts(counts)
        return cls(single.letters, single.rarest, frequent[:WORDS])

    def stand_in(self, character: str) -> int:
        """The symbol of a character, or of the most similar one that the table has."""
        return self._single.stand_in(character)

    def encode_cut(self, text: str, cuts: NDArray[np.int64]) -> tuple[Symbols, NDArray[np.int64]]:
        return encode_parts(self._spell, text, cuts, self.dtype)

    def _spell(self, text: str) -> list[int]:
        symbols: list[int] = []
        for word in WORD.findall(text):
            symbol = self._symbol_of.get(word)
            if symbol is None:
                symbols.extend(map(self._single.stand_in, word))
            else:
                symbols.append(symbol)
        return symbols

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        for chunk in chunks:
            yield "".join(map(self._spellings.__getitem__, np.asarray(chunk, np.int64).tolist()))

    def unseen_counts(self, text: str) -> Counter[str]:
        return self._single.unseen_counts(text)

    def grown(self, characters: Iterable[str]) -> WordTable:
        single = self._single.grown(characters)
        return WordTable(single.letters, single.rarest, self.words)

    def to_json(self) -> dict[str, Any]:
        return {**self._single.to_json(), "kind": self.kind, "words": self.words}


class PieceTable(Table):
    """Word pieces by byte-level byte pair encoding (Sennrich et al. 2016; Radford et al. 2019).

    Learnt and applied by the package `tokenizers` (extra `bpe`); piece p of its vocabulary is symbol p + 1.
    """

    kind = "bpe"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pieces_of: dict[str, list[int]] = {}
        self.size = tokenizer.get_vocab_size() + 1
        byte_of = {letter: byte for byte, letter in enumerate(letters_for_bytes())}
        vocabulary = tokenizer.get_vocab()
        pieces = sorted(vocabulary, key=vocabulary.__getitem__)
        if [vocabulary[piece] for piece in pieces] != list(range(len(pieces))):
            raise ValueError("pieces without numbers of their own")
        self._bytes = [b"", *(bytes(byte_of[letter] for letter in piece) for piece in pieces)]  # (V,)
        self.characters = characters_of_bytes([b"\n", *self._bytes[1:]])

    @classmethod
    def learn(cls, texts: Iterable[str], characters: int) -> PieceTable:
        """Learn from the beginning of `texts`: a piece for each 250 characters, 512 to 8,192 of them."""
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
            vocab_size=min(PIECES, max(512, characters // 250)),
            initial_alphabet=letters_for_bytes(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(beginning(texts, LEARN), trainer)
        return cls(tokenizer)

    def encode_cut(self, text: str, cuts: NDArray[np.int64]) -> tuple[Symbols, NDArray[np.int64]]:
        return encode_parts(self._spell, text, cuts, self.dtype)

    def _spell(self, text: str) -> list[int]:
        words = re.findall(MARKS, text.encode("utf-8", "replace").decode())  # it takes no lone surrogates
        if len(self._pieces_of) > KEPT:
            self._pieces_of.clear()
        missing = list(set(words).difference(self._pieces_of))
        for word, found in zip(missing, self._tokenizer.encode_batch(missing), strict=True):
            self._pieces_of[word] = [piece + 1 for piece in found.ids]
        return list(chain.from_iterable(map(self._pieces_of.__getitem__, words)))

    def decode_stream(self, chunks: Iterable[Sequence[int] | NDArray[Any]]) -> Iterator[str]:
        def spelled() -> Iterator[NDArray[np.int64]]:
            for chunk in chunks:
                whole = b"".join(map(self._bytes.__getitem__, np.asarray(chunk, np.int64).tolist()))
                yield np.frombuffer(whole, np.uint8).astype(np.int64) + 1

        return ByteTable().decode_stream(spelled())

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "tokenizer": self._tokenizer.to_str()}


def encode_parts(
    spell: Callable[[str], list[int]], text: str, cuts: NDArray[np.int64], dtype: np.dtype[Any]
) -> tuple[Symbols, NDArray[np.int64]]:
    """Spell each part of a cut text on its own, so that no symbol reaches over a cut."""
    symbols: list[int] = []
    places = []
    for start, stop in pairwise([0, *cuts.tolist(), len(text)]):
        places.append(len(symbols))
        symbols += spell(text[start:stop])
    return np.array(symbols, dtype), np.array(places[1:], np.int64)


def beginning(texts: Iterable[str], characters: int) -> Iterator[str]:
    """Texts, until they have so many characters."""
    for text in texts:
        for start in range(0, min(len(text), characters), SPAN):
            yield text[start : min(start + SPAN, characters)]
        characters -= len(text)
        if characters <= 0:
            return


def letters_for_bytes() -> list[str]:
    """The letter by which byte-level vocabularies write each of the 256 bytes: its own where it can be seen."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(256) if byte not in seen]
    return [chr(byte) if byte in seen else chr(256 + hidden.index(byte)) for byte in range(256)]


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra(
            f"--symbols bpe needs the package tokenizers: {install_extra('bpe')}. "
            "--symbols char, byte and word work without it."
        ) from None
    return tokenizers


def table_from_json(value: Any) -> Table:
    """The table that `to_json` described; a RunError where that is not one."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == CharacterTable.kind:
        return CharacterTable(*check_letters(value))
    if kind == ByteTable.kind:
        return ByteTable()
    if kind == WordTable.kind:
        letters, rarest = check_letters(value)
        words = value.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) and len(word) > 1 for word in words):
            raise RunError("The table of symbols is damaged: its words are not words.")
        if len(set(words)) < len(words) or not set("".join(words)) <= set(letters):
            raise RunError("The table of symbols is damaged: a word is twice in it, or not of its letters.")
        return WordTable(letters, rarest, words)
    if kind == PieceTable.kind:
        tokenizers = _tokenizers()
        try:
            return PieceTable(tokenizers.Tokenizer.from_str(value["tokenizer"]))
        except Exception:  # the package raises no narrower one
            raise RunError("The table of symbols is damaged: its word pieces cannot be read.") from None
    raise RunError(f"The table of symbols is of kind {kind!r}; this version reads char, byte, word and bpe.")
