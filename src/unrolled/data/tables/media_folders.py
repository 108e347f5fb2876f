"""One folder per label with audio files or images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Self

from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.files.look import list_files
from unrolled.data.files.unsupported import count_endings, unsupported_kind
from unrolled.data.modalities.base import Modality
from unrolled.data.modalities.table import FILE_MODALITIES
from unrolled.data.tables.label_folders import LabelFolders
from unrolled.data.tables.split_folders import LabelledFiles, find_splits, labelled_files, open_splits
from unrolled.errors import DataError

ENDINGS = tuple(ending for one in FILE_MODALITIES.values() for ending in one.endings)
MIXED = 0.25  # a folder with a larger share of the rarer kind is refused as mixed


class MediaFolder(LabelFolders):
    """Audio files or images, by file ending. The input is a file's full path, in the column `audio` or `image`.

    Nothing is decoded here.
    """

    def __init__(self, labelled: LabelledFiles, modality: type[Modality]) -> None:
        files = [file for file in labelled.files if is_of(modality, file)]
        super().__init__(labelled, modality.name, files, modality.noun)

    @classmethod
    def open(cls, path: Path) -> Self:
        files = list_files(path)
        splits = find_splits(path, files)
        labelled = labelled_files(path, files) if splits is None else splits.splits["training"]
        counts = Counter({one: sum(is_of(one, file) for file in labelled.files) for one in FILE_MODALITIES.values()})
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

    def input_cell(self, file: Path) -> str:
        return str(file.absolute())

    def fingerprint(self) -> str:
        return join_digests(self.path, {path: digest_of(path) for path in self.files})


def is_media_folder(path: str | Path) -> bool:
    """Whether a path is a folder whose subfolders hold mostly audio files or images, judged by file names. Other
    files that are not text by their names, such as films, are not counted."""
    if not Path(path).is_dir():
        return False
    inside = [file for file in list_files(Path(path)) if file.parent != Path(path)]
    others = [file for file in inside if file.suffix.lower() not in ENDINGS]
    return len(inside) - len(others) > sum(unsupported_kind(file) is None for file in others)


def is_of(modality: type[Modality], file: Path) -> bool:
    """Whether a file is of this modality, by the ending of its name."""
    return file.suffix.lower() in modality.endings


def _others(table: MediaFolder) -> str:
    """The endings of the files that are not of the folder's kind, with counts."""
    if not table.skipped:
        return ""
    return f", and {len(table.skipped):,} files that cannot be read as such ({count_endings(table.skipped)})"


def _wrapped(table: MediaFolder) -> str:
    """The path to give instead, if the only folder itself holds the label folders."""
    inner = {file.relative_to(table.labelled.root).parts[:2] for file in table.files}
    folder = table.labelled.root / next(iter(inner))[0]
    if len(inner) > 1 and all((table.labelled.root / Path(*parts)).is_dir() for parts in inner):
        return f"\nIf the labels are the folders in {folder.name}, give {folder}"
    below = folder / next(iter(inner))[1]
    return f"\nIf the labels are folders further below, give {below}" if len(inner) == 1 and below.is_dir() else ""
