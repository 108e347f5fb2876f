"""One folder per label with audio files or images: every file in it, or below it, is a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.cells.cell import Cell
from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.files.look import list_files
from unrolled.data.modalities.base import Modality
from unrolled.data.modalities.table import FILE_MODALITIES
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.file_names import UNREADABLE
from unrolled.data.tables.split_folders import (
    MOST_ENDINGS,
    LabelledFiles,
    check_mostly_readable,
    find_splits,
    folders_below,
    labelled_files,
    name_fields,
    open_splits,
    unlabelled_note,
)
from unrolled.errors import DataError

ENDINGS = tuple(ending for one in FILE_MODALITIES.values() for ending in one.endings)
ALONE = 0.75  # a folder with a larger share of audio files, or of images, counts as a folder of that kind
MIXED = 0.25  # a folder with a larger share of the rarer kind is refused as mixed


class MediaFolder(TableFile):
    """Audio files or images, by file ending, in the order of their names; other files are listed in `skipped`.

    Columns: `audio` or `image`, a file's full path; `label`, the folder's name; and if all names split at `_`, or
    else at `-`, into the same number of parts, two or more: `part1`, `part2`, … 7_jackson_32.wav has three, and
    `--group part2` keeps a speaker's recordings together. `folder1`, … are the folders between the label's and the
    files, if all files are equally deep: yes/speaker7/1.wav. Nothing is decoded here.
    """

    format, label_column, has_mixed_columns = "folders", "label", False

    def __init__(self, labelled: LabelledFiles, modality: type[Modality]) -> None:
        self.labelled, self.note = labelled, unlabelled_note(labelled)
        self.files = [file for file in labelled.files if _is_of(modality, file)]
        self.skipped = tuple(file for file in labelled.files if not _is_of(modality, file))
        check_mostly_readable(labelled.root, len(self.files), modality.noun, self.skipped)
        self.parts = name_fields([file.stem for file in self.files])
        self.folders = folders_below(labelled.root, self.files)
        self.ending = self.files[0].suffix if self.files else ""
        columns = (
            modality.name, "label", *(f"part{place}" for place in range(1, len(self.parts[0]) + 1)),
            *(f"folder{place}" for place in range(1, len(self.folders[0]) + 1)),
        )  # fmt: skip
        super().__init__(labelled.root, columns)

    @classmethod
    def open(cls, path: Path) -> Self:
        files = list_files(path)
        splits = find_splits(path, files)
        labelled = labelled_files(path, files) if splits is None else splits.splits["training"]
        counts = Counter({one: sum(_is_of(one, file) for file in labelled.files) for one in FILE_MODALITIES.values()})
        (modality, count), *others = counts.most_common()
        if sum(rarer for _, rarer in others) > MIXED * counts.total():
            found = " and ".join(f"{counts[one]:,} {one.noun}" for one in counts if counts[one])
            raise DataError(f"{path} holds {found}; only one kind was expected.\nPut them into separate folders.")
        if splits is None:
            table = cls(labelled, modality)
        else:
            table = open_splits(splits, lambda files: cls(files, modality))
        labels = {labelled.label(file) for file in table.files}
        if len(labels) < 2:
            ending = modality.endings[0]
            raise DataError(
                f"{table.path} holds {count:,} {modality.noun} in {len(labels)} folder{_others(table)}. "
                f"A folder for each label was expected, two or more:\ndigits/one/1{ending}, "
                f"digits/two/1{ending}{_wrapped(table)}"
            )
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        rows = zip(self.files, self.parts, self.folders, strict=True)
        for number, (file, parts, folders) in enumerate(rows, start=1):
            values = (str(file.absolute()), self.labelled.label(file), *parts, *folders)
            cells: dict[str, Cell] = dict(zip(self.columns, values, strict=True))
            yield Row(number, tuple(cells[name] or None for name in columns))

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.files})

    def place(self, number: int) -> str:
        return str(self.files[number - 1])


def is_media_folder(path: str | Path) -> bool:
    """Whether a path is a folder whose subfolders hold mostly audio files or images, judged by file names. Other
    files that are not text by their names, such as films, are not counted."""
    if not Path(path).is_dir():
        return False
    inside = [file for file in list_files(Path(path)) if file.parent != Path(path)]
    media = sum(file.suffix.lower() in ENDINGS for file in inside)
    return media > sum(file.suffix.lower() not in ENDINGS + UNREADABLE for file in inside)


def check_not_flat(path: Path, files: Sequence[Path]) -> None:
    """Raises DataError if a folder directly holds audio files or images and little else: they have no labels."""
    directly = [file for file in files if file.parent == path]
    for modality in FILE_MODALITIES.values():
        named = [file for file in directly if _is_of(modality, file)]
        if len(named) > ALONE * len(files):
            name, ending = named[0].name, modality.endings[0]
            raise DataError(
                f"{path} holds {len(named):,} {modality.noun} without labels, such as {name}.\n"
                f"A folder for each label was expected, things/one/1{ending} and things/two/1{ending};\n"
                f"or give a table of files and labels: path,label in its first row, {name},one in another."
            )


def _is_of(modality: type[Modality], file: Path) -> bool:
    return file.suffix.lower() in modality.endings


def _others(table: MediaFolder) -> str:
    """The endings of the files that are not of the folder's kind, with counts."""
    endings = Counter(file.suffix.lower() or "without ending" for file in table.skipped).most_common(MOST_ENDINGS)
    counts = ", ".join(f"{count:,} {ending}" for ending, count in endings)
    return f", and {len(table.skipped):,} files that cannot be read as such ({counts})" if counts else ""


def _wrapped(table: MediaFolder) -> str:
    """The path to give instead, if the only folder itself holds the label folders."""
    inner = {file.relative_to(table.labelled.root).parts[:2] for file in table.files}
    folder = table.labelled.root / next(iter(inner))[0]
    if len(inner) > 1 and all((table.labelled.root / Path(*parts)).is_dir() for parts in inner):
        return f"\nIf the labels are the folders in {folder.name}, give {folder}"
    below = folder / next(iter(inner))[1]
    return f"\nIf the labels are folders further below, give {below}" if len(inner) == 1 and below.is_dir() else ""
