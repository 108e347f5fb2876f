"""A folder for each label: every file in it, or below it, is a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import MOST_KINDS
from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.files.look import detect_encoding, list_files
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.media_folders import check_not_flat, is_media_folder
from unrolled.data.tables.split_folders import (
    LabelledFiles,
    check_mostly_readable,
    find_splits,
    folders_below,
    labelled_files,
    name_fields,
    open_splits,
    unlabelled_note,
)
from unrolled.data.tables.split_names import complete_splits
from unrolled.errors import DataError

COLUMNS = ("text", "label")  # a file's content, and the name of its folder
ABOUT = ("readme", "license", "licence", "copying", "notice", "citation", "about", "changelog", "changes")
FEWEST, LONGEST = 2, 1 << 16  # texts per label folder, at least, and bytes per text, at most, on average


class FolderTable(TableFile):
    """Text files in the order of their names. Other files are listed in `skipped`. Besides text and label there are
    the columns `part1`, …, the parts of the files' names, and `folder1`, …, the folders between the label's folder
    and the files, as in a folder of audio files."""

    format, label_column, has_mixed_columns = "folders", "label", False

    def __init__(self, labelled: LabelledFiles) -> None:
        self.labelled, self.note = labelled, unlabelled_note(labelled)
        self.skipped = tuple(file for file in labelled.files if detect_encoding(file) in ("binary", "other text"))
        left = set(self.skipped)
        self.files = [file for file in labelled.files if file not in left]
        check_mostly_readable(labelled.root, len(self.files), "texts", self.skipped)
        self.folders = folders_below(labelled.root, self.files)
        self.ending = self.files[0].suffix if self.files else ""
        self.parts = name_fields([file.stem for file in self.files]) if self.files else []
        counts = {"part": len(next(iter(self.parts), ())), "folder": len(next(iter(self.folders), ()))}
        others = (f"{kind}{place}" for kind, count in counts.items() for place in range(1, count + 1))
        super().__init__(labelled.root, (*COLUMNS, *others))

    @classmethod
    def open(cls, path: Path) -> Self:
        files = list_files(path)
        check_not_flat(path, files)
        splits = find_splits(path, files)
        table = cls(labelled_files(path, files)) if splits is None else open_splits(splits, cls)
        if splits is None and (others := [file.name for file in files if file.parent == path]):
            more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
            table.note = "; ".join(
                filter(None, [table.note, f"{others[0]}{more}, next to the label folders, left out"])
            )
        note = "for all of it" if splits is not None else "its folders are labels; for all of it"
        table.note = "; ".join(filter(None, [table.note, f"{note} as one text: --task language-modeling"]))
        labels = table.labelled.labels
        if len(labels) < 2:
            raise DataError(
                f"{table.path} holds {len(table.labelled.files):,} files in {len(labels)} folders. A folder for each "
                "label was expected, at least two,\n"
                "with texts, audio files or images in them: reviews/good/1.txt, reviews/bad/1.txt"
            )
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        rows = zip(self.files, self.parts, self.folders, strict=True)
        for number, (path, parts, folders) in enumerate(rows, start=1):
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            values = (text or None, self.labelled.label(path), *parts, *folders)
            cells: dict[str, Cell] = dict(zip(self.columns, values, strict=True))
            yield Row(number, tuple(cells[name] or None for name in columns))

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.labelled.files})

    def place(self, number: int) -> str:
        return str(self.files[number - 1])


def label_folders(path: Path) -> bool:
    """Whether a folder's texts are in a folder for each label, as in 20 newsgroups, and are not the documents of one
    text: there is nothing next to the folders except a README and the like, and nothing deeper; on average they hold
    at least two texts, and a text at most 64 KiB. Folders of splits are no labels."""
    if not path.is_dir() or is_media_folder(path):
        return False
    files = list_files(path)
    places = [file.relative_to(path).parts for file in files]
    inside = [file for file, parts in zip(files, places, strict=True) if len(parts) == 2]
    labels = {file.parent.name for file in inside}
    others = [file for file in files if file.parent == path and file.stem.lower() not in ABOUT]
    if (
        others
        or any(len(parts) > 2 for parts in places)
        or not 2 <= len(labels) <= MOST_KINDS
        or complete_splits(labels)
    ):
        return False
    written = sum(file.stat().st_size for file in inside)
    return FEWEST * len(labels) <= len(inside) and written <= LONGEST * len(inside)
