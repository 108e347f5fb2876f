"""A text column of a table as documents, one per row: how a language model reads a csv of messages or a jsonl of
texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unrolled.data.cells.column_kinds import as_text
from unrolled.data.files.look import BYTES_AT_ONCE, TextFile
from unrolled.data.modalities.table import modality_of
from unrolled.data.tables.base import (
    DEFAULT_OPTIONS,
    SAMPLE_ROWS,
    SURROGATES,
    TableFile,
    TableOptions,
    surrogate_error,
)
from unrolled.data.tables.file_names import check_no_files
from unrolled.data.tables.in_memory import MemoryTable
from unrolled.data.tables.open import is_table, open_table
from unrolled.data.text.documents import Documents, TextChunk, read_documents
from unrolled.errors import DataError, OptionError, nearest

ROW = "row"  # the value of --documents for tables


@dataclass(frozen=True)
class CellDocuments(Documents):
    """The cells of one column; empty ones are left out."""

    documents: str = ROW
    column: str = ""
    options: TableOptions = DEFAULT_OPTIONS
    table: TableFile | None = None  # None: the one at the path

    def chunks(self, digests: dict[Path, str] | None = None) -> Iterator[TextChunk]:
        table = self.table or open_table(self.path, self.options)
        if digests is not None:
            digests[self.path] = table.fingerprint()
        held, characters = list[str](), 0
        for row in table.rows([self.column]):
            cell = row.cells[0]
            if not isinstance(cell, str | None):
                raise DataError(
                    f"{table.place(row.number)}: '{self.column}' is {as_text(cell)}, not text, and a language model "
                    "needs texts.\nTo predict a column instead, name it: --output COLUMN."
                )
            if cell and SURROGATES.search(cell):
                raise surrogate_error(table.place(row.number), self.column)
            if cell:
                held.append(cell.replace("\r\n", "\n").replace("\r", "\n"))
                characters += len(cell)
            if characters >= BYTES_AT_ONCE:
                yield _chunk(held)
                held, characters = [], 0
        yield _chunk(held)


def _check_column(table: TableFile, name: str) -> None:
    if name not in table.columns:
        raise OptionError(
            f"{table.source} has no column '{name}'.{nearest(name, table.columns)} It has: {table.listed}."
        )


def _chunk(cells: list[str]) -> TextChunk:
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    return TextChunk("".join(cells), np.cumsum(lengths) - lengths)


class TextColumn(NamedTuple):
    """A column of a table whose cells are texts, and how the table is read."""

    name: str
    options: TableOptions = DEFAULT_OPTIONS
    table: TableFile | None = None  # None: the one at the path


def read_texts(path: str | Path, documents: str, any_bytes: bool, column: TextColumn | None) -> Documents:
    """As `read_documents`, and with documents="row" the cells of a table's column, or the lines of a file that is not
    a table. Raises DataError, OptionError."""
    if documents != ROW:
        return read_documents(path, documents, any_bytes)
    if column is None or not (column.table or is_table(path)):
        return read_documents(path, "line", any_bytes)
    name, options, given = column
    table = given or open_table(path, options)
    in_memory = table if isinstance(table, MemoryTable) else None
    _check_column(table, name)
    files = (TextFile(table.path, table.path.name, 0, ""),)
    return CellDocuments(table.path, files, (), note=table.note, column=name, options=options, table=in_memory)


def texts_of_split(documents: Documents, split: str) -> Documents | None:
    """The documents of another split, where data in memory came in splits; else None. Raises OptionError where that
    split lacks the column."""
    if not isinstance(documents, CellDocuments) or documents.table is None or split not in documents.table.splits:
        return None
    table = documents.table.splits[split]
    _check_column(table, documents.column)
    path = Path(table.source)
    return replace(documents, path=path, files=(TextFile(path, path.name, 0, ""),), table=table, note="")


def text_column(table: TableFile, names: bool = False) -> str | None:
    """The column of a table with a single column, if it holds text; else None. Raises DataError, also where the table
    has no rows, and where the cells are file names, unless `names` is true."""
    if len(table.columns) != 1 or table.unnamed:
        return None
    looked = [row.cells[0] for row in islice(table.rows(table.columns), SAMPLE_ROWS)]
    if not looked:
        raise DataError(f"{table.path} holds a header and no rows. Give it some rows.")
    cells = [cell for cell in looked if cell is not None]
    # neither numbers nor names of audio files and images
    texts = bool(cells) and all(isinstance(cell, str) for cell in cells) and modality_of(cells) == "text"
    if texts and not names:
        check_no_files(table, table.columns[0], cells, "--task language-modeling")
    return table.columns[0] if texts else None
