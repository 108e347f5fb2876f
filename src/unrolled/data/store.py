"""Symbols kept where they fit: in memory, or in a temporary file that is mapped into it."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from unrolled.data.symbols import Symbols
from unrolled.fileio import nameless_file, no_room

SYMBOLS = "the symbols of the text"
HELD = 1 << 26  # bytes of symbols that are held in memory


def let_go(symbols: Symbols) -> None:
    """Lets the pages of symbols that are mapped from a file out of memory; who needs them again reads them again."""
    mapped = getattr(symbols.base, "obj", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class SymbolStore:
    """Symbols as they are added; past HELD bytes in a temporary file without a name, mapped into memory."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.count = 0
        self._held: list[Symbols] = []
        self._file: Any = None

    def add(self, symbols: Symbols) -> None:
        """Add symbols at the end."""
        self.count += len(symbols)
        try:
            if self._file is None and self.count * self.dtype.itemsize > HELD:
                self._file = nameless_file(SYMBOLS)  # open as long as the symbols are used
                self._file.writelines(held.data for held in self._held)
                self._held = []
            if self._file is None:
                self._held.append(symbols)
            else:
                self._file.write(symbols.data)
        except OSError as error:
            raise no_room(SYMBOLS, error) from None

    def whole(self) -> Symbols:
        """All of them, not to be written to."""
        if self._file is None:
            symbols: Symbols = np.concatenate(self._held)
            symbols.flags.writeable = False
            return symbols
        self._file.flush()
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), self.dtype)
