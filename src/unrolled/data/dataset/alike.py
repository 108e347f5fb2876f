"""Check that decoded rows differ: nothing can be learnt from rows that are all the same."""

from __future__ import annotations

from pathlib import Path

from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.modalities.base import Modality
from unrolled.errors import DataError

CHECKED = 200  # rows, spread evenly
FEWEST = 5  # rows; with fewer, equal rows prove nothing


def check_rows_differ(path: str | Path, training: SplitItems, modality: Modality) -> None:
    """Raise DataError if the rows of the training split are all the same, or its audio files or images nearly so."""
    few = min(len(training), CHECKED)
    if few < FEWEST:
        return
    same, what = modality.count_equal([training[place * len(training) // few] for place in range(few)])
    if same >= modality.most_equal * few:
        raise DataError(
            f"{path}: {same:,} of the {few:,} rows checked are {what}, so there is nothing to learn from them.\n"
            f"{modality.if_equal}, or give rows that differ."
        )
