"""Names of folders that say that they are a split: train, test_set, trainImages, val2017, seg_train and seg_test."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPLITS = {
    "train": "training", "training": "training", "valid": "validation", "val": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""Words, in small letters -> the split that they are."""
BESIDE = (
    "set", "sets", "subset", "split", "part", "folder", "dir", "data", "dataset", "image", "images", "img", "imgs",
    "picture", "pictures", "pic", "pics", "photo", "photos", "jpg", "jpeg", "png", "text", "texts", "txt", "doc",
    "docs", "file", "files", "audio", "audios", "sound", "sounds", "wav", "wavs", "clip", "clips", "sample",
    "samples", "example", "examples", "raw", "original",
)  # fmt: skip
"""Words that say nothing of what else a split may be."""
BOUNDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)|(?<=\d)(?=\D)")  # of words: testSet, val2017


def split_names(names: Iterable[str]) -> dict[str, str]:
    """Those of the names that are a split's -> the split. One with a further word, seg_train, is one where another
    split has that word, too."""
    found = {name: one for name in names if (one := _read_name(name)) is not None}
    splits: dict[str, set[str]] = {}  # further words -> the splits that have them
    for split, further in found.values():
        splits.setdefault(further, set()).add(split)
    return {name: split for name, (split, further) in found.items() if not further or len(splits[further]) > 1}


def hold_splits(names: Iterable[str]) -> dict[str, str]:
    """The same, where the training split and another one are among them; else none."""
    found = split_names(names)
    return found if "training" in found.values() and len(set(found.values())) > 1 else {}


def _read_name(name: str) -> tuple[str, str] | None:
    """(split, further words) of a name with one word of SPLITS."""
    words = [_apart(word.lower()) for word in BOUNDS.split(name)]
    splits = [word for word in words if word in SPLITS]
    if len(splits) != 1:
        return None
    further = [word for word in words if word and word not in SPLITS and word not in BESIDE and not word.isdigit()]
    return SPLITS[splits[0]], " ".join(further)


def _apart(word: str) -> str:
    """The split of trainset or testdata, written as one word; any other as it is."""
    return next((one for one in SPLITS if word.startswith(one) and word[len(one) :] in BESIDE), word)
