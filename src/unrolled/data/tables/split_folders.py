"""Label folders, and the folders named train, valid and test above or below them, which are the splits.

Above: the layout of torchvision's ImageFolder (train/cat/1.png, val/cat/2.png) and of aclImdb (train/pos/1_7.txt).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from unrolled.data.files.look import list_files
from unrolled.data.files.unsupported import count_endings
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.file_names import no_reader_for
from unrolled.data.tables.split_names import complete_splits, split_names
from unrolled.errors import DataError

UNLABELLED = ("unsup", "unsupervised", "unlabelled", "unlabeled")  # folders whose files have no label
APART = re.compile("_.+_")  # folders that are not labels, such as _background_noise_ in Speech Commands
IMAGE_FOLDERS = ("image", "images", "img", "imgs", "jpegimages")  # never names of labels
ANNOTATION_FOLDERS = ("label", "labels", "annotation", "annotations", "mask", "masks", "segmentation",
                      "segmentations")  # fmt: skip
OneTable = TypeVar("OneTable", bound=TableFile)


@dataclass(frozen=True)
class LabelledFiles:
    """The files below the label folders of one folder; a file's label is the name of its label folder."""

    root: Path
    files: tuple[Path, ...]
    unlabelled: tuple[Path, ...] = ()  # in folders whose names mean that their files have no label

    def label(self, file: Path) -> str:
        """The name of the label folder that contains a file, directly or further down."""
        return file.relative_to(self.root).parts[0]

    @property
    def labels(self) -> set[str]:
        """The label folders that contain at least one file."""
        return {self.label(file) for file in self.files}


@dataclass(frozen=True)
class FolderSplits:
    """The files of each split: "training", and "validation" and "test" where they exist."""

    splits: Mapping[str, LabelledFiles]
    note: str  # how the folders were understood
    inner: Mapping[str, str] = field(default_factory=dict)  # split -> its folders, if below the label folders


def labelled_files(root: Path, files: Sequence[Path]) -> LabelledFiles:
    """The files under `root` that are in a folder. A folder called unsup or _noise_ is not a label if there are two
    others."""
    inside = [file for file in files if len(file.relative_to(root).parts) > 1]
    label = {file: file.relative_to(root).parts[0] for file in inside}
    without = {name for name in label.values() if _is_no_label(name)}
    _check_labels(root, {name for name in label.values() if not name.startswith(".")})
    if len(set(label.values()) - without) < 2:
        return LabelledFiles(root, tuple(inside))
    return LabelledFiles(
        root,
        tuple(file for file in inside if label[file] not in without),
        tuple(file for file in inside if label[file] in without),
    )


def _is_no_label(name: str) -> bool:
    """Whether a folder's name means that it is not a label: unsup, or a name such as _background_noise_."""
    return name.lower() in UNLABELLED or APART.fullmatch(name) is not None


def folders_below(root: Path, files: Sequence[Path]) -> list[tuple[str, ...]]:
    """The folders between each file and its label folder, if all files are equally deep; else none."""
    found = [file.relative_to(root).parts[1:-1] for file in files]
    return found if len(set(map(len, found))) == 1 else [() for _ in found]


def name_fields(stems: Sequence[str]) -> list[list[str]]:
    """Each file name cut at _ or else at -, if all have the same number of pieces and more than one; else none."""
    for mark in "_-":
        parts = [stem.split(mark) for stem in stems]
        if len({len(one) for one in parts}) == 1 and len(parts[0]) > 1:
            return parts
    return [[] for _ in stems]


def _check_labels(root: Path, names: set[str]) -> None:
    """Raise DataError where the folders are one of images and others with an annotation file for each image."""
    kinds = {name: "images" if name.lower() in IMAGE_FOLDERS else "annotations" for name in names}
    if set(kinds.values()) == {"images", "annotations"} and all(
        name.lower() in IMAGE_FOLDERS + ANNOTATION_FOLDERS for name in names
    ):
        raise DataError(
            f"{root} holds the folders {' and '.join(sorted(names))}: images, each with an annotation file, as in "
            "detection (YOLO)\nand segmentation. These tasks are not supported. An image has one label:\n"
            "a folder for each label was expected (pets/cat/1.png), or a table with a path and a label per row."
        )


def find_splits(path: Path, files: Sequence[Path] | None = None) -> FolderSplits | None:
    """The splits of a folder of label folders, or None where its folders are not splits.

    files: all files under `path`, by `list_files`. Raises DataError where the names are ambiguous.
    """
    below: dict[str, list[Path]] = {}
    for file in list_files(path) if files is None else files:
        parts = file.relative_to(path).parts
        if len(parts) > 1:
            below.setdefault(parts[0], []).append(file)
    return _splits_above(path, below) or _splits_below(path, below)


