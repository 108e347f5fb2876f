"""A folder for each label, with sounds or pictures in it: every file in it, or below it, is a row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.fingerprints import digest_of, join_digests
from unrolled.data.pictures import PICTURES
from unrolled.data.sound import SOUNDS
from unrolled.data.table_file import Cell, Row, TableFile
from unrolled.data.text import list_files
from unrolled.errors import DataError

KINDS = {"sound": SOUNDS, "picture": PICTURES}
MIXED = 0.25  # share of the rarer kind from which a folder is of both


class MediaFolder(TableFile):
    """Sounds or pictures in the order of their names, by how these end; other files are listed in `skipped`.

    Columns: `sound` or `picture`, a file's whole path; `label`, the folder's name; and where all names have as many
    parts, two or more, between `_`, or else between `-`, these: `part1`, `part2`, … 7_jackson_32.wav has three, and
    `--group part2` keeps a speaker's recordings together. Nothing is decoded here.
    """

    form = "folders"

    def __init__(self, path: Path, files: list[Path], kind: str) -> None:
        self.files = [file for file in files if file.suffix.lower() in KINDS[kind]]
        self.skipped = tuple(file for file in files if file.suffix.lower() not in KINDS[kind])
        self.parts = _parts([file.stem for file in self.files])
        super().__init__(path, (kind, "label", *(f"part{place}" for place in range(1, len(self.parts[0]) + 1))))

    @classmethod
    def open(cls, path: Path) -> Self:
        files = [file for file in list_files(path) if len(file.relative_to(path).parts) > 1]
        counts = {kind: sum(file.suffix.lower() in KINDS[kind] for file in files) for kind in KINDS}
        rarer, kind = sorted(counts, key=lambda name: counts[name])
        if counts[rarer] > MIXED * sum(counts.values()):
            raise DataError(
                f"{path} holds {counts['sound']:,} sounds and {counts['picture']:,} pictures; a folder of one kind "
                "was expected.\nPut them into two folders."
            )
        table = cls(path, files, kind)
        labels = {file.relative_to(path).parts[0] for file in table.files}
        if len(labels) < 2:
            raise DataError(
                f"{path} holds {counts[kind]:,} {kind}s in {len(labels)} folder. A folder for each label was "
                f"expected, two or more:\ndigits/one/1{KINDS[kind][0]}, digits/two/1{KINDS[kind][0]}"
            )
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for number, (file, parts) in enumerate(zip(self.files, self.parts, strict=True), start=1):
            values = (str(file.absolute()), file.relative_to(self.path).parts[0], *parts)
            cells: dict[str, Cell] = dict(zip(self.columns, values, strict=True))
            yield Row(number, tuple(cells[name] or None for name in columns))

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.files})

    def place(self, number: int) -> str:
        return str(self.files[number - 1])


def media_folder(path: str | Path) -> bool:
    """Whether a path is a folder in whose folders most files are sounds or pictures, by their names alone."""
    media = others = 0
    for here, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if Path(here) == Path(path):
            continue
        for name in names:
            if name.startswith("."):
                continue
            known = Path(name).suffix.lower() in SOUNDS + PICTURES
            media, others = media + known, others + (not known)
    return media > others


def _parts(stems: Sequence[str]) -> list[list[str]]:
    """Each name's parts, where all have as many and more than one; else none."""
    for mark in "_-":
        parts = [stem.split(mark) for stem in stems]
        if len({len(one) for one in parts}) == 1 and len(parts[0]) > 1:
            return parts
    return [[] for _ in stems]
