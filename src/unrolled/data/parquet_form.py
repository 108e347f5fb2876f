"""Parquet, by polars, which is an extra: who reads csv and jsonl has no need of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from unrolled.data.table_file import Row, TableFile
from unrolled.data.written_numbers import shortened
from unrolled.errors import DataError, MissingExtra, install_extra

SLICE = 10_000  # rows read together
LONGEST_SAID = 120  # characters of what polars says of a file


class ParquetTable(TableFile):
    """A parquet file, some thousands of rows at a time.

    polars is handed the open file and never its name, in which it would see patterns (`a*.parquet`) and URLs.
    """

    form = "parquet"

    @classmethod
    def open(cls, path: Path) -> Self:
        polars = _polars()
        try:
            with path.open("rb") as file:
                return cls(path, tuple(polars.read_parquet_schema(file)))
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
            raise DataError(f"{path} is no parquet file that could be read: {_in_short(error)}.") from None

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        polars = _polars()
        wanted = list(dict.fromkeys(columns))
        places = [wanted.index(name) for name in columns]
        number = 0
        with self._opened() as file:
            lazy = polars.scan_parquet(file, glob=False, hive_partitioning=False).select(wanted)
            while True:
                try:
                    rows = lazy.slice(number, SLICE).collect().rows()
                except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
                    raise DataError(
                        f"{self.path}, after row {number:,}: {_in_short(error)}. The file is damaged; make it anew."
                    ) from None
                for cells in rows:
                    number += 1
                    yield Row(number, tuple(None if cells[place] == "" else cells[place] for place in places))
                if len(rows) < SLICE:
                    return

    def _opened(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}.") from None


def _in_short(error: BaseException) -> str:
    """What polars says, in a line: it adds its plan, and sometimes the bytes themselves."""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shortened(said, LONGEST_SAID).rstrip(".")


def _polars() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingExtra(
            f"Parquet files are read by polars, which is not here: {install_extra('parquet')}. "
            "A .csv or .jsonl needs nothing."
        ) from None
    return polars
