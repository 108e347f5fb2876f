"""jsonl and json: a JSON object a line, or an array of objects; their names are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
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
from unrolled.data.written_numbers import shortened
from unrolled.errors import DataError

MOST_NAMED = 4  # names of an object in a message
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
        names, self.nested = _names(path, encoding, array, path.stat().st_size, path.stat().st_mtime_ns)
        if not names:
            raise DataError(
                f"{path} holds no row with a name in it. Rows were expected, an array of objects, or\n"
                'an object a line: {"text": …, "label": …}'
            )
        super().__init__(path, names)

    @classmethod
    def open(cls, path: Path) -> Self:
        encoding = encoding_of(path, path.suffix.lower()[1:])
        beginning = next(read_blocks(path, encoding), "")
        array = re.match(r"\s*\[\s*(\{|\]|$)", beginning) is not None
        if not array and path.suffix.lower() == ".json":
            check_rows(path, encoding, beginning)
        return cls(path, encoding, array)

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


def check_rows(path: Path, encoding: str, beginning: str) -> None:
    """Raises DataError where a file is one object that holds a table in another way than a row after the other."""
    if not re.match(r"\s*\{", beginning) or path.stat().st_size > LONGEST_LINE:
        return
    try:
        whole = loads("".join(read_blocks(path, encoding)))
    except (RecursionError, ValueError):  # several objects, a line each, or no JSON, of which the row is told
        return
    form = _form_of(whole)
    if form is None:
        return
    is_one, orient = form
    cure = (
        f'From Python: pandas.read_json("{path.name}"{orient}).to_json("rows.json", orient="records")'
        if orient is not None
        else 'Write that array alone into a file of its own, or an object a line, {"text": …, "label": …}.'
    )
    alone = "\nIf it is a single row: name it .jsonl." if orient == "" and _is_row(whole) else ""
    raise DataError(
        f"{path} is one object {is_one}; rows were expected: an array of objects, or one a line.\n{cure}{alone}"
    )


def _form_of(whole: dict[str, Any]) -> tuple[str, str | None] | None:
    """What an object that is a whole file holds, in words, and how pandas is told of it; None where it is a row."""
    cells = list(whole.values())
    if {"columns", "data"} <= whole.keys() and isinstance(whole["data"], list):
        return 'that lists columns and data apart (pandas\' orient="split")', ', orient="split"'
    wrapped = next((name for name, cell in whole.items() if _holds_objects(cell)), None)
    if wrapped is not None:
        if "schema" in whole:
            return 'with a schema (pandas\' orient="table")', ', orient="table"'
        return f"around the rows, which stand under '{wrapped}'", None
    if cells and all(isinstance(cell, dict) for cell in cells):
        numbered = all(key.isdecimal() for cell in cells for key in cell)
        if numbered:
            return f"of columns ({_listed(whole)}), each an object of its rows (pandas' default)", ""
        return f"whose names ({_listed(whole)}) are those of its rows", ', orient="index"'
    if _is_row(whole) and len(cells) > 1:
        return f"of columns ({_listed(whole)}), each a list of its rows", ""
    return None


def _is_row(whole: dict[str, Any]) -> bool:
    """Whether an object's cells are all lists, of as many entries: the columns of a table, or of one row."""
    cells = list(whole.values())
    return all(isinstance(cell, list) for cell in cells) and len({len(cell) for cell in cells}) == 1


def _holds_objects(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(entry, dict) for entry in cell)


def _is_nested(cell: dict[str, Any] | list[Any]) -> bool:
    """Whether a cell is an object, or a list with one."""
    return isinstance(cell, dict) or any(isinstance(entry, dict) for entry in cell)


def _listed(names: Iterable[str]) -> str:
    shown = [HALVES.sub("?", shortened(name)) for name in islice(names, MOST_NAMED + 1)]
    return ", ".join(shown[:MOST_NAMED]) + (", …" if len(shown) > MOST_NAMED else "")


class NamedTwice(ValueError):
    """An object has a name twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose names stands twice: what was meant by one that does is not known."""
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
    """(number, object) of each line that is not blank, or of each entry of an array, from 1."""
    for number, value in _entries(path, encoding) if array else _lines(path, encoding):
        if not isinstance(value, dict):
            raise DataError(
                f'{path}, row {number:,}: a JSON object was expected, {{"text": …, "label": …}}; '
                f"{type(value).__name__} came."
            )
        yield number, value


@lru_cache(maxsize=8)
def _names(path: Path, encoding: str, array: bool, size: int, changed: int) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names of all objects of a file of this size that was changed then, and those under which objects stand."""
    names, nested = dict[str, None](), set[str]()
    for number, value in read_objects(path, encoding, array):
        nested.update(name for name, cell in value.items() if isinstance(cell, dict | list) and _is_nested(cell))
        if value.keys() <= names.keys():
            continue
        for name in value:
            if HALVES.search(name):
                raise half_a_character(f"{path}, row {number:,}", name)
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
    """(number, value) of each entry of an array, of which no more than one and a block is held."""
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
        raise DataError(
            f"{path}, row {number:,}: '{name}' is an object; text, a number or a list was expected.\n"
            "Make columns of what is in it, named parent.child, in pandas: "
            'pandas.json_normalize(rows).to_json("rows.json", orient="records")'
        )
    for entry in cell:
        if isinstance(entry, dict | list):
            _check_nested(path, number, name, entry)
        elif isinstance(entry, str) and HALVES.search(entry):
            raise half_a_character(f"{path}, row {number:,}", name)


def _cut_off(path: Path, number: int) -> DataError:
    return DataError(f"{path}, after row {number:,}: the array has no end, a ]. Is the file cut off? Copy it anew.")


def _no_json(path: Path, number: int, error: Exception) -> DataError:
    if isinstance(error, NamedTwice):
        name = HALVES.sub("?", shortened(error))
        return DataError(
            f"{path}, row {number:,}: the name '{name}' stands twice in one object, and which of the two is meant is "
            "not known.\nTake one of them out."
        )
    reason = "no JSON that could be read"
    if isinstance(error, json.JSONDecodeError):
        reason = f"no JSON ({error.msg}, column {error.colno})"
    if path.suffix.lower() != ".json":
        return DataError(f"{path}, row {number:,}: {reason}. A jsonl file has one JSON object a line.")
    return DataError(
        f"{path}, row {number:,}: {reason}. A json file is an array of objects, or has one JSON object a line.\n"
        "To learn its characters as a text: --as language"
    )
