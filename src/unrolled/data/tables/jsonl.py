"""jsonl and json: one JSON object per line, or an array of objects; their keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Self

from unrolled.data.cells.written_numbers import shortened
from unrolled.data.tables.base import (
    LONGEST_LINE,
    SURROGATES,
    Row,
    TableFile,
    encoding_of,
    read_blocks,
    read_lines,
    surrogate_error,
)
from unrolled.errors import DataError

MOST_NAMED = 4  # keys of an object listed in a message
BETWEEN = re.compile(r"[\s,]*")  # separators of an array's entries


class JsonlTable(TableFile):
    """A jsonl or json file. Its columns are the keys of all objects, in order of first appearance. A null, an empty
    string and an absent key are missing cells.

    The whole file is read once for the keys, since the target may be a key that appears late.
    """

    def __init__(self, path: Path, encoding: str, array: bool) -> None:
        """array: the file is one array; otherwise it has one object per line."""
        self.format = "json" if path.suffix.lower() == ".json" else "jsonl"
        self.encoding, self.array = encoding, array
        names, self.nested = _names(path, encoding, array, path.stat().st_size, path.stat().st_mtime_ns)
        if not names:
            raise DataError(
                f"{path} holds no object with a key. An array of objects was expected, or one object\n"
                'per line: {"text": …, "label": …}'
            )
        super().__init__(path, names)

    @classmethod
    def open(cls, path: Path) -> Self:
        encoding = encoding_of(path, path.suffix.lower()[1:])
        beginning = next(read_blocks(path, encoding), "")
        array = re.match(r"\s*\[\s*(\{|\]|$)", beginning) is not None
        if not array and path.suffix.lower() == ".json":
            check_one_object_per_row(path, encoding, beginning)
        return cls(path, encoding, array)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Raises DataError for an object within an object, and for a lone surrogate in a text."""
        for number, value in read_objects(self.path, self.encoding, self.array):
            cells = []
            for name in columns:
                cell = value.get(name)
                if isinstance(cell, str):
                    if not cell.isascii() and SURROGATES.search(cell):
                        raise surrogate_error(self.place(number), name)
                elif isinstance(cell, dict | list):
                    _check_nested(self.path, number, name, cell)
                cells.append(None if cell == "" else cell)
            yield Row(number, tuple(cells))


def check_one_object_per_row(path: Path, encoding: str, beginning: str) -> None:
    """Raises DataError if a file is one object that holds a table in a form other than one row after another."""
    if not re.match(r"\s*\{", beginning) or path.stat().st_size > LONGEST_LINE:
        return
    try:
        whole = loads("".join(read_blocks(path, encoding)))
    except (RecursionError, ValueError):  # one object per line, or invalid JSON, which is reported later with its row
        return
    form = _form_of(whole)
    if form is None:
        return
    is_one, orient = form
    if isinstance(images := whole.get("images"), list) and any("sentences" in one for one in images[:1]):
        raise DataError(
            f"{path} has captions in the form of Karpathy's splits, which is not read. Write a csv with the columns "
            "image and\ncaption, a row for each of 'sentences'; and one for each split, for --valid and --test."
        )
    cure = (
        f'From Python: pandas.read_json("{path.name}"{orient}).to_json("rows.json", orient="records")'
        if orient is not None
        else 'Save that array alone in a file, or write one object per line, {"text": …, "label": …}.'
    )
    alone = "\nIf it is a single row, rename the file to .jsonl." if orient == "" and _is_row(whole) else ""
    raise DataError(
        f"{path} is one object {is_one}; expected: an array of objects, or one object per line.\n{cure}{alone}"
    )


def _form_of(whole: dict[str, Any]) -> tuple[str, str | None] | None:
    """(description of an object that is a whole file, pandas' option for reading it); None if it is a row."""
    cells = list(whole.values())
    if {"columns", "data"} <= whole.keys() and isinstance(whole["data"], list):
        return 'that lists columns and data separately (pandas\' orient="split")', ', orient="split"'
    wrapped = next((name for name, cell in whole.items() if _holds_objects(cell)), None)
    if wrapped is not None:
        if "schema" in whole:
            return 'with a schema (pandas\' orient="table")', ', orient="table"'
        return f"around the rows, which are under '{wrapped}'", None
    if cells and all(isinstance(cell, dict) for cell in cells):
        numbered = all(key.isdecimal() for cell in cells for key in cell)
        if numbered:
            return f"of columns ({_listed(whole)}), each an object of its rows (pandas' default)", ""
        return f"whose keys ({_listed(whole)}) are names of rows", ', orient="index"'
    if _is_row(whole) and len(cells) > 1:
        return f"of columns ({_listed(whole)}), each a list of its rows", ""
    return None


