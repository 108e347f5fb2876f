"""Arrays in files, read a block of rows at a time: no more is held than a block, and nothing is mapped, so that a
file which shrinks while it is read ends in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import IO, Any

import numpy as np

from unrolled.data.array_rows import AnyArray
from unrolled.errors import DataError

BLOCK = 1 << 22  # bytes of rows that are held at once, or one row
MOST_ROW = 1 << 26  # bytes of one row
LARGE = 1 << 30  # bytes unpacked from which a packed file is held to MOST_PACKED
MOST_PACKED = 100  # times its own size that it may unpack to: photographs and sounds pack to a half, masks to a 50th


def check_rows(path: object, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raises DataError for an array of which one row is more than what is held at once."""
    size = prod(shape[1:]) * dtype.itemsize
    if size > MOST_ROW:
        raise DataError(
            f"{path}: a row of '{name}' takes {size / 1e6:,.0f} MB, and up to {MOST_ROW / 1e6:,.0f} are read.\n"
            "The first axis is the row: is it the last here? Save it with axes changed, or cut into smaller rows."
        )


def check_packed(path: object, packed: int, unpacked: int) -> None:
    """Raises DataError for a packed file that would unpack to far more than data do."""
    if unpacked > LARGE and unpacked > MOST_PACKED * packed:
        raise DataError(
            f"{path} of {packed / 1e6:,.1f} MB unpacks to {unpacked / 1e9:,.1f} GB: {unpacked // max(1, packed):,} "
            f"times its size, and up to {MOST_PACKED} are read.\n"
            "Where it is what it should be, save its largest array as an .npy, which is read from where it lies."
        )


def rows_at_once(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> int:
    """So many rows of all these arrays, (shape, dtype) by name, fill a block; one at least."""
    sizes = [prod(shape[1:]) * dtype.itemsize for shape, dtype in arrays.values()]
    return max(1, BLOCK // max(1, *sizes)) if sizes else 1


def stream_blocks(
    file: IO[bytes], path: object, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int
) -> Iterator[AnyArray]:
    """So many rows at a time of an array in C order, whose values begin where `file` stands. Raises DataError where
    they end too early."""
    size, total = prod(shape[1:]) * dtype.itemsize, prod(shape) * dtype.itemsize
    for start in range(0, shape[0], rows):
        count = min(rows, shape[0] - start)
        data = file.read(count * size)
        if len(data) < count * size:
            raise shorter(path, total, start * size + len(data))
        yield np.frombuffer(data, dtype).reshape(count, *shape[1:])


def column_blocks(
    file: IO[bytes], path: object, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int, start: int
) -> Iterator[AnyArray]:
    """As `stream_blocks`, of an array in Fortran's order, whose rows lie scattered; `file` can seek, and values begin
    at the byte `start`."""
    columns = prod(shape[1:])
    for first in range(0, shape[0], rows):
        count = min(rows, shape[0] - first)
        block = np.empty((columns, count), dtype)
        for column in range(columns):
            file.seek(start + (column * shape[0] + first) * dtype.itemsize)
            data = file.read(count * dtype.itemsize)
            if len(data) < count * dtype.itemsize:
                raise shorter(path, prod(shape) * dtype.itemsize, file.tell() - start)
            block[column] = np.frombuffer(data, dtype)
        yield block.reshape(*shape[:0:-1], count).T


def shorter(path: object, promised: int, there: int) -> DataError:
    """What to say of a file that ends before its values do."""
    return DataError(
        f"{path} is truncated: its header promises {promised:,} bytes of numbers, and {there:,} are there.\n"
        "Copy it anew; where something writes to it, wait until that is done."
    )


def in_step(blocks: Mapping[str, Iterator[AnyArray]]) -> Iterator[dict[str, AnyArray]]:
    """Blocks of several arrays with as many rows each, side by side."""
    for together in zip(*blocks.values(), strict=True):
        yield dict(zip(blocks, together, strict=True))
