"""The header of an npy array, read without loading the array (numpy.lib.format, NEP 1)."""

from __future__ import annotations

from math import prod
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from unrolled.data.array_blocks import check_rows
from unrolled.data.array_rows import check_array
from unrolled.errors import DataError


class ArrayHeader(NamedTuple):
    """What an array is, by its own word."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int  # bytes before its values
    fortran: bool = False  # whether its first axis, not its last, changes fastest

    @property
    def is_plain(self) -> bool:
        """Whether it holds one value a row: of shape (N,), or (N, 1) as some hand out their labels."""
        return prod(self.shape[1:]) == 1

    @property
    def bytes(self) -> int:
        """How many bytes its values take."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], path: object, name: str, size: int) -> ArrayHeader:
    """The header of an array of `size` bytes with its header. Raises DataError for what is no array of numbers or
    text, or has not the bytes that its header promises."""
    try:
        version = npy.read_magic(file)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except (ValueError, EOFError, TypeError, SyntaxError, UnicodeError, MemoryError, TokenError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise DataError(
            f"{path}: '{name}' is no array of numpy that could be read: {reason}. Save it anew."
        ) from None
    check_array(path, name, shape, dtype)
    header = ArrayHeader(tuple(map(int, shape)), dtype, file.tell(), fortran and len(shape) > 1)
    if header.start + header.bytes != size or min(header.shape) < 0:
        there = size - header.start
        raise DataError(
            f"{path} is truncated or damaged: '{name}' should hold {header.bytes:,} bytes by its header, and "
            f"{there:,} are there.\nCopy it anew."
        )
    check_rows(path, name, header.shape, header.dtype)
    return header
