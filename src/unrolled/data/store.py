"""The tokens of a text, held in memory or in a memory-mapped temporary file."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from unrolled.data.symbols import Symbols
from unrolled.fileio import nameless_file, no_room

SYMBOLS = "the tokens of the text"
HELD = 1 << 26  # most bytes of tokens held in memory


def let_go(symbols: Symbols) -> None:
    """Release the memory pages of memory-mapped tokens; a later access reads them from the file again."""
    mapped = getattr(symbols.base, "obj", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class SymbolStore:
    """A growing array of tokens; past HELD bytes it moves to a nameless temporary file, mapped into memory."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.count = 0
        self._held: list[Symbols] = []
        self._file: Any = None

    def add(self, symbols: Symbols) -> None:
        """Append tokens."""
        self.count += len(symbols)
        try:
            if self._file is None and self.count * self.dtype.itemsize > HELD:
                self._file = nameless_file(SYMBOLS)  # open as long as the tokens are used
                self._file.writelines(held.data for held in self._held)
                self._held = []
            if self._file is None:
                self._held.append(symbols)
            else:
                self._file.write(symbols.data)
        except OSError as error:
            raise no_room(SYMBOLS, error) from None

    def whole(self) -> Symbols:
        """All tokens as one read-only array."""
        if self._file is None:
            symbols: Symbols = np.concatenate(self._held)
            symbols.flags.writeable = False
            return symbols
        self._file.flush()
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), self.dtype)
