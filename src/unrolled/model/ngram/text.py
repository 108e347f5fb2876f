"""The text for n-gram counting: blocks that no n-gram crosses, as small integer codes, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from unrolled.errors import DataError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

CHUNK = 4_000_000  # tokens that are packed and sorted at a time
LARGEST_CODE = 2**63 - 1  # the largest key
RANKED = 50_000_000  # largest text, in tokens, that is searched for the tokens that occur


class Block(NamedTuple):
    """tokens[start:stop], with an EOS token before it if it `opens` with one, and after it if it `closes` with one.

    Consecutive documents are one block: the EOS token between two ends the first and begins the second.
    """

    start: int
    stop: int
    opens: bool
    closes: bool

    @property
    def length(self) -> int:
        """Number of tokens, with added EOS tokens."""
        return self.stop - self.start + self.opens + self.closes


class CodeChunk(NamedTuple):
    """A chunk of codes: a window begins at each of the first `starts` codes that is not 0."""

    codes: Array  # uint8 or int32; zeros after each block
    starts: int
    openings: int  # blocks that begin in the chunk


def make_blocks(tokens: Array, segments: Array | None, eos: int | None) -> list[Block]:
    """Make blocks of segments [start, stop) (M, 2), without empty ones; None: all tokens as one segment.

    With an EOS token, every block begins with it, and ends with it if the token after the segment is EOS.
    """
    if segments is None:
        segments = np.array([[0, len(tokens)]])
    spans = np.asarray(segments, dtype=np.int64).reshape(-1, 2)
    spans = spans[spans[:, 0] < spans[:, 1]]
    if eos is None:
        return [Block(int(start), int(stop), False, False) for start, stop in spans]
    opens = np.asarray(tokens[spans[:, 0]]) != eos
    inside = spans[:, 1] < len(tokens)
    closes = np.zeros(len(spans), dtype=bool)
    closes[inside] = np.asarray(tokens[spans[inside, 1]]) == eos
    goes_on = closes[:-1] & (spans[1:, 0] == spans[:-1, 1])  # the next block begins with the EOS token of this one
    first = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(spans)])
    last = np.flatnonzero(np.concatenate([~goes_on, [True]])[-len(spans) :]) if len(spans) else first
    return [
        Block(int(spans[a, 0]), int(spans[b, 1]), bool(opens[a]), bool(closes[b]))
        for a, b in zip(first, last, strict=True)
    ]


def read_block(tokens: Array, block: Block, eos: int | None, first: int = 0, last: int | None = None) -> Array:
    """Tokens `first` to `last` of a block, as a new array; a `last` past the end means the end."""
    last = block.length if last is None else min(last, block.length)
    start = max(block.start + first - block.opens, block.start)
    text = np.asarray(tokens[start : max(start, min(block.start + last - block.opens, block.stop))])
    edge = np.array([0 if eos is None else eos], dtype=text.dtype)
    before = [edge] if block.opens and first == 0 < last else []
    after = [edge] if block.closes and first < last == block.length else []
    return np.concatenate([*before, text, *after])


class CodedText:
    """Blocks as codes: 0 for none, else 1 + the token (or 1 + its rank among the tokens that occur).

    Ranks are used if `order` tokens would not fit into a key, because with fewer different tokens more of them fit.
    A large text is not searched for the tokens that occur: it is a memory-mapped file, and all of it would be loaded.
    """

    def __init__(self, tokens: Array, blocks: list[Block], eos: int | None, size: int, order: int) -> None:
        self.tokens, self.blocks, self.eos = tokens, blocks, eos
        self.length = sum(block.length for block in blocks)
        alphabet = np.arange(size, dtype=np.int64)  # (A,)
        if (size + 1) ** order > LARGEST_CODE and self.length <= RANKED:
            seen = np.zeros(size, dtype=bool)
            for block in blocks:
                for at in range(0, block.length, CHUNK):
                    seen[np.unique(read_block(tokens, block, eos, at, at + CHUNK))] = True
            alphabet = np.flatnonzero(seen)
        self.base = len(alphabet) + 1
        # (A + 1,) the token of each code; 0 for code 0, which is none
        self.token_of_code = np.concatenate([[0], alphabet])
        self._codes = np.zeros(size, dtype=np.uint8 if self.base <= 256 else np.int32)
        self._codes[alphabet] = np.arange(1, self.base)
        self.eos_code = -1 if eos is None else int(self._codes[eos])

    def _encode(self, tokens: Array) -> Array:
        low, high = (int(tokens.min()), int(tokens.max())) if len(tokens) else (0, 0)
        if low < 0 or high >= len(self._codes):
            raise DataError(
                f"The text holds the token {low if low < 0 else high}, but the vocabulary has {len(self._codes)} "
                "tokens, numbered from 0. Encode the text with the vocabulary whose size was passed."
            )
        return self._codes[tokens]

    def chunks(self, width: int, chunk: int = CHUNK) -> Iterator[CodeChunk]:
        """Yield the text in chunks, a part of one block or many small blocks each, for windows of `width`.

        The order is scattered, so that the first chunks are a sample of the whole text.
        """
        nothing = np.zeros(width, self._codes.dtype)
        jobs: list[tuple[list[Block], int]] = []  # blocks, and where to begin in them
        space = 0
        for block in self.blocks:
            if block.length > chunk:
                jobs += [([block], at) for at in range(0, block.length, chunk)]
                space = 0
            elif block.length > space:
                jobs.append(([block], 0))
                space = chunk - block.length
            else:
                jobs[-1][0].append(block)
                space -= block.length
        for i in sorted(range(len(jobs)), key=lambda i: i * 0.6180339887 % 1.0):
            blocks, at = jobs[i]
            texts = [read_block(self.tokens, block, self.eos, at, at + chunk + width) for block in blocks]
            codes = np.concatenate([codes for text in texts for codes in (self._encode(text), nothing)])
            starts = min(chunk, blocks[0].length - at) if len(blocks) == 1 else len(codes) - width
            yield CodeChunk(codes, starts, len(blocks) if at == 0 else 0)
