"""Rows of one input with several texts, such as the captions of an image: one text is generated for them, and all of
theirs are its references."""

from __future__ import annotations

import numpy as np

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.seq2seq_batches import target_texts_of
from unrolled.data.modalities.base import Ids
from unrolled.data.modalities.text import TextInput

MOST_TEXTS = 20  # texts per input, on average, up to which all are right answers; more are samples of what may follow


def distinct_rows(examples: Examples, split: str) -> Ids:
    """The first row of each different input of a split, in order; all rows where each is scored by itself."""
    rows = examples.splits[split]
    if not _share_references(examples, rows):
        return rows
    return rows[np.sort(np.unique(examples.inputs[rows], return_index=True)[1])]


def rows_with_inputs(examples: Examples, split: str, rows: Ids) -> Ids:
    """All rows of a split with the inputs of these rows, in order."""
    own = examples.splits[split]
    return own[np.isin(examples.inputs[own], examples.inputs[rows])] if _share_references(examples, own) else rows


def reference_texts(examples: Examples, split: str, rows: Ids) -> list[list[str]]:
    """The reference texts of each of these rows, from all rows of the split with its input; at least its own."""
    texts = target_texts_of(examples).texts
    if not _share_references(examples, examples.splits[split]):
        return [[texts[row]] for row in rows.tolist()]
    found: dict[int, list[str]] = {int(one): [] for one in examples.inputs[rows]}
    for row in rows_with_inputs(examples, split, rows).tolist():
        found[int(examples.inputs[row])].append(texts[row])
    return [found[int(one)] for one in examples.inputs[rows]]


def _share_references(examples: Examples, rows: Ids) -> bool:
    """Whether rows with equal inputs are scored as one: those of texts, audio and images. A text for a category, or
    for a few numbers, is one of very many; if any of them counted as right, nearly every text would be."""
    modality = examples.featurizer.input
    if not (isinstance(modality, TextInput) or modality.endings):
        return False
    return len(rows) <= MOST_TEXTS * len(np.unique(examples.inputs[rows]))
