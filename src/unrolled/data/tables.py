"""Tables of examples, a row each: csv, tsv, jsonl and parquet, read row by row and never held.

Rows are numbered as an editor or a spreadsheet shows them: the header of a csv is row 1; a jsonl's and a parquet's
first row is row 1.
"""

from __future__ import annotations

import csv
import hashlib
import json
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from unrolled.data.text import judge, look_at
from unrolled.errors import DataError, MissingExtra

Cell: TypeAlias = str | int | float | bool | list[Any] | None

FORMS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet",
         ".conllu": "conllu"}  # fmt: skip
CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
DELIMITERS = ",;\t|"
LOOKED_AT = 50  # rows by which a delimiter is chosen
BLOCK = 1 << 20  # bytes read at once for a fingerprint
SLICE = 10_000  # rows of a parquet file read together


class Row(NamedTuple):
    """Some cells of a row; a cell that is missing is None."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TableFile:
    """A file of rows under named columns. Made by `open_table`; `rows` reads it from the beginning each time."""

    path: Path
    form: str  # csv, tsv, jsonl or parquet
    columns: tuple[str, ...]
    encoding: str = ""  # of what is text
    delimiter: str = ","
    quoting: int = csv.QUOTE_MINIMAL

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """These columns of each row. Raises DataError, with the row, where one cannot be read."""
        read = {"jsonl": read_jsonl, "parquet": read_parquet, "conllu": read_conllu}.get(self.form, read_csv)
        return read(self, columns)

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()


def is_table(path: str | Path) -> bool:
    """Whether a path's name says that it is a table."""
    return str(path) != "-" and Path(path).suffix.lower() in FORMS and not Path(path).is_dir()


def open_table(path: str | Path) -> TableFile:
    """Looks at a table's beginning: its columns, and how its cells are told apart. Raises DataError."""
    path = Path(path)
    if not stat.S_ISREG(look_at(path).st_mode):
        raise DataError(f"{path} is not a file, and a table is one. Give a .csv, .tsv, .jsonl or .parquet file.")
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise DataError(f"{path} is no table by its name. Tables end in {', '.join(FORMS)}; rename it if it is one.")
    if form == "parquet":
        return TableFile(path, form, _parquet_columns(path))
    encoding = judge(path)
    if encoding == "empty":
        raise DataError(f"{path} is empty. A table has a header and rows, or a JSON object a line.")
    if encoding in ("binary", "other text"):
        raise DataError(
            f"{path} is not UTF-8 text, and a {form} file is.\nConvert it: iconv -f latin1 -t utf-8 {path.name}"
        )
    if form == "conllu":
        return TableFile(path, form, CONLLU, encoding)
    if form == "jsonl":
        return TableFile(path, form, _jsonl_columns(path, encoding), encoding)
    delimiter = "\t" if form == "tsv" else sniff_delimiter(path, encoding)
    quoting = csv.QUOTE_NONE if form == "tsv" and not has_quoting(path, encoding) else csv.QUOTE_MINIMAL
    table = TableFile(path, form, (), encoding, delimiter, quoting)
    _, header = next(_records(table), (1, []))
    columns = tuple(name.strip() for name in header)
    if not any(columns) or len(set(columns)) < len(columns):
        twice = next((name for name in columns if columns.count(name) > 1), "")
        raise DataError(
            f"{path}, row 1: names of columns were expected, each another; '{twice}' stands there more than once.\n"
            "Give the columns names in a first row, such as: text,label"
        )
    return TableFile(path, form, columns, encoding, delimiter, quoting)


# csv and tsv


