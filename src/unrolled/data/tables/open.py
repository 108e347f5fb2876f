"""Open a table of any format: csv, tsv, json, jsonl, parquet, conllu, npz, npy, idx, a file of captions, a list of
clips, or a folder for each label with texts, audio files or images."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.files.kinds import check_name
from unrolled.data.files.look import broken_links_note, file_status
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import DEFAULT_OPTIONS, TableFile, TableOptions
from unrolled.data.tables.caption_files import find_caption_file, is_caption_file, read_captions
from unrolled.data.tables.captions import CaptionTable
from unrolled.data.tables.conllu import ConlluTable
from unrolled.data.tables.csv import CsvTable
from unrolled.data.tables.idx import IdxTable, find_idx, is_idx, open_idx_folder
from unrolled.data.tables.in_memory import KEPT_TABLE, MemoryTable
from unrolled.data.tables.jsonl import JsonlTable
from unrolled.data.tables.media_folders import MediaFolder, is_media_folder
from unrolled.data.tables.npy import NpyTable, label_file_names
from unrolled.data.tables.npz import NpzTable
from unrolled.data.tables.parquet import ParquetTable
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.data.tables.text_folders import ABOUT, TextFolder
from unrolled.data.tables.video_lists import VideoList, form_of
from unrolled.errors import DataError, command, shell_quote

FORMATS: dict[str, type[TableFile]] = {
    ".csv": CsvTable,
    ".tsv": CsvTable,
    ".jsonl": JsonlTable,
    ".json": JsonlTable,
    ".ndjson": JsonlTable,
    ".parquet": ParquetTable,
    ".conllu": ConlluTable,
    ".npz": NpzTable,
    ".npy": NpyTable,
    ".idx": IdxTable,
}
"""Formats by file ending; `format_of` also knows names such as train-images-idx3-ubyte.gz."""


def format_of(name: str) -> type[TableFile] | None:
    """The format that a file's name indicates, or None. Of the names ending in .gz only those of idx are tables."""
    if name == KEPT_TABLE:
        return MemoryTable
    return IdxTable if is_idx(name) else FORMATS.get(Path(name).suffix.lower())


def is_table(path: str | Path) -> bool:
    """Whether a path is a table by its name, or a file of captions such as captions.txt."""
    if str(path) == "-" or Path(path).is_dir():
        return False
    return format_of(Path(path).name) is not None or is_caption_file(path)


def has_header(path: str | Path) -> bool:
    """Whether a path's format has a header row by default; --no-header overrides it."""
    return is_table(path) and format_of(Path(path).name) is CsvTable


def check_no_tables(folder: Path, files: Sequence[Path]) -> None:
    """Raise DataError where a folder holds tables named as splits (train.csv, x_train.npy), or mostly tables
    (walking/1.csv): they would be read as texts. files: all files below the folder, by `list_files`."""
    found: dict[str, Path] = {}
    for path in (one for one in files if one.parent == folder):
        split = _split_by_name(path)
        if split is not None and (not found or path.suffix == next(iter(found.values())).suffix):
            found.setdefault(split, path)
    if SPLITS[0] in found:
        options = {SPLITS[1]: "--valid", SPLITS[2]: "--test"}
        given = [word for split, option in options.items() if split in found for word in (option, found[split])]
        raise DataError(
            f"{folder} holds tables, such as {found[SPLITS[0]].name}; a folder of texts, audio files or images "
            f"was expected.\nGive the tables themselves: {command('train', found[SPLITS[0]], *given)}\n"
            "To train a language model on the files as plain text: --task language-modeling."
        )
    own = [file for file in files if file.stem.lower() not in ABOUT]
    tables = [file for file in own if is_table(file) and format_of(file.name) is not IdxTable]
    if 2 * len(tables) > len(own):
        raise _tables_of_rows(folder, tables)


def _tables_of_rows(folder: Path, tables: Sequence[Path]) -> DataError:
    """The error for a folder of tables: a whole table as one row is not supported."""
    inside = [file for file in tables if file.parent != folder]
    name = (inside or tables)[0].relative_to(folder)
    if 2 * len(inside) > len(tables):
        cure = (
            "Put their rows into one table, with a column for the file's number and one for the label:\n"
            "unroll train all.csv --sequence number --output label."
        )
    else:
        one = f": {command('train', tables[0])}" if len(tables) == 1 else ", or put their rows into one"
        cure = f"Give one of them{one}."
    return DataError(
        f"{folder} holds {len(tables):,} tables, such as {shell_quote(name)}. A whole table as one row is not "
        f"supported.\n{cure} As text, character by character: --task language-modeling."
    )


def _split_by_name(path: Path) -> str | None:
    """The split that a table's name indicates: train.csv; for npy, whose targets are in a separate file, also
    x_train.npy."""
    if not is_table(path):
        return None
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    if format_of(path.name) is NpyTable and label_file_names(path.name):
        words = [word for word in words if word in SPLIT_WORDS]
    return SPLIT_WORDS.get(words[0]) if len(words) == 1 else None


def open_table(path: str | Path, options: TableOptions = DEFAULT_OPTIONS) -> TableFile:
    """Open a table and read its beginning, to find its columns and its delimiter. Options of other formats are
    ignored. Raises DataError."""
    path = Path(path)
    mode = file_status(path).st_mode
    if stat.S_ISDIR(mode):
        return _open_folder(path)
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is neither a file nor a folder. Give a table: {', '.join(FORMATS)}.")
    if (captions := read_captions(path)) is not None:
        return CaptionTable.of_file(path, captions)
    form = format_of(path.name)
    if form is None:
        raise DataError(
            f"{path} is not a table by its name. Tables end in {', '.join(FORMATS)}; rename the file if it is one."
        )
    if form is not MemoryTable:
        check_name(path)
    if form is not CsvTable:
        return form.open(path)
    table = CsvTable.open(path, options)
    listed = form_of(table)
    return table if listed is None else VideoList.of_table(table, listed)


def _open_folder(path: Path) -> TableFile:
    lost = broken_links_note(path)
    try:
        if idx := find_idx(path):
            table: TableFile = open_idx_folder(path, idx)
        elif captions := find_caption_file(path):
            table = CaptionTable.open(captions)
        else:
            table = MediaFolder.open(path) if is_media_folder(path) else TextFolder.open(path)
    except DataError as error:
        if lost and str(error).count("\n") < 2:
            raise DataError(f"{error}\n{lost}") from None
        raise
    table.note = "; ".join(filter(None, [table.note, lost]))
    return table