def _splits_above(path: Path, below: Mapping[str, list[Path]]) -> FolderSplits | None:
    """train/cat/1.png: a folder named train holds label folders, and it is the only folder or there is another
    split."""
    split_of = split_names(below)
    found = {name: _labelled_inside(path / name, below[name]) for name in split_of}
    found = {name: one for name, one in found.items() if one.files}
    named: dict[str, str] = {}  # split -> its folder
    for name in sorted(found):
        if (other := named.setdefault(split_of[name], name)) != name:
            raise DataError(
                f"{path} holds {other} and {name}, which both name the {split_of[name]} split.\n"
                "Put their files into one folder."
            )
    others = sorted(set(below) - set(found))
    if "training" not in named:
        if len(named) == 2 and not others:
            raise DataError(
                f"{path} holds the splits {' and '.join(sorted(found))}, but no folder train.\n"
                "Add one, or give one of these folders alone."
            )
        return None
    if len(named) == 1 and others and not set(split_of) & set(others):
        labels = found[named["training"]].labels
        same = [name for name in others if labels & labelled_files(path / name, below[name]).labels]
        if not same:
            return None  # train is one of the labels, with folders inside
        raise DataError(
            f"{path} holds the same label folders under {named['training']} and under {same[0]}, which is not the "
            f"name of a split.\nGive {path / named['training']} alone, or rename {same[0]} to valid or test."
        )
    note = _note(named)
    if others:
        listed = ", ".join(f"{name} ({len(below[name]):,} files)" for name in others)
        note += f"; left out because they are no split or have no label folders: {listed}"
    return FolderSplits({split: found[name] for split, name in named.items()}, note)


def _labelled_inside(folder: Path, files: Sequence[Path]) -> LabelledFiles:
    """The files under a split's folder. If it holds only a folder of the same name, the files under that one."""
    parts = {file.relative_to(folder).parts[:2] for file in files}
    if {first for first, *_ in parts} == {folder.name} and all(len(one) > 1 for one in parts):
        return _labelled_inside(folder / folder.name, files)
    return labelled_files(folder, files)


def _splits_below(path: Path, below: Mapping[str, list[Path]]) -> FolderSplits | None:
    """cat/train/1.png: every label folder holds splits and nothing else; there are at least two labels and splits."""
    files: dict[str, list[Path]] = {}
    named: dict[str, str] = {}
    inner = [file.relative_to(path).parts for inside in below.values() for file in inside]
    split_of = split_names({parts[1] for parts in inner if len(parts) > 2})
    for inside in below.values():
        for file in inside:
            parts = file.relative_to(path).parts
            split = split_of.get(parts[1]) if len(parts) > 2 else None
            if split is None:
                return None
            files.setdefault(split, []).append(file)
            named.setdefault(split, parts[1])
    if len(below) < 2 or len(files) < 2 or "training" not in files:
        return None
    return FolderSplits(
        {split: labelled_files(path, sorted(one)) for split, one in files.items()}, _note(named), named
    )


def _note(named: Mapping[str, str]) -> str:
    """The note about the splits for the user. named: split -> its folder."""
    there = [named[split] for split in SPLITS if split in named]
    note = f"the splits are the folder{'s' * (len(there) > 1)} {', '.join(there)}"
    if cut := [split for split in SPLITS[1:] if split not in named]:
        parts = f"{' and '.join(cut)} split{'s' * (len(cut) > 1)}"
        note += f"; the {parts} without a folder {'are' if len(cut) > 1 else 'is'} cut from {named['training']}"
    return f"{note} (override: --valid --test)"


def open_splits(splits: FolderSplits, make: Callable[[LabelledFiles], OneTable]) -> OneTable:
    """The table of the training split; its attribute `splits` holds the tables of the other splits."""
    tables = {split: make(files) for split, files in splits.splits.items()}
    table = tables.pop("training")
    for split, one in tables.items():
        one.split = split
        one.arrays = f"the folders {splits.inner[split]}" if splits.inner else ""
    table.splits = tables
    table.note = "; ".join(filter(None, [splits.note, table.note]))
    return table


def unlabelled_note(files: LabelledFiles) -> str:
    """The note about files without a label, and about labels that may be none; "" if there are no such files."""
    names = sorted({files.label(file) for file in files.unlabelled})
    doubtful = sorted(label for label in files.labels if label.startswith("_"))
    notes = []
    if names:
        notes.append(f"{len(files.unlabelled):,} files in {', '.join(names)} have no label and are left out")
    if any(map(APART.fullmatch, names)):
        notes.append("a folder named _like_this_ is not taken as a label: rename it if it is one")
    if doubtful:
        notes.append(f"{', '.join(doubtful)} {'is a label' if len(doubtful) == 1 else 'are labels'} like the others")
    return "; ".join(notes)


def find_text_splits(path: Path, files: Sequence[Path] | None = None) -> dict[str, Path]:
    """Split -> its folder, if the only folders in `path` are named train and valid or test: the splits of a text,
    whatever they contain. Empty for any other folder."""
    names = {
        file.relative_to(path).parts[0]
        for file in (list_files(path) if files is None else files)
        if file.parent != path
    }  # fmt: skip
    split_of = complete_splits(names)
    folders = {split: path / name for name, split in split_of.items()}
    return folders if len(folders) == len(split_of) == len(names) else {}


def check_mostly_readable(path: Path, taken: int, kind: str, others: Sequence[Path], cure: str = "") -> None:
    """Raise DataError where more files of a folder cannot be read than can. kind: such as "images"."""
    if taken >= len(others):
        return
    listed = count_endings(others)
    if not taken and (unread := no_reader_for(others)):
        raise DataError(f"{path} holds {len(others):,} files ({listed}).\n{unread}")
    raise DataError(
        f"{path} holds {taken:,} {kind} and {len(others):,} files that cannot be read as such ({listed}).\n"
        f"Put the {kind} into a separate folder, or convert the other files.{cure}"
    )
