"""One folder per label with texts."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from unrolled.data.cells.column_kinds import MOST_KINDS
from unrolled.data.files.look import detect_encoding, list_files
from unrolled.data.tables.flat_folders import check_not_flat
from unrolled.data.tables.label_folders import LabelFolders
from unrolled.data.tables.media_folders import is_media_folder
from unrolled.data.tables.split_folders import LabelledFiles, find_splits, labelled_files, open_splits
from unrolled.data.tables.split_names import complete_splits
from unrolled.errors import DataError

ABOUT = ("readme", "license", "licence", "copying", "notice", "citation", "about", "changelog", "changes")
FEWEST, LONGEST = 2, 1 << 16  # texts per label folder, at least, and bytes per text, at most, on average


class TextFolder(LabelFolders):
    """Text files: the input is a file's content, in the column `text`."""

    def __init__(self, labelled: LabelledFiles) -> None:
        files = [file for file in labelled.files if detect_encoding(file) not in ("binary", "other text")]
        super().__init__(labelled, "text", files, "texts")

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

    def input_cell(self, file: Path) -> str:
        return file.read_text(encoding="utf-8-sig", errors="replace")


def holds_labelled_texts(path: Path) -> bool:
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
    deeper = any(len(parts) > 2 for parts in places)
    if others or deeper or not 2 <= len(labels) <= MOST_KINDS or complete_splits(labels):
        return False
    written = sum(file.stat().st_size for file in inside)
    return FEWEST * len(labels) <= len(inside) and written <= LONGEST * len(inside)
