"""Label folders, and the folders named train, valid and test that stand above or below them: these are the splits.

Above, as torchvision's ImageFolder is laid out (train/cat/1.png, val/cat/2.png), and aclImdb (train/pos/1_7.txt).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from unrolled.data.cuts import PARTS
from unrolled.data.file_names import no_reader
from unrolled.data.split_names import hold_splits, split_names
from unrolled.data.table_file import TableFile
from unrolled.data.text import list_files
from unrolled.errors import DataError

UNLABELLED = ("unsup", "unsupervised", "unlabelled", "unlabeled")  # folders whose files have no label
APART = re.compile("_.+_")  # names of folders that are set apart from the labels, as speech commands have them
OF_PICTURES = ("image", "images", "img", "imgs", "jpegimages")  # folders that no label is called
ABOUT_THEM = ("label", "labels", "annotation", "annotations", "mask", "masks", "segmentation", "segmentations")
MOST_ENDINGS = 3  # named in a line

OneTable = TypeVar("OneTable", bound=TableFile)


@dataclass(frozen=True)
class LabelledFiles:
    """Files below the label folders of one folder; a file's label is the name of its label folder."""

    root: Path
    files: tuple[Path, ...]
    unlabelled: tuple[Path, ...] = ()  # in folders that say that their files have no label

    def label(self, file: Path) -> str:
        """The name of the label folder that a file stands in or below."""
        return file.relative_to(self.root).parts[0]

    @property
    def labels(self) -> set[str]:
        """The label folders that hold a file."""
        return {self.label(file) for file in self.files}


@dataclass(frozen=True)
class FolderSplits:
    """The files of each split: "training", and of "validation" and "test" those that are there."""

    parts: Mapping[str, LabelledFiles]
    note: str  # how the folders were understood
    inner: Mapping[str, str] = field(
        default_factory=dict
    )  # split -> its folders' name, where they stand below labels


def labelled_files(root: Path, files: Sequence[Path]) -> LabelledFiles:
    """Those of the files under `root` that stand in a folder. A folder called unsup or _noise_ is no label where
    two others are."""
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
    """Whether a folder's name says that it is no label: unsup, or set apart as _background_noise_ is."""
    return name.lower() in UNLABELLED or APART.fullmatch(name) is not None


def folders_below(root: Path, files: Sequence[Path]) -> list[tuple[str, ...]]:
    """The folders that each file stands in below its label's, where all stand as deep; else none."""
    found = [file.relative_to(root).parts[1:-1] for file in files]
    return found if len(set(map(len, found))) == 1 else [() for _ in found]


def name_parts(stems: Sequence[str]) -> list[list[str]]:
    """Each file name's parts, between _ or else -, where all have as many and more than one; else none."""
    for mark in "_-":
        parts = [stem.split(mark) for stem in stems]
        if len({len(one) for one in parts}) == 1 and len(parts[0]) > 1:
            return parts
    return [[] for _ in stems]


def _check_labels(root: Path, names: set[str]) -> None:
    """Raises DataError where the folders are one of pictures, and others of what is about each of these."""
    kinds = {name: "pictures" if name.lower() in OF_PICTURES else "about" for name in names}
    if set(kinds.values()) == {"pictures", "about"} and all(
        name.lower() in OF_PICTURES + ABOUT_THEM for name in names
    ):
        raise DataError(
            f"{root} holds the folders {' and '.join(sorted(names))}: pictures, and a file about each, as detection "
            "(YOLO) and\nsegmentation have them, which are not offered. A picture has one label:\n"
            "a folder for each label was expected (pets/cat/1.png), or a table of their paths and their labels."
        )


def find_splits(path: Path, files: Sequence[Path] | None = None) -> FolderSplits | None:
    """The splits of a folder of label folders, or None where its folders are no splits.

    files: what stands under `path`, by `list_files`. Raises DataError where the names leave it open.
    """
    below: dict[str, list[Path]] = {}
    for file in list_files(path) if files is None else files:
        parts = file.relative_to(path).parts
        if len(parts) > 1:
            below.setdefault(parts[0], []).append(file)
    return _splits_above(path, below) or _splits_below(path, below)


