"""The tokens of a text, held in memory or in a memory-mapped temporary file."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from unrolled.data.vocabulary.base import TokenIds
from unrolled.fileio import no_space_error, temporary_file

CONTENT = "the tokens of the text"  # of the temporary file, for messages
HELD = 1 << 26  # most bytes of tokens held in memory


def release_pages(tokens: TokenIds) -> None:
    """Release the memory pages of memory-mapped tokens; a later access reads them from the file again."""
    mapped = getattr(tokens.base, "obj", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class TokenStore:
    """A growing array of tokens; past HELD bytes it moves to a nameless temporary file, mapped into memory."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.count = 0
        self._held: list[TokenIds] = []
        self._file: Any = None

    def add(self, tokens: TokenIds) -> None:
        """Append tokens."""
        self.count += len(tokens)
        try:
            if self._file is None and self.count * self.dtype.itemsize > HELD:
                self._file = temporary_file(CONTENT)  # open as long as the tokens are used
                self._file.writelines(held.data for held in self._held)
                self._held = []
            if self._file is None:
                self._held.append(tokens)
            else:
                self._file.write(tokens.data)
        except OSError as error:
            raise no_space_error(CONTENT, error) from None

    def as_array(self) -> TokenIds:
        """All tokens as one read-only array."""
        if self._file is None:
            tokens: TokenIds = np.concatenate(self._held)
            tokens.flags.writeable = False
            return tokens
        self._file.flush()
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), self.dtype)
