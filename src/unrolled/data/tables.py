"""Which form of table a path holds: csv, tsv, jsonl, parquet, conllu, or a folder of texts for each label."""

from __future__ import annotations

import stat
from pathlib import Path

from unrolled.data.conllu import ConlluTable
from unrolled.data.csv_form import CsvTable
from unrolled.data.folders import FolderTable
from unrolled.data.jsonl_form import JsonlTable
from unrolled.data.parquet_form import ParquetTable
from unrolled.data.table_file import TableFile
from unrolled.data.text import look_at
from unrolled.errors import DataError

FORMS: dict[str, type[TableFile]] = {
    ".csv": CsvTable,
    ".tsv": CsvTable,
    ".jsonl": JsonlTable,
    ".ndjson": JsonlTable,
    ".parquet": ParquetTable,
    ".conllu": ConlluTable,
}
"""Forms by how a file's name ends."""


def is_table(path: str | Path) -> bool:
    """Whether a path's name says that it is a table."""
    return str(path) != "-" and Path(path).suffix.lower() in FORMS and not Path(path).is_dir()


def open_table(path: str | Path) -> TableFile:
    """Looks at a table's beginning: its columns, and how its cells are told apart. Raises DataError."""
    path = Path(path)
    mode = look_at(path).st_mode
    if stat.S_ISDIR(mode):
        return FolderTable.open(path)
    if not stat.S_ISREG(mode):
        raise DataError(
            f"{path} is neither a file nor a folder. Give a table: .csv, .tsv, .jsonl, .parquet, .conllu."
        )
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise DataError(f"{path} is no table by its name. Tables end in {', '.join(FORMS)}; rename it if it is one.")
    return form.open(path)
