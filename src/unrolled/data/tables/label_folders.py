"""One folder per label: every file in it, or below it, is a row. The base of folders of texts, audio and images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from unrolled.data.cells.cell import Cell
from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.split_folders import (
    LabelledFiles,
    check_mostly_readable,
    folders_below,
    name_fields,
    unlabelled_note,
)


class LabelFolders(TableFile):
    """Files in the order of their names; those that cannot be read are listed in `skipped`.

    Columns: the input; `label`, the folder's name; and if all names split at `_`, or else at `-`, into the same
    number of parts, two or more: `part1`, `part2`, … 7_jackson_32.wav has three, and `--group part2` keeps a
    speaker's recordings together. `folder1`, … are the folders between the label's and the files, if all files are
    equally deep: yes/speaker7/1.wav.
    """

    format, label_column, has_mixed_columns = "folders", "label", False

    def __init__(self, labelled: LabelledFiles, column: str, files: Sequence[Path], noun: str) -> None:
        """column: the input's name. files: those that can be read. noun: what they are, for messages."""
        readable = set(files)
        self.labelled, self.note, self.files = labelled, unlabelled_note(labelled), list(files)
        self.skipped = tuple(file for file in labelled.files if file not in readable)
        check_mostly_readable(labelled.root, len(self.files), noun, self.skipped)
        self.parts = name_fields([file.stem for file in self.files])
        self.folders = folders_below(labelled.root, self.files)
        self.ending = self.files[0].suffix if self.files else ""
        counts = {"part": len(next(iter(self.parts), ())), "folder": len(next(iter(self.folders), ()))}
        others = (f"{kind}{place}" for kind, count in counts.items() for place in range(1, count + 1))
        super().__init__(labelled.root, (column, self.label_column or "", *others))

    @abstractmethod
    def input_cell(self, file: Path) -> Cell:
        """A file as the cell of the input column."""

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        rows = zip(self.files, self.parts, self.folders, strict=True)
        for number, (file, parts, folders) in enumerate(rows, start=1):
            values = (self.input_cell(file), self.labelled.label(file), *parts, *folders)
            cells: dict[str, Cell] = dict(zip(self.columns, values, strict=True))
            yield Row(number, tuple(cells[name] or None for name in columns))

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.labelled.files})

    def place(self, number: int) -> str:
        return str(self.files[number - 1])
