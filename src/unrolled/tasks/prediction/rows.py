"""Predictions of several models for the rows of a split: for as many as memory and time allow, the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from unrolled.data.examples import Examples
from unrolled.data.intake import Ids
from unrolled.data.items import PartItems
from unrolled.deadline import ENDLESS, Deadline
from unrolled.model.predictor import Part
from unrolled.tasks.dataset import in_turn, spread
from unrolled.tasks.requests import TOGETHER

Predictions: TypeAlias = dict[str, dict[str, Tensor]]  # model's name -> output -> predictions (A, O)

MOST_CELLS = 1 << 22  # predictions times their width; with more labels fewer rows are used
AT_ONCE = 128  # rows between two checks of the deadline


def answer_rows(
    examples: Examples, parts: Mapping[str, Part], part: str, deadline: Deadline = ENDLESS
) -> tuple[Predictions, Ids]:
    """The predictions of each model for the rows of a split, and these rows, in the same order.

    If the deadline passes there are fewer rows, at least `AT_ONCE`, sampled from all of the split.
    """
    rows = spread(examples.parts[part], most_rows(examples, part))
    found: dict[str, dict[str, list[Tensor]]] = {name: {out: [] for out in examples.answers} for name in parts}
    read: list[Ids] = []
    for some in in_turn(rows, AT_ONCE, TOGETHER, deadline):
        if read and deadline.passed():
            break
        deadline.check()
        read.append(some)
        items = list(PartItems(examples.items, some))
        for name, one in parts.items():
            for out, predictions in one.answer(items).items():
                found[name][out].append(predictions)
    joined = {name: {out: torch.cat(each) for out, each in outs.items() if each} for name, outs in found.items()}
    return joined, np.concatenate([rows[:0], *read])


def most_rows(examples: Examples, part: str) -> int:
    """The number of rows of a split whose predictions fit in memory."""
    rows = examples.parts[part]
    widest = max(
        answered.output.width * max(1, len(answered.places(rows)) // max(1, len(rows)))
        for answered in examples.answers.values()
    )
    return max(1, MOST_CELLS // widest)
