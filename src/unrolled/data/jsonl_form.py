"""jsonl: a JSON object a line, its names the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

from unrolled.data.table_file import LOOKED_AT, Row, TableFile, encoding_of, read_lines
from unrolled.errors import DataError


class JsonlTable(TableFile):
    """A jsonl. Columns are the names in its first lines; null, an empty string and a name that is not there are
    missing."""

    form = "jsonl"

    def __init__(self, path: Path, encoding: str) -> None:
        self.encoding = encoding
        names: dict[str, None] = {}
        for _, value in islice(read_objects(path, encoding), LOOKED_AT):
            names |= dict.fromkeys(value)
        super().__init__(path, tuple(names))

    @classmethod
    def open(cls, path: Path) -> Self:
        return cls(path, encoding_of(path, cls.form))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for number, value in read_objects(self.path, self.encoding):
            cells = []
            for name in columns:
                cell = value.get(name)
                if isinstance(cell, dict):
                    raise DataError(
                        f"{self.path}, row {number:,}: '{name}' is an object; text, a number or a list was expected."
                    )
                cells.append(None if cell == "" else cell)
            yield Row(number, tuple(cells))


def read_objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line's number, object) of each line that is not blank."""
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if not line.strip():
            continue
        value = _parse(path, number, line)
        if not isinstance(value, dict):
            raise DataError(
                f'{path}, row {number:,}: a JSON object was expected, {{"text": …, "label": …}}; '
                f"{type(value).__name__} came."
            )
        yield number, value


def _parse(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"no JSON ({error.msg}, column {error.colno})"
    except (RecursionError, ValueError):
        reason = "no JSON that could be read"
    raise DataError(f"{path}, row {number:,}: {reason}. A jsonl file has one JSON object a line.")
