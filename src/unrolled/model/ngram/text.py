"""The text as n-grams are counted in it: blocks that no n-gram crosses, read as small codes, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from unrolled.errors import DataError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

CHUNK = 4_000_000  # symbols that are read, packed and sorted at a time
LARGEST = 2**63 - 1  # that a key may be
RANKED = 50_000_000  # symbols of a text that is looked through for those that occur, at most


class Block(NamedTuple):
    """symbols[start:stop], read with a border before it and after it where it `opens` and `closes` with one.

    Several documents in a row are one block: the border between two ends the first and begins the second.
    """

    start: int
    stop: int
    opens: bool
    closes: bool

    @property
    def length(self) -> int:
        """Symbols in it, borders included."""
        return self.stop - self.start + self.opens + self.closes


class Piece(NamedTuple):
    """Codes to count in: a window begins at each of the first `starts`, but where there is a 0."""

    codes: Array  # uint8 or int32; zeros behind each block
    starts: int
    openings: int  # blocks that begin here


def make_blocks(symbols: Array, stretches: Array | None, border: int | None) -> list[Block]:
    """The blocks of stretches [start, stop) (M, 2), empty ones left out; None: all symbols as one stretch.

    With a border, every block begins with it, and ends with it where the symbol after the stretch is one.
    """
    if stretches is None:
        stretches = np.array([[0, len(symbols)]])
    spans = np.asarray(stretches, dtype=np.int64).reshape(-1, 2)
    spans = spans[spans[:, 0] < spans[:, 1]]
    if border is None:
        return [Block(int(start), int(stop), False, False) for start, stop in spans]
    opens = np.asarray(symbols[spans[:, 0]]) != border
    inside = spans[:, 1] < len(symbols)
    closes = np.zeros(len(spans), dtype=bool)
    closes[inside] = np.asarray(symbols[spans[inside, 1]]) == border
    goes_on = closes[:-1] & (spans[1:, 0] == spans[:-1, 1])  # the next block begins with this one's end
    first = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(spans)])
    last = np.flatnonzero(np.concatenate([~goes_on, [True]])[-len(spans) :]) if len(spans) else first
    return [
        Block(int(spans[a, 0]), int(spans[b, 1]), bool(opens[a]), bool(closes[b]))
        for a, b in zip(first, last, strict=True)
    ]


def read_block(symbols: Array, block: Block, border: int | None, first: int = 0, last: int | None = None) -> Array:
    """Places `first` to `last` of a block, as an array of its own; a `last` past its end is its end."""
    last = block.length if last is None else min(last, block.length)
    start = max(block.start + first - block.opens, block.start)
    text = np.asarray(symbols[start : max(start, min(block.start + last - block.opens, block.stop))])
    edge = np.array([0 if border is None else border], dtype=text.dtype)
    before = [edge] if block.opens and first == 0 < last else []
    after = [edge] if block.closes and first < last == block.length else []
    return np.concatenate([*before, text, *after])


class Text:
    """Blocks as codes: 0 where there is nothing, else 1 + the symbol (or 1 + its rank among those that occur).

    Ranks, where `order` symbols would not fit into a key: with fewer symbols, more of them do. A large text is not
    read for that: it is a file that is mapped, and would be in memory then from its first page to its last.
    """

    def __init__(self, symbols: Array, blocks: list[Block], border: int | None, size: int, order: int) -> None:
        self.symbols, self.blocks, self.border = symbols, blocks, border
        self.length = sum(block.length for block in blocks)
        alphabet = np.arange(size, dtype=np.int64)  # (A,)
        if (size + 1) ** order > LARGEST and self.length <= RANKED:
            seen = np.zeros(size, dtype=bool)
            for block in blocks:
                for at in range(0, block.length, CHUNK):
                    seen[np.unique(read_block(symbols, block, border, at, at + CHUNK))] = True
            alphabet = np.flatnonzero(seen)
        self.base = len(alphabet) + 1
        self.spelled = np.concatenate([[0], alphabet])  # (A + 1,) the symbol of each code; 0 of code 0, which is none
        self._codes = np.zeros(size, dtype=np.uint8 if self.base <= 256 else np.int32)
        self._codes[alphabet] = np.arange(1, self.base)
        self.border_code = -1 if border is None else int(self._codes[border])

    def _encode(self, symbols: Array) -> Array:
        low, high = (int(symbols.min()), int(symbols.max())) if len(symbols) else (0, 0)
        if low < 0 or high >= len(self._codes):
            raise DataError(
                f"The text holds the token {low if low < 0 else high}, but the vocabulary has {len(self._codes)} "
                "tokens, numbered from 0. Encode the text with the vocabulary whose size was passed."
            )
        return self._codes[symbols]

    def pieces(self, width: int, chunk: int = CHUNK) -> Iterator[Piece]:
        """The text, a part of one block or many small blocks at a time, to take windows of `width` from.

        They come in a scattered order: the first pieces already stand for the whole text.
        """
        nothing = np.zeros(width, self._codes.dtype)
        jobs: list[tuple[list[Block], int]] = []  # blocks, and where to begin in them
        room = 0
        for block in self.blocks:
            if block.length > chunk:
                jobs += [([block], at) for at in range(0, block.length, chunk)]
                room = 0
            elif block.length > room:
                jobs.append(([block], 0))
                room = chunk - block.length
            else:
                jobs[-1][0].append(block)
                room -= block.length
        for i in sorted(range(len(jobs)), key=lambda i: i * 0.6180339887 % 1.0):
            blocks, at = jobs[i]
            texts = [read_block(self.symbols, block, self.border, at, at + chunk + width) for block in blocks]
            codes = np.concatenate([part for text in texts for part in (self._encode(text), nothing)])
            starts = min(chunk, blocks[0].length - at) if len(blocks) == 1 else len(codes) - width
            yield Piece(codes, starts, len(blocks) if at == 0 else 0)
