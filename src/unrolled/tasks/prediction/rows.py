"""What models say about a part's rows: as many of them as there is room and time for, all models about the same."""

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

Said: TypeAlias = dict[str, dict[str, Tensor]]  # part's name -> output -> what it says (A, O)

MOST_CELLS = 1 << 22  # answers times what is said of each: labels, numbers; with more labels fewer rows are read
AT_ONCE = 128  # rows between two looks at a deadline


def answer_rows(
    examples: Examples, parts: Mapping[str, Part], part: str, deadline: Deadline = ENDLESS
) -> tuple[Said, Ids]:
    """What each model says about a part's rows, and which rows these are, in that order.

    Where the deadline passes they are fewer, `AT_ONCE` at least, drawn from all of the part.
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
            for out, said in one.answer(items).items():
                found[name][out].append(said)
    joined = {name: {out: torch.cat(each) for out, each in outs.items() if each} for name, outs in found.items()}
    return joined, np.concatenate([rows[:0], *read])


def most_rows(examples: Examples, part: str) -> int:
    """As many of a part's rows as there is room for what is said about them."""
    rows = examples.parts[part]
    widest = max(
        answered.output.width * max(1, len(answered.places(rows)) // max(1, len(rows)))
        for answered in examples.answers.values()
    )
    return max(1, MOST_CELLS // widest)
