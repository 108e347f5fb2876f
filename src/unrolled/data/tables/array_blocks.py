"""Read arrays in files a block of rows at a time. Nothing is mapped into memory, so a file that shrinks while it is
read raises an error that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import IO, Any

import numpy as np

from unrolled.data.tables.arrays import AnyArray
from unrolled.errors import DataError

BLOCK = 1 << 22  # bytes of rows held at once; one row may take more
MOST_ROW = 1 << 26  # bytes of one row
LARGE = 1 << 30  # unpacked bytes from which a packed file must keep to MOST_PACKED
MOST_PACKED = 100  # largest ratio of unpacked to packed size: photographs and recordings have 2, masks 50


def check_row_size(path: object, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise DataError for an array with a row too large to be held."""
    size = prod(shape[1:]) * dtype.itemsize
    if size > MOST_ROW:
        raise DataError(
            f"{path}: a row of '{name}' takes {size / 1e6:,.0f} MB; at most {MOST_ROW / 1e6:,.0f} MB can be read.\n"
            "The first axis must be the rows. Save the array with that axis first, or cut it into smaller rows."
        )


def check_packed(path: object, packed: int, unpacked: int) -> None:
    """Raise DataError for a packed file that would unpack to far more than real data do."""
    if unpacked > LARGE and unpacked > MOST_PACKED * packed:
        raise DataError(
            f"{path} of {packed / 1e6:,.1f} MB unpacks to {unpacked / 1e9:,.1f} GB: {unpacked // max(1, packed):,} "
            f"times its size; at most {MOST_PACKED} times is accepted.\n"
            "If the file is right, save its largest array as .npy, which needs no unpacking."
        )


def rows_at_once(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> int:
    """Number of rows that fill a block, at least one. arrays: name -> (shape, dtype)."""
    sizes = [prod(shape[1:]) * dtype.itemsize for shape, dtype in arrays.values()]
    return max(1, BLOCK // max(1, *sizes)) if sizes else 1


def stream_blocks(
    file: IO[bytes], path: object, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int
) -> Iterator[AnyArray]:
    """Yield blocks of `rows` rows of an array in C order, whose values begin where `file` stands. Raises DataError
    if they end too early."""
    size, total = prod(shape[1:]) * dtype.itemsize, prod(shape) * dtype.itemsize
    for start in range(0, shape[0], rows):
        count = min(rows, shape[0] - start)
        data = file.read(count * size)
        if len(data) < count * size:
            raise truncated_error(path, total, start * size + len(data))
        yield np.frombuffer(data, dtype).reshape(count, *shape[1:])


def column_blocks(
    file: IO[bytes], path: object, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int, start: int
) -> Iterator[AnyArray]:
    """As `stream_blocks`, for an array in Fortran order, whose rows are scattered: `file` must be seekable, and the
    values begin at byte `start`."""
    columns = prod(shape[1:])
    for first in range(0, shape[0], rows):
        count = min(rows, shape[0] - first)
        block = np.empty((columns, count), dtype)
        for column in range(columns):
            file.seek(start + (column * shape[0] + first) * dtype.itemsize)
            data = file.read(count * dtype.itemsize)
            if len(data) < count * dtype.itemsize:
                raise truncated_error(path, prod(shape) * dtype.itemsize, file.tell() - start)
            block[column] = np.frombuffer(data, dtype)
        yield block.reshape(*shape[:0:-1], count).T


def truncated_error(path: object, promised: int, there: int) -> DataError:
    """The error for a file that ends before its values do."""
    return DataError(
        f"{path} is truncated: its header promises {promised:,} bytes of numbers, and {there:,} are there.\n"
        "Copy it again; if a program is still writing it, wait until that is done."
    )


def join_blocks(blocks: Mapping[str, Iterator[AnyArray]]) -> Iterator[dict[str, AnyArray]]:
    """Join the blocks of several arrays, which have equally many rows."""
    for together in zip(*blocks.values(), strict=True):
        yield dict(zip(blocks, together, strict=True))
