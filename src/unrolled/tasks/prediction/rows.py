"""Predictions of several models for the rows of a split: for as many as memory and time allow, the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.predictor import Member
from unrolled.tasks.dataset import chunks_in_time, evenly_spaced
from unrolled.tasks.requests import most_together

Predictions: TypeAlias = dict[str, dict[str, Tensor]]  # model's name -> output -> predictions (A, O)

MOST_CELLS = 1 << 22  # predictions times their width; with more labels fewer rows are used
AT_ONCE = 128  # rows between two checks of the deadline


def predict_rows(
    examples: Examples, members: Mapping[str, Member], split: str, deadline: Deadline = UNLIMITED
) -> tuple[Predictions, Ids]:
    """The predictions of each model for the rows of a split, and these rows, in the same order.

    If the deadline passes there are fewer rows, at least `AT_ONCE`, sampled from all of the split.
    """
    rows = evenly_spaced(examples.splits[split], most_rows(examples, split))
    found: dict[str, dict[str, list[Tensor]]] = {name: {out: [] for out in examples.targets} for name in members}
    read: list[Ids] = []
    for some in chunks_in_time(rows, AT_ONCE, rows_in_memory(examples), deadline):
        if read and deadline.passed():
            break
        deadline.check()
        read.append(some)
        items = list(SplitItems(examples.items, some))
        for name, one in members.items():
            for out, predictions in one.predict(items).items():
                found[name][out].append(predictions)
    joined = {name: {out: torch.cat(each) for out, each in outs.items() if each} for name, outs in found.items()}
    return joined, np.concatenate([rows[:0], *read])


def rows_in_memory(examples: Examples) -> int:
    """The number of rows whose items may be in memory together."""
    return most_together(examples.items[0])


def most_rows(examples: Examples, split: str) -> int:
    """The number of rows of a split whose predictions fit in memory."""
    rows = examples.splits[split]
    widest = max(
        target.output.width * max(1, len(target.indices(rows)) // max(1, len(rows)))
        for target in examples.targets.values()
    )
    return max(1, MOST_CELLS // widest)
