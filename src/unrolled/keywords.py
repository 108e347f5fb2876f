"""The options of a training and of a sample as keyword arguments, for type checkers; those of a training in a group
for each task.

They repeat the declarations of `unrolled.options` and `unrolled.settings`, since a type checker cannot take a
dataclass as keywords; a test compares them.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeAlias, TypedDict

Location: TypeAlias = str | PathLike[str] | None


class TrainKeywords(TypedDict, total=False):
    """The options of every training, except `task`."""

    minutes: float | None
    steps: int | None
    model: str | None
    out: Location
    tokenizer: str
    hidden_size: int | None
    layers: int | None
    batch_size: int | None
    learning_rate: float | None
    dropout: float | None
    bptt: str
    seed: int
    threads: int | None
    device: str
    valid: Any  # a share, a path or data, as the first argument of `train`
    test: Any
    init_from: Location
    plan: Location


class ColumnKeywords(TrainKeywords, total=False):
    """The further options for reading the columns of a table."""

    input: str | None
    no_header: bool


class LanguageModelingKeywords(ColumnKeywords, total=False):
    """The further options of a training on a text."""

    documents: str
    window: int | None


class TableKeywords(ColumnKeywords, total=False):
    """The further options of a training on rows of a table."""

    output: str | None
    group: str | None
    folds: int | None
    fold: int | None
    input_type: str | None
    sequence: str | None
    stem: str
    augment: str
    skip_empty: bool
    decimal: str | None
    shuffle: bool
    rows: int | None
    encoder: str | None
    cache: Location
    frames: int | None
    image_size: int | None


class PredictionKeywords(TableKeywords, total=False):
    """The further options of a training on labels, tags and numbers."""

    pool: str | None
    direction: str | None
    class_weights: str | None
    sampling: str
    loss: str
    fold_tags: str
    min_count: int | None
    freeze: str | None


class Seq2SeqKeywords(TableKeywords, total=False):
    """The further options of a training that generates a text for each row."""

    attention: str | None
    fine_tune: str


class AllKeywords(LanguageModelingKeywords, PredictionKeywords, Seq2SeqKeywords, total=False):
    """The options of all trainings, where the task depends on the data."""


class TrainingKeywords(AllKeywords, total=False):
    """The same with the task, for `unrolled.Training`."""

    task: str | None


class SampleKeywords(TypedDict, total=False):
    """The options of a generated text."""

    prompt: str
    length: int
    temperature: float
    top_k: int | None
    top_p: float | None
    stop: str | None
    count: int
    seed: int
