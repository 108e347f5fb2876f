"""Texts by number, and those of some rows, read when they are asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from unrolled.data.store import SymbolStore
from unrolled.data.symbols import Symbols, to_bytes
from unrolled.data.tokens import Ids

TOGETHER = 1 << 20  # bytes of text that are stored at once


class Texts:
    """Texts by number, held as UTF-8; past 64 MB in a temporary file that is mapped into memory."""

    def __init__(self) -> None:
        self._store = SymbolStore(np.dtype(np.uint8))
        self._held: list[bytes] = []
        self._waiting = 0
        self._ends = array("q", [0])
        self._symbols: Symbols | None = None

    def add(self, text: str) -> None:
        """Adds a text at the end."""
        data = to_bytes(text)
        self._ends.append(self._ends[-1] + len(data))
        self._held.append(data)
        self._waiting += len(data)
        if self._waiting >= TOGETHER:
            self._flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if self._symbols is None:
            self._flush()
            self._symbols = self._store.whole()
        return self._symbols[self._ends[number] : self._ends[number + 1]].tobytes().decode("utf-8", "replace")

    @property
    def lengths(self) -> Ids:
        """Bytes of each."""
        ends = np.array(self._ends, np.int64)
        return ends[1:] - ends[:-1]

    def _flush(self) -> None:
        self._store.add(np.frombuffer(b"".join(self._held), np.uint8))
        self._held, self._waiting = [], 0


class PartTexts(Sequence[str]):
    """The texts of some rows, read when they are asked for."""

    def __init__(self, texts: Texts, rows: Ids) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return PartTexts(self._texts, self._rows[place])
        return self._texts[int(self._rows[place])]


def iterate(part: PartTexts, size: int) -> Iterator[list[str]]:
    """The texts of a part, so many at a time."""
    for start in range(0, len(part), size):
        yield list(part[start : start + size])