def sniff_delimiter(path: Path, encoding: str) -> str:
    """The one of , ; tab | that cuts the first rows into the most cells, as many in each."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        table = TableFile(path, "csv", (), encoding, delimiter)
        try:
            widths = {len(cells) for _, cells in islice(_records(table), LOOKED_AT)}
        except DataError:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    return best


def has_quoting(path: Path, encoding: str) -> bool:
    """Whether a tsv's quotes enclose cells: then it can be read so, as many cells in each row. Else a quote is a
    character like others, as in most files of this form."""
    widths = set()
    try:
        for _, cells in _records(TableFile(path, "tsv", (), encoding, "\t")):
            widths.add(len(cells) or None)
            if len(widths - {None}) > 1:
                return False
    except DataError:
        return False
    return True


def read_csv(table: TableFile, columns: Sequence[str]) -> Iterator[Row]:
    """Rows of a csv or tsv; empty cells are missing, and lines without any cell are passed over."""
    places, width = [table.columns.index(name) for name in columns], len(table.columns)
    for number, cells in islice(_records(table), 1, None):
        if not cells:
            continue
        if len(cells) != width:
            raise DataError(
                f"{table.path}, row {number:,}: {len(cells)} cells, where the header names {width} columns.\n"
                f"A cell with {_name_of(table.delimiter)} in it is put in double quotes."
            )
        yield Row(number, tuple(cells[place] or None for place in places))


def _records(table: TableFile) -> Iterator[tuple[int, list[str]]]:
    """(number, cells) of each record, the header's number being 1."""
    number = 0
    csv.field_size_limit(sys.maxsize)  # a cell may hold a whole book
    with table.path.open(encoding=table.encoding, errors=_errors(table.encoding), newline="") as file:
        lines, quoting = _sound(file, table.path), table.quoting
        reader = csv.reader(lines, delimiter=table.delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
        try:
            for cells in reader:
                number += 1
                yield number, cells
        except csv.Error as error:
            raise DataError(
                f"{table.path}, row {number + 1:,} (line {reader.line_num:,}): {error}.\n"
                'A cell that begins with a double quote ends with one; a quote within it is written twice: "".'
            ) from None


def _errors(encoding: str) -> str:
    """How bytes that are wrong in an encoding are met: those of UTF-8 are let in, so that their line is known."""
    return "surrogateescape" if encoding.startswith("utf-8") else "replace"


def _sound(file: Iterable[str], path: Path) -> Iterator[str]:
    """The lines of a file. Raises DataError for one that is no text."""
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise DataError(f"{path}, line {number:,}: a NUL character, which no text holds. Is the file damaged?")
        if not line.isascii() and any("\udc80" <= character <= "\udcff" for character in line):
            raise DataError(
                f"{path}, line {number:,}: not valid UTF-8.\nConvert it: iconv -f latin1 -t utf-8 {path.name}"
            )
        yield line


def _name_of(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}[delimiter]


# jsonl


def read_jsonl(table: TableFile, columns: Sequence[str]) -> Iterator[Row]:
    """Rows of a jsonl; null, an empty string and a name that is not there are missing."""
    for number, value in _objects(table.path, table.encoding):
        cells = []
        for name in columns:
            cell = value.get(name)
            if isinstance(cell, dict):
                raise DataError(
                    f"{table.path}, row {number:,}: '{name}' is an object; text, a number or a list was expected."
                )
            cells.append(None if cell == "" else cell)
        yield Row(number, tuple(cells))


def _jsonl_columns(path: Path, encoding: str) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for _, value in islice(_objects(path, encoding), LOOKED_AT):
        names |= dict.fromkeys(value)
    return tuple(names)


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding=encoding, errors=_errors(encoding)) as file:
        for number, line in enumerate(_sound(file, path), start=1):
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


# conllu


def read_conllu(table: TableFile, columns: Sequence[str]) -> Iterator[Row]:
    """Sentences of a CoNLL-U file, a row each, numbered by their first line: each column is a list, an entry a word.

    Words of several tokens (3-4) and empty nodes (8.1) are passed over, as comments are.
    """
    places = [CONLLU.index(name) for name in columns]
    for number, lines in conllu_sentences(table.path, table.encoding):
        words = [fields for line in lines if (fields := conllu_word(line)) is not None]
        if words:
            yield Row(number, tuple([fields[place] for fields in words] for place in places))


def conllu_sentences(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, lines) of each sentence, comments among them. Raises DataError for a line that has
    not ten columns."""
    lines: list[str] = []
    first = 1
    with path.open(encoding=encoding, errors=_errors(encoding)) as file:
        for number, line in enumerate(_sound(file, path), start=1):
            line = line.rstrip("\n")
            if not line.strip():
                if lines:
                    yield first, lines
                lines = []
                continue
            fields = line.split("\t")
            if not line.startswith("#") and (len(fields) != len(CONLLU) or not fields[0][:1].isdigit()):
                raise DataError(
                    f"{path}, line {number:,}: a word's ten columns with tabs between were expected, the first its "
                    f"number; {len(fields)} came.\nSee the format at universaldependencies.org."
                )
            first = first if lines else number
            lines.append(line)
    if lines:
        yield first, lines


def conllu_word(line: str) -> list[str] | None:
    """The columns of a word's line; None for a comment, a word of several tokens and an empty node."""
    fields = line.split("\t")
    return fields if fields[0].isdigit() else None


# parquet


def read_parquet(table: TableFile, columns: Sequence[str]) -> Iterator[Row]:
    """Rows of a parquet file, some thousands at a time."""
    polars = _polars()
    wanted = list(dict.fromkeys(columns))
    places = [wanted.index(name) for name in columns]
    number, lazy = 0, polars.scan_parquet(table.path).select(wanted)
    while True:
        try:
            rows = lazy.slice(number, SLICE).collect().rows()
        except (polars.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{table.path}, after row {number:,}: {_first_line(error)}. The file is damaged; make it anew."
            ) from None
        for cells in rows:
            number += 1
            yield Row(number, tuple(None if cells[place] == "" else cells[place] for place in places))
        if len(rows) < SLICE:
            return


def _parquet_columns(path: Path) -> tuple[str, ...]:
    polars = _polars()
    try:
        return tuple(polars.read_parquet_schema(path))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} is no parquet file that could be read: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")


def _polars() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingExtra(
            "Parquet files are read by polars, which is not here: pip install 'unrolled[parquet]'. "
            "A .csv or .jsonl needs nothing."
        ) from None
    return polars