def _splits_above(path: Path, below: Mapping[str, list[Path]]) -> FolderSplits | None:
    """train/cat/1.png: where a folder is named train and holds label folders, and another split stands beside it, or
    nothing does."""
    split_of = split_names(below)
    found = {name: _labelled_inside(path / name, below[name]) for name in split_of}
    found = {name: one for name, one in found.items() if one.files}
    named: dict[str, str] = {}  # split -> its folder
    for name in sorted(found):
        if (other := named.setdefault(split_of[name], name)) != name:
            raise DataError(
                f"{path} holds {other} and {name}, which are both names of the {split_of[name]} split.\n"
                "Put their files into one folder."
            )
    others = sorted(set(below) - set(found))
    if "training" not in named:
        if len(named) == 2 and not others:
            raise DataError(
                f"{path} holds the splits {' and '.join(sorted(found))}, and no folder train.\n"
                "Add one, or give one of these by itself."
            )
        return None
    if len(named) == 1 and others and not set(split_of) & set(others):
        labels = found[named["training"]].labels
        alike = [name for name in others if labels & labelled_files(path / name, below[name]).labels]
        if not alike:
            return None  # train is a label among others, with folders of its own
        raise DataError(
            f"{path} holds the same label folders under {named['training']} and under {alike[0]}, which is no "
            f"split's name.\nGive {path / named['training']} by itself, or rename {alike[0]} to valid or test."
        )
    note = _note(named)
    if others:
        said = ", ".join(f"{name} ({len(below[name]):,} files)" for name in others)
        note += f"; left out, as no split or without label folders: {said}"
    return FolderSplits({split: found[name] for split, name in named.items()}, note)


def _labelled_inside(folder: Path, files: Sequence[Path]) -> LabelledFiles:
    """The files under a split's folder; in a folder of its own name, which is all that it holds, those under that."""
    parts = {file.relative_to(folder).parts[:2] for file in files}
    if {first for first, *_ in parts} == {folder.name} and all(len(one) > 1 for one in parts):
        return _labelled_inside(folder / folder.name, files)
    return labelled_files(folder, files)


def _splits_below(path: Path, below: Mapping[str, list[Path]]) -> FolderSplits | None:
    """cat/train/1.png: where every label folder holds splits and nothing else, and two of them at least."""
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
    """What to say of splits. named: split -> its folder."""
    there = [named[split] for split in PARTS if split in named]
    note = f"the splits are the folder{'s' * (len(there) > 1)} {', '.join(there)}"
    if cut := [split for split in PARTS[1:] if split not in named]:
        parts = f"{' and '.join(cut)} split{'s' * (len(cut) > 1)}"
        note += f", and the {parts}, without a folder, {'are' if len(cut) > 1 else 'is'} cut from {named['training']}"
    return f"{note} (--valid --test overrule)"


def open_splits(splits: FolderSplits, make: Callable[[LabelledFiles], OneTable]) -> OneTable:
    """The table of the training split, which has those of the others as its `splits`."""
    tables = {split: make(files) for split, files in splits.parts.items()}
    table = tables.pop("training")
    for split, one in tables.items():
        one.split = split
        one.arrays = f"the folders {splits.inner[split]}" if splits.inner else ""
    table.splits = tables
    table.note = "; ".join(filter(None, [splits.note, table.note]))
    return table


def say_unlabelled(files: LabelledFiles) -> str:
    """What to say of files that have no label, and of labels that may be none; "" where there is nothing to say."""
    names = sorted({files.label(file) for file in files.unlabelled})
    doubtful = sorted(label for label in files.labels if label.startswith("_"))
    told = []
    if names:
        told.append(f"{len(files.unlabelled):,} files in {', '.join(names)} have no label and are left out")
    if any(map(APART.fullmatch, names)):
        told.append("a folder whose name stands between _ is no label: rename it if it is one")
    if doubtful:
        told.append(f"{', '.join(doubtful)} {'is a label' if len(doubtful) == 1 else 'are labels'} like the others")
    return "; ".join(told)


def find_text_splits(path: Path, files: Sequence[Path] | None = None) -> dict[str, Path]:
    """Split -> its folder, of a folder whose only folders are named train and valid or test: the splits of a text,
    whatever stands below them. Empty for any other."""
    names = {
        file.relative_to(path).parts[0]
        for file in (list_files(path) if files is None else files)
        if file.parent != path
    }  # fmt: skip
    split_of = hold_splits(names)
    folders = {split: path / name for name, split in split_of.items()}
    return folders if len(folders) == len(split_of) == len(names) else {}


def check_most(path: Path, taken: int, kind: str, others: Sequence[Path], cure: str = "") -> None:
    """Raises DataError where fewer of a folder's files can be read than cannot. kind: "pictures"."""
    if taken >= len(others):
        return
    endings = Counter(file.suffix.lower() or "without ending" for file in others).most_common(MOST_ENDINGS)
    said = ", ".join(f"{count:,} {ending}" for ending, count in endings)
    if not taken and (unread := no_reader(endings[0][0])):
        raise DataError(f"{path} holds {len(others):,} files ({said}).\n{unread}")
    raise DataError(
        f"{path} holds {taken:,} {kind} and {len(others):,} files that cannot be read as such ({said}).\n"
        f"Put the {kind} into a folder of their own, or convert the others.{cure}"
    )
