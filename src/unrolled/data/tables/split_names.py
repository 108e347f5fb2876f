"""Folder names that name a split: train, test_set, trainImages, val2017, seg_train and seg_test."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPLIT_WORDS = {
    "train": "training", "training": "training", "valid": "validation", "val": "validation",
    "validation": "validation", "dev": "validation", "test": "test", "testing": "test",
    "trn": "training", "tst": "test", "validate": "validation",
}  # fmt: skip
"""Lower-case word -> the split that it names."""
FILLERS = (
    "set", "sets", "subset", "split", "part", "folder", "dir", "data", "dataset", "image", "images", "img", "imgs",
    "picture", "pictures", "pic", "pics", "photo", "photos", "jpg", "jpeg", "png", "text", "texts", "txt", "doc",
    "docs", "file", "files", "audio", "audios", "sound", "sounds", "wav", "wavs", "clip", "clips", "sample",
    "samples", "example", "examples", "raw", "original",
)  # fmt: skip
"""Words beside a split's name that carry no further meaning."""
BOUNDS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)|(?<=\d)(?=\D)")  # word boundaries: testSet, val2017


def split_names(names: Iterable[str]) -> dict[str, str]:
    """Each name that names a split -> the split. A name with a further word, such as seg_train, counts only if there
    is another split with the same word."""
    found = {name: one for name in names if (one := _read_name(name)) is not None}
    splits: dict[str, set[str]] = {}  # further words -> the splits with these words
    for split, further in found.values():
        splits.setdefault(further, set()).add(split)
    return {name: split for name, (split, further) in found.items() if not further or len(splits[further]) > 1}


def complete_splits(names: Iterable[str]) -> dict[str, str]:
    """As `split_names`, if the training split and another split are among the names; else empty."""
    found = split_names(names)
    return found if "training" in found.values() and len(set(found.values())) > 1 else {}


def split_of(name: str) -> str | None:
    """The split that a name contains, whatever other words it has: `PublicTest` of a column; None without one."""
    found = _read_name(name)
    return None if found is None else found[0]


def _read_name(name: str) -> tuple[str, str] | None:
    """(split, further words) of a name with exactly one word of SPLITS, else None."""
    words = [_split_in(word.lower()) for word in BOUNDS.split(name)]
    splits = [word for word in words if word in SPLIT_WORDS]
    if len(splits) != 1:
        return None
    further = [
        word for word in words if word and word not in SPLIT_WORDS and word not in FILLERS and not word.isdigit()
    ]
    return SPLIT_WORDS[splits[0]], " ".join(further)


def _split_in(word: str) -> str:
    """The split's word in a compound such as trainset or testdata; any other word unchanged."""
    return next((one for one in SPLIT_WORDS if word.startswith(one) and word[len(one) :] in FILLERS), word)
