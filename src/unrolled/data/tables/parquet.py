"""Parquet files, read by polars (an optional extra)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from unrolled.data.cells.written_numbers import shortened
from unrolled.data.media.images import is_encoded_image
from unrolled.data.tables.base import Row, TableFile
from unrolled.errors import DataError, MissingExtra, install_extra

SLICE = 10_000  # rows per read
SLICE_OF_FILES = 500  # the same, where cells hold files
LONGEST_REASON = 120  # characters of a message of polars


class ParquetTable(TableFile):
    """A parquet file, read in slices of rows.

    polars gets the open file and not its name, since it interprets names as patterns (`a*.parquet`) and URLs.
    """

    format = "parquet"

    @classmethod
    def open(cls, path: Path) -> Self:
        polars = _polars()
        try:
            with path.open("rb") as file:
                return cls(path, tuple(polars.read_parquet_schema(file)))
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
            raise DataError(f"{path} cannot be read as a parquet file: {_reason(error)}.") from None

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        polars = _polars()
        wanted = list(dict.fromkeys(columns))
        places = [wanted.index(name) for name in columns]
        number = 0
        with self._opened() as file:
            lazy = polars.scan_parquet(file, glob=False, hive_partitioning=False).select(wanted)
            held = lazy.collect_schema().dtypes()
            count = SLICE_OF_FILES if any(kind == polars.Binary or kind == polars.Struct for kind in held) else SLICE
            while True:
                try:
                    rows = lazy.slice(number, count).collect().rows()
                except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
                    raise DataError(
                        f"{self.path}, after row {number:,}: {_reason(error)}. The file is damaged; save it again."
                    ) from None
                for cells in rows:
                    number += 1
                    yield Row(number, tuple(_cell(cells[place]) for place in places))
                if len(rows) < count:
                    return

    def _opened(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}.") from None


def _cell(value: Any) -> Any:
    """A value as a cell. The bytes of an image file, alone or beside a path as data sets on Hugging Face have them,
    become an array of bytes."""
    if isinstance(value, dict) and set(value) == {"bytes", "path"}:
        value = value["path"] if value["bytes"] is None else value["bytes"]
    if isinstance(value, bytes) and is_encoded_image(value):
        return np.frombuffer(value, np.uint8)
    return None if isinstance(value, str) and not value else value


def _reason(error: BaseException) -> str:
    """A message of polars in one line, without its query plan and the data that it may quote."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shortened(line, LONGEST_REASON).rstrip(".")


def _polars() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingExtra(
            f"Parquet files need polars, which is not installed: {install_extra('parquet')}. "
            "A .csv or .jsonl needs no extra."
        ) from None
    return polars
