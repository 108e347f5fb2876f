"""Images with captions, several for an image, from a file of captions in a form that data sets have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.media.images import IMAGE_ENDINGS
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import Row, TableFile, encoding_of, read_lines
from unrolled.data.tables.caption_files import (
    Caption,
    CaptionFile,
    read_captions,
)
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError

MOST_MISSING = 0.1  # largest share of the named images that may be missing
SHOWN = 3  # missing images that a message names
LOOKED = 200  # images, spread evenly, by which their folder is found
LIST = re.compile(r"(?:.*[._-])?(train|dev|val|test)_?images\.txt", re.IGNORECASE)
"""Names of the lists of a split's images, one a line: Flickr_8k.trainImages.txt."""


class CaptionTable(TableFile):
    """One row per caption, in the order of the file: `image`, a path from the file's folder, and `caption`.

    All captions are held in memory: the 590,000 of COCO's training split take about 100 MB.
    """

    has_mixed_columns, text_column = False, "caption"

    def __init__(
        self, path: Path, form: str, folder: Path, captions: Sequence[Caption], lists: Sequence[Path]
    ) -> None:
        """form: the format's name. folder: with the images. lists: files that say which images are read."""
        super().__init__(path, ("image", "caption"))
        self.format, self.captions, self.lists = form, captions, lists
        self.folder = os.path.relpath(folder, path.parent)

    @classmethod
    def open(cls, path: Path) -> Self:
        file = read_captions(path)
        if file is None:
            raise DataError(
                f"{path} is no file of captions. A line of one is an image and a caption: 1.jpg,A dog runs"
            )
        return cls.of_file(path, file)

    @classmethod
    def of_file(cls, path: Path, file: CaptionFile) -> Self:
        """The table of a file that was read. Captions of images that do not exist are left out. Raises DataError if
        there are no captions, or if over a tenth of the images is missing."""
        if not file.captions:
            raise DataError(f"{path} holds no captions.")
        images = list(dict.fromkeys(one.image for one in file.captions))
        folder, missing = _find_images(path, file, images)
        captions = [one for one in file.captions if one.image not in missing]
        notes = [_found(folder, path, len(images) - len(missing)), _missing_note(sorted(missing), len(images))]
        if unnamed := _count_unnamed(folder, images):
            notes.append(f"{_images(unnamed)} without a caption left out")
        lists = split_lists(path.parent) if file.form == "captions" else {}
        of_split, note = _split_by_lists(lists, captions)
        tables = {split: cls(path, file.form, folder, some, list(lists.values())) for split, some in of_split.items()}
        table = tables.pop("training")
        for split, one in tables.items():
            one.split, one.arrays = split, f"the images of {lists[split].name}"
        table.splits, table.note = tables, "; ".join(filter(None, [*notes, note]))
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        for number, image, text in self.captions:
            file = os.path.normpath(os.path.join(self.folder, image))  # noqa: PTH118 - without .. where possible
            cells = {"image": file, "caption": text or None}
            yield Row(number, tuple(cells[name] for name in columns))

    def fingerprint(self) -> str:
        """The sha256 of the file of captions, and of the lists of splits beside it."""
        if not self.lists:
            return digest_of(self.path)
        return join_digests(self.path.parent, {path: digest_of(path) for path in (self.path, *self.lists)})


def _find_images(path: Path, file: CaptionFile, images: Sequence[str]) -> tuple[Path, set[str]]:
    """The folder that holds most of the images, and the names of those that it lacks."""
    some = images[:: max(1, len(images) // LOOKED)]
    counts = {folder: sum(map(_is_file_in(folder), some)) for folder in file.folders if folder.is_dir()}
    folder = max(counts, key=lambda one: counts[one])  # the first of equals; the file's own folder is among them
    there = _is_file_in(folder)
    missing = {image for image in images if not there(image)}
    if len(missing) > MOST_MISSING * len(images):
        looked = ", ".join(dict.fromkeys(os.path.normpath(one) for one in counts))
        raise DataError(
            f"{path} names {len(images):,} images, and {len(missing):,} of them are not there, such as "
            f"{', '.join(sorted(missing)[:SHOWN])}.\nThey were looked for in {looked}. "
            f"Put them into one of these; up to {MOST_MISSING:.0%} would be left out. "
            "To read the file as plain text: --task language-modeling."
        )
    return folder, missing


def _is_file_in(folder: Path) -> Callable[[str], bool]:
    return lambda name: os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118 - fast, for each image


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count > 1)}"


def _found(folder: Path, path: Path, count: int) -> str:
    where = os.path.relpath(folder, path.parent)
    return f"{_images(count)} in {where if where != '.' else 'its folder'}"


def _missing_note(missing: Sequence[str], count: int) -> str:
    if not missing:
        return ""
    shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    return f"{len(missing):,} of {count:,} images missing and left out, with their captions ({shown})"


def _count_unnamed(folder: Path, images: Sequence[str]) -> int:
    """The number of images in a folder that have no caption."""
    named = set(map(os.path.normpath, images))
    with os.scandir(folder) as entries:
        return sum(one.name.lower().endswith(IMAGE_ENDINGS) and one.name not in named for one in entries)


def split_lists(folder: Path) -> dict[str, Path]:
    """Split -> the file that lists its images. Raises DataError if two files list one split."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if (named := LIST.fullmatch(path.name)) is None:
            continue
        split = SPLIT_WORDS[named[1].lower()]
        if split in found:
            raise DataError(
                f"{folder} holds {found[split].name} and {path.name}, which both list the images of the {split} "
                "split.\nRemove one of them."
            )
        found[split] = path
    return found


def _split_by_lists(
    lists: Mapping[str, Path], captions: Sequence[Caption]
) -> tuple[dict[str, Sequence[Caption]], str]:
    """The captions of each split by the lists, all as training without lists; and the note on them."""
    if not lists:
        return {"training": captions}, ""
    split_of: dict[str, str] = {}
    for split, path in lists.items():
        for line in read_lines(path, encoding_of(path, "txt")):
            image = line.strip()
            if image and split_of.setdefault(image, split) != split:
                raise DataError(
                    f"{image} is listed in {lists[split_of[image]].name} and in {path.name}; an image belongs to one "
                    "split.\nRemove it from one of them."
                )
    rest = "" if "training" in lists else "training"
    found: dict[str, list[Caption]] = {split: [] for split in SPLITS if split in lists or split == rest}
    for one in captions:
        if (split := split_of.get(one.image, rest)) in found:
            found[split].append(one)
    if empty := next((split for split, some in found.items() if not some), None):
        named = f"{lists[empty].name} lists none of them" if empty in lists else "all of them are in lists"
        raise DataError(
            f"{lists[next(iter(lists))].parent}: no image with a caption is left for the {empty} split; {named}."
        )
    others = len({one.image for one in captions} - set(split_of)) if not rest else 0
    names = ", ".join(lists[split].name for split in SPLITS if split in lists)
    note = f"the splits are the images that {names} list (override: --valid --test)"
    if others:
        note += f"; {_images(others)} in none of them left out"
    return dict(found), note
