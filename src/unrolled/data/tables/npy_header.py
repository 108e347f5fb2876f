"""The header of an npy array, read without loading the array (numpy.lib.format, NEP 1)."""

from __future__ import annotations

from math import prod
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from unrolled.data.tables.array_blocks import check_row_size
from unrolled.data.tables.arrays import check_array
from unrolled.errors import DataError


class ArrayHeader(NamedTuple):
    """Shape, dtype and layout of an array, as its header states them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int  # bytes before its values
    fortran: bool = False  # whether its first axis, not its last, changes fastest

    @property
    def is_plain(self) -> bool:
        """Whether it holds one value per row: shape (N,), or (N, 1), which is common for labels."""
        return prod(self.shape[1:]) == 1

    @property
    def bytes(self) -> int:
        """Size of the values in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], path: object, name: str, size: int) -> ArrayHeader:
    """The header of an array in a file of `size` bytes. Raises DataError if it is not an array of numbers or text, or
    if its size contradicts its header."""
    try:
        version = npy.read_magic(file)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except (ValueError, EOFError, TypeError, SyntaxError, UnicodeError, MemoryError, TokenError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise DataError(f"{path}: '{name}' cannot be read as a numpy array: {reason}. Save it again.") from None
    check_array(path, name, shape, dtype)
    header = ArrayHeader(tuple(map(int, shape)), dtype, file.tell(), fortran and len(shape) > 1)
    if header.start + header.bytes != size or min(header.shape) < 0:
        there = size - header.start
        raise DataError(
            f"{path} is truncated or damaged: '{name}' should hold {header.bytes:,} bytes by its header; it holds "
            f"{there:,}.\nCopy it again."
        )
    check_row_size(path, name, header.shape, header.dtype)
    return header
