"""jsonl and json: a JSON object a line, or an array of objects; their names are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from unrolled.data.table_file import (
    HALVES,
    LONGEST_LINE,
    Row,
    TableFile,
    encoding_of,
    half_a_character,
    read_blocks,
    read_lines,
)
from unrolled.errors import DataError

BETWEEN = re.compile(r"[\s,]*")  # what stands between the entries of an array


class JsonlTable(TableFile):
    """A jsonl, or a json. Columns are the names of all its objects, in the order in which they first come; null, an
    empty string and a name that is not there are missing.

    The whole file is read once for the names: one that first comes late may be the answer.
    """

    def __init__(self, path: Path, encoding: str, array: bool) -> None:
        """array: it is an array; if not, an object a line."""
        self.form = "json" if path.suffix.lower() == ".json" else "jsonl"
        self.encoding, self.array = encoding, array
        super().__init__(path, _names(path, encoding, array, path.stat().st_size, path.stat().st_mtime_ns))

    @classmethod
    def open(cls, path: Path) -> Self:
        encoding = encoding_of(path, path.suffix.lower()[1:])
        beginning = next(read_blocks(path, encoding), "")
        return cls(path, encoding, re.match(r"\s*\[\s*(\{|\]|$)", beginning) is not None)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Raises DataError for an object within an object, and for half a character, which no text holds."""
        for number, value in read_objects(self.path, self.encoding, self.array):
            cells = []
            for name in columns:
                cell = value.get(name)
                if isinstance(cell, str):
                    if not cell.isascii() and HALVES.search(cell):
                        raise half_a_character(self.place(number), name)
                elif isinstance(cell, dict | list):
                    _check_nested(self.path, number, name, cell)
                cells.append(None if cell == "" else cell)
            yield Row(number, tuple(cells))


def read_objects(path: Path, encoding: str, array: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of each line that is not blank, or of each entry of an array, from 1."""
    for number, value in _entries(path, encoding) if array else _lines(path, encoding):
        if not isinstance(value, dict):
            raise DataError(
                f'{path}, row {number:,}: a JSON object was expected, {{"text": …, "label": …}}; '
                f"{type(value).__name__} came."
            )
        yield number, value


@lru_cache(maxsize=8)
def _names(path: Path, encoding: str, array: bool, size: int, changed: int) -> tuple[str, ...]:
    """The names of all objects of a file of this size that was changed then."""
    names: dict[str, None] = {}
    for number, value in read_objects(path, encoding, array):
        if value.keys() <= names.keys():
            continue
        for name in value:
            if HALVES.search(name):
                raise half_a_character(f"{path}, row {number:,}", name)
        names |= dict.fromkeys(value)
    return tuple(names)


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """(number, value) of each line that is not blank."""
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (RecursionError, ValueError) as error:
                raise _no_json(path, number, error) from None


def _entries(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """(number, value) of each entry of an array, of which no more than one and a block is held."""
    decoder, blocks = json.JSONDecoder(), read_blocks(path, encoding)
    text = next(blocks, "")
    place, number = text.index("[") + 1, 0
    while True:
        place = BETWEEN.match(text, place).end()  # type: ignore[union-attr]
        if place == len(text):
            text, place = next(blocks, ""), 0
            if not text:
                raise _cut_off(path, number)
            continue
        if text[place] == "]":
            rest = text[place + 1 :]
            if rest.strip() or any(block.strip() for block in blocks):
                raise DataError(
                    f"{path}: more stands after the end of its array, which is row {number:,}.\n"
                    "A json file is one array of objects, or has one object a line."
                )
            return
        while True:
            try:
                value, end = decoder.raw_decode(text, place)
                break
            except json.JSONDecodeError as error:
                # it may end in what is read next: as much again, so that a long one is not begun too often
                text, place, wanted = text[place:], 0, max(1, len(text) - place)
                more = list[str]()
                while wanted > 0 and (block := next(blocks, "")):
                    more.append(block)
                    wanted -= len(block)
                if not more or len(text) > LONGEST_LINE:
                    raise _no_json(path, number + 1, error) from None
                text += "".join(more)
            except (RecursionError, ValueError) as error:
                raise _no_json(path, number + 1, error) from None
        number, place = number + 1, end
        yield number, value


def _check_nested(path: Path, number: int, name: str, cell: Any) -> None:
    """Raises DataError for an object, or half a character, within a cell."""
    if isinstance(cell, dict):
        hint = '\nFrom pandas: df.to_json(path, orient="records")' if path.suffix.lower() == ".json" else ""
        raise DataError(
            f"{path}, row {number:,}: '{name}' is an object; text, a number or a list was expected.{hint}"
        )
    for entry in cell:
        if isinstance(entry, dict | list):
            _check_nested(path, number, name, entry)
        elif isinstance(entry, str) and HALVES.search(entry):
            raise half_a_character(f"{path}, row {number:,}", name)


def _cut_off(path: Path, number: int) -> DataError:
    return DataError(f"{path}, after row {number:,}: the array has no end, a ]. Is the file cut off? Copy it anew.")


def _no_json(path: Path, number: int, error: Exception) -> DataError:
    reason = "no JSON that could be read"
    if isinstance(error, json.JSONDecodeError):
        reason = f"no JSON ({error.msg}, column {error.colno})"
    if path.suffix.lower() != ".json":
        return DataError(f"{path}, row {number:,}: {reason}. A jsonl file has one JSON object a line.")
    return DataError(
        f"{path}, row {number:,}: {reason}. A json file is an array of objects, or has one JSON object a line.\n"
        "To learn its characters as a text: --as language"
    )
