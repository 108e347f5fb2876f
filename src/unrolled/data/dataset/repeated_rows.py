"""Validation and test files whose rows the training split has too: each split is judged by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dataset.open_tables import OPTION_OF
from unrolled.data.modalities.base import Ids
from unrolled.errors import DataError

MOST_SHARED = 0.1  # largest share of a split that may be in another split too


def check_given_rows(
    path: str | Path, marks: NDArray[np.int64], source: NDArray[np.uint8], splits: Mapping[str, Ids]
) -> None:
    """Raise DataError if over a tenth of the rows of a validation or test file are rows of training too, or if over a
    tenth of those of the test file are rows of the validation file.

    Rows of few different values recur by nature: the share of the other split's rows that occur in it more than once
    is allowed beside the tenth. marks: (N,) equal for rows with equal input and targets. source: (N,) their files.
    """
    for split, other in (("validation", "training"), ("test", "training"), ("test", "validation")):
        rows, known = splits[split], splits[other]
        rows = rows[source[rows] > 0]  # drawn rows have what recurs by nature
        if not len(rows) or not len(known) or (other == "validation" and not source[known].any()):
            continue
        shared = int(np.isin(marks[rows], marks[known]).sum())
        _, place, counts = np.unique(marks[known], return_inverse=True, return_counts=True)
        by_nature = float((counts[place] > 1).mean())
        if shared > (MOST_SHARED + by_nature) * len(rows):
            raise DataError(
                f"{path}: {shared:,} of the {len(rows):,} rows of the {split} split are in the {other} split too;\n"
                "scores would be too good for other rows. Take them out of one of the files, or leave out "
                f"--{OPTION_OF[split]}:\nthen the {split} split is a share of the training rows."
            )
