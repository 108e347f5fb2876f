"""Rows that are all alike once they are decoded: nothing can be learnt from them, whatever the cause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.inputs import MEDIA, InputKind
from unrolled.data.items import PartItems
from unrolled.errors import DataError

LOOKED_AT = 200  # rows, spread evenly
FEWEST = 5  # rows from which being alike says something
MOST_ALIKE = 0.95  # share of sounds or pictures
NEARLY = 3  # steps of a sample, or of a colour, by which what is alike may differ


def check_unlike(path: str | Path, training: PartItems, taken: InputKind) -> None:
    """Raises DataError where the rows of the training part are given alike: all of them, or of sounds and pictures
    nearly all to nearly the same numbers."""
    few = min(len(training), LOOKED_AT)
    if few < FEWEST:
        return
    items = [training[place * len(training) // few] for place in range(few)]
    alike, what = count_alike(items, taken)
    if alike >= (MOST_ALIKE if taken.kind in MEDIA else 1.0) * few:
        cause = "Are they decoded as they should be? Look at one" if taken.kind in MEDIA else "Name another input"
        raise DataError(
            f"{path}: {alike:,} of {few:,} rows that were looked at are {what}: there is nothing to tell apart.\n"
            f"{cause}, or give rows that differ."
        )


def count_alike(items: Sequence[Any], taken: InputKind) -> tuple[int, str]:
    """How many of these are like the one in their middle, and what they are then."""
    if isinstance(items[0], str):
        return sum(item == items[0] for item in items), f"the same, '{items[0][:40]}'"
    if taken.kind == "sound":
        silent = sum(int(item.max()) - int(item.min()) <= NEARLY for item in items)
        same = sum(np.array_equal(item, items[0]) for item in items)
        return max(silent, same), "silent throughout" if silent >= same else "the same sound"
    if taken.kind == "picture":
        middle = np.median(np.stack(items), axis=0)  # (H, W, C)
        near = [int(np.abs(item - middle).max()) <= NEARLY for item in items]
        return sum(near), f"nearly the same picture, {_colour(middle)}"
    return sum(np.array_equal(item, items[0]) for item in items), "the same numbers"


def _colour(picture: NDArray[np.float64]) -> str:
    low, high = picture.min(), picture.max()
    if high - low > NEARLY:
        return "not of one colour"
    return "black throughout" if high <= NEARLY else "white throughout" if low >= 255 - NEARLY else "of one colour"
