"""A folder for each label: every file in it, or below it, is a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.fingerprints import digest_of, join_digests
from unrolled.data.table_file import Cell, Row, TableFile
from unrolled.data.text import judge, list_files
from unrolled.errors import DataError

COLUMNS = ("text", "label")  # what a file holds, and the name of the folder that it stands in


class FolderTable(TableFile):
    """Text files in the order of their names. What is no text is passed over and listed in `skipped`."""

    form = "folders"

    def __init__(self, path: Path, files: list[Path]) -> None:
        super().__init__(path, COLUMNS)
        self.files = files
        self.skipped = tuple(file for file in files if judge(file) in ("binary", "other text"))

    @classmethod
    def open(cls, path: Path) -> Self:
        files = [file for file in list_files(path) if len(file.relative_to(path).parts) > 1]
        labels = {file.relative_to(path).parts[0] for file in files}
        if len(labels) < 2:
            raise DataError(
                f"{path} holds {len(files):,} files in {len(labels)} folders. A folder for each label was expected, "
                "two or more,\nwith texts, sounds or pictures in them: reviews/good/1.txt, reviews/bad/1.txt"
            )
        return cls(path, files)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        skipped = set(self.skipped)
        for number, path in enumerate(self.files, start=1):
            if path in skipped:
                continue
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            cells: dict[str, Cell] = {"text": text or None, "label": path.relative_to(self.path).parts[0]}
            yield Row(number, tuple(cells[name] for name in columns))

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.files})

    def place(self, number: int) -> str:
        return str(self.files[number - 1])