def _is_row(whole: dict[str, Any]) -> bool:
    """Whether all cells of an object are lists of equal length: the columns of a table, or one row."""
    cells = list(whole.values())
    return all(isinstance(cell, list) for cell in cells) and len({len(cell) for cell in cells}) == 1


def _holds_objects(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(entry, dict) for entry in cell)


def _is_nested(cell: dict[str, Any] | list[Any]) -> bool:
    """Whether a cell is an object, or a list that holds one."""
    return isinstance(cell, dict) or any(isinstance(entry, dict) for entry in cell)


def _listed(names: Iterable[str]) -> str:
    shown = [SURROGATES.sub("?", shortened(name)) for name in islice(names, MOST_NAMED + 1)]
    return ", ".join(shown[:MOST_NAMED]) + (", …" if len(shown) > MOST_NAMED else "")


class NamedTwice(ValueError):
    """An object has the same key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its pairs. Raises NamedTwice for a repeated key, whose meaning would be ambiguous."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise NamedTwice(next(name for name in names if names.count(name) > 1))
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def loads(text: str) -> Any:
    """A JSON value. Raises ValueError, NamedTwice among them, and RecursionError."""
    return DECODER.decode(text)


def read_objects(path: Path, encoding: str, array: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1, object) of each line that is not blank, or of each entry of an array."""
    for number, value in _entries(path, encoding) if array else _lines(path, encoding):
        if not isinstance(value, dict):
            raise DataError(
                f'{path}, row {number:,}: a JSON object was expected, {{"text": …, "label": …}}; '
                f"got {type(value).__name__}."
            )
        yield number, value


@lru_cache(maxsize=8)
def _names(path: Path, encoding: str, array: bool, size: int, changed: int) -> tuple[tuple[str, ...], frozenset[str]]:
    """The keys of all objects in a file, and those with nested objects. size, changed: of the file, for the cache."""
    names, nested = dict[str, None](), set[str]()
    for number, value in read_objects(path, encoding, array):
        nested.update(name for name, cell in value.items() if isinstance(cell, dict | list) and _is_nested(cell))
        if value.keys() <= names.keys():
            continue
        for name in value:
            if SURROGATES.search(name):
                raise surrogate_error(f"{path}, row {number:,}", name)
        names |= dict.fromkeys(value)
    return tuple(names), frozenset(nested)


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """(number, value) of each line that is not blank."""
    for number, line in enumerate(read_lines(path, encoding), start=1):
        if line.strip():
            try:
                yield number, loads(line)
            except (RecursionError, ValueError) as error:
                raise _no_json(path, number, error) from None


def _entries(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """(number, value) of each entry of an array; at most one entry and one block are held in memory."""
    decoder, blocks = DECODER, read_blocks(path, encoding)
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
                    f"{path}: there is text after the end of its array, which is row {number:,}.\n"
                    "A json file is one array of objects, or has one object per line."
                )
            return
        while True:
            try:
                value, end = decoder.raw_decode(text, place)
                break
            except json.JSONDecodeError as error:
                # the entry may end in the next blocks; doubling the text keeps the number of retries low
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
    """Raises DataError for an object, or a lone surrogate, within a cell."""
    if isinstance(cell, dict):
        raise DataError(
            f"{path}, row {number:,}: '{name}' is an object; text, a number or a list was expected.\n"
            "Flatten it into columns named parent.child, with pandas: "
            'pandas.json_normalize(rows).to_json("rows.json", orient="records")'
        )
    for entry in cell:
        if isinstance(entry, dict | list):
            _check_nested(path, number, name, entry)
        elif isinstance(entry, str) and SURROGATES.search(entry):
            raise surrogate_error(f"{path}, row {number:,}", name)


def _cut_off(path: Path, number: int) -> DataError:
    return DataError(
        f"{path}, after row {number:,}: the array is not closed by a ]. If the file is truncated, copy it again."
    )


def _no_json(path: Path, number: int, error: Exception) -> DataError:
    if isinstance(error, NamedTwice):
        name = SURROGATES.sub("?", shortened(error))
        return DataError(
            f"{path}, row {number:,}: the key '{name}' is twice in one object, and it is unclear which is meant.\n"
            "Remove one of them."
        )
    reason = "invalid JSON"
    if isinstance(error, json.JSONDecodeError):
        reason = f"invalid JSON ({error.msg}, column {error.colno})"
    if path.suffix.lower() != ".json":
        return DataError(f"{path}, row {number:,}: {reason}. A jsonl file has one JSON object per line.")
    return DataError(
        f"{path}, row {number:,}: {reason}. A json file is an array of objects, or has one JSON object per line.\n"
        "To train a language model on its characters: --task language-modeling"
    )
