"""The options of a training as keyword arguments of `unrolled.train`, for type checkers: a group for each task.

They say again what `unrolled.options` declares, since a type checker reads no dataclass as keywords; a test holds the
two together.
"""

from __future__ import annotations

from os import PathLike
from typing import TypeAlias, TypedDict

Location: TypeAlias = str | PathLike[str] | None


class TrainKeywords(TypedDict, total=False):
    """What every training takes, but for `kind`."""

    minutes: float | None
    steps: int | None
    model: str | None
    out: Location
    symbols: str
    size: int | None
    depth: int | None
    batch: int | None
    rate: float | None
    dropout: float | None
    gradient: str
    seed: int
    threads: int | None
    device: str
    valid: Location
    test: Location
    from_run: Location
    plan: Location


class ColumnKeywords(TrainKeywords, total=False):
    """What the reading of a table's columns takes beside."""

    input: str | None
    no_header: bool


class LanguageKeywords(ColumnKeywords, total=False):
    """What a training on a text takes beside."""

    documents: str
    window: int | None


class TableKeywords(ColumnKeywords, total=False):
    """What a training on rows of a table takes beside."""

    output: str | None
    group: str | None
    folds: int | None
    fold: int | None
    read: str | None
    sequence: str | None
    inlet: str
    augment: str
    skip_empty: bool
    decimal: str | None
    shuffle: bool
    rows: int | None


class AnswerKeywords(TableKeywords, total=False):
    """What a training on labels, tags and numbers takes beside."""

    pool: str | None
    direction: str | None
    balance: bool
    freeze: str | None


class WritingKeywords(TableKeywords, total=False):
    """What a training on texts about rows takes beside."""

    reader: str | None


class AllKeywords(LanguageKeywords, AnswerKeywords, WritingKeywords, total=False):
    """What any training takes, where the data say which it is."""
