"""Check that decoded rows differ: nothing can be learnt from rows that are all the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dataset.inputs import MEDIA, InputKind
from unrolled.data.dataset.item_store import SplitItems
from unrolled.errors import DataError

CHECKED = 200  # rows, spread evenly
FEWEST = 5  # rows; with fewer, equal rows prove nothing
MOST_EQUAL = 0.95  # share of audio files or images that may be equal
TOLERANCE = 3  # levels of a sample, or of a colour, by which nearly equal ones may differ


def check_rows_differ(path: str | Path, training: SplitItems, taken: InputKind) -> None:
    """Raise DataError if the rows of the training split are all the same, or its audio files or images nearly so."""
    few = min(len(training), CHECKED)
    if few < FEWEST:
        return
    items = [training[place * len(training) // few] for place in range(few)]
    same, what = count_equal(items, taken)
    if same >= (MOST_EQUAL if taken.kind in MEDIA else 1.0) * few:
        cause = (
            "Open one to check that it is decoded correctly" if taken.kind in MEDIA else "Choose another input column"
        )
        raise DataError(
            f"{path}: {same:,} of the {few:,} rows checked are {what}, so there is nothing to learn from them.\n"
            f"{cause}, or give rows that differ."
        )


def count_equal(items: Sequence[Any], taken: InputKind) -> tuple[int, str]:
    """Count the items that equal a typical one; also return a description of them."""
    if isinstance(items[0], str):
        return sum(item == items[0] for item in items), f"the same, '{items[0][:40]}'"
    if taken.kind == "audio":
        silent = sum(int(item.max()) - int(item.min()) <= TOLERANCE for item in items)
        same = sum(np.array_equal(item, items[0]) for item in items)
        return max(silent, same), "silent throughout" if silent >= same else "the same audio"
    if taken.kind == "image":
        middle = np.median(np.stack(items), axis=0)  # (H, W, C)
        near = [int(np.abs(item - middle).max()) <= TOLERANCE for item in items]
        return sum(near), f"nearly the same image, {_colour(middle)}"
    return sum(np.array_equal(item, items[0]) for item in items), "the same numbers"


def _colour(picture: NDArray[np.float64]) -> str:
    low, high = picture.min(), picture.max()
    if high - low > TOLERANCE:
        return "of several colours"
    return (
        "black throughout" if high <= TOLERANCE else "white throughout" if low >= 255 - TOLERANCE else "of one colour"
    )
