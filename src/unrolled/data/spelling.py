"""The symbols in which texts about rows are written, and in which a text is read that another is written about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from typing import NamedTuple

from unrolled.data.pieces import PieceTable, WordTable
from unrolled.data.symbols import ByteTable, CharacterTable, Table
from unrolled.data.tokens import MOST_CHARACTERS, TOKENS, WORDY, SymbolTokens, Tokens, learn_tokens
from unrolled.errors import OptionError, install_extra, nearest

WITHOUT_PIECES = f"characters, for word pieces need the extra bpe: {install_extra('bpe')}"


class Spelling(NamedTuple):
    """In which symbols is read and written."""

    tokens: Tokens | None  # of inputs that are texts
    table: Table  # of what is written
    note: str  # what a person should know of the choice


def learn_spelling(kind: str, read: Sequence[str] | None, written: Sequence[str]) -> Spelling:
    """The symbols of a training part's texts: those read (None where an input is no text) and those written.

    "auto": word pieces, where texts that are written have several words, else characters, or bytes where there are
    more than 512 of them. Where both are word pieces, one table serves both. Raises OptionError for an unknown kind.
    """
    if kind not in TOKENS:
        raise OptionError(f"--symbols takes {', '.join(TOKENS)}; '{kind}' was given.{nearest(kind, TOKENS)}")
    counts: Counter[str] = Counter()
    for text in written:
        counts.update(text)
    note, chosen = "", kind
    if kind == "auto":
        chosen = "bpe" if has_words(written) else "char" if len(counts) <= MOST_CHARACTERS else "byte"
        if chosen == "bpe" and find_spec("tokenizers") is None:
            note, chosen = WITHOUT_PIECES, "char" if len(counts) <= MOST_CHARACTERS else "byte"
    if chosen == "bpe":
        shared = read is not None and (kind == "bpe" or has_words(read))
        table = PieceTable.learn(*_learnt_from(read if shared else None, written, counts.total()))
        tokens = SymbolTokens(table) if shared else None if read is None else learn_tokens("auto", read)
        return Spelling(tokens, table, note)
    tokens = None if read is None else learn_tokens(chosen if kind != "auto" or note else "auto", read)
    return Spelling(tokens, make_table(chosen, counts, written), note)


def has_words(texts: Sequence[str]) -> bool:
    """Whether texts have three words on average."""
    return sum(len(text.split()) for text in texts) >= WORDY * len(texts)


def make_table(kind: str, counts: Counter[str], texts: Sequence[str]) -> Table:
    """A table of characters, bytes or words."""
    if kind == "byte" or not counts:
        return ByteTable()
    return WordTable.learn(counts, iter(texts)) if kind == "word" else CharacterTable.from_counts(counts)


def _learnt_from(read: Sequence[str] | None, written: Sequence[str], characters: int) -> tuple[Iterator[str], int]:
    """Texts in turn, one that is read and the one written about it, and the characters of all."""
    if read is None:
        return iter(written), characters
    return chain.from_iterable(zip(read, written, strict=True)), characters + sum(map(len, read))
