"""The measured reach of a language model, stored in its run folder until the weights change."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from unrolled.errors import RunError
from unrolled.fileio import read_json, with_checksum, without_checksum, write_json
from unrolled.metrics.reach import Reach
from unrolled.opening import check_plain_file
from unrolled.rundir.formats import upgraded_reach
from unrolled.schema import check_type

NAME = "reach.json"


def read_reach(folder: Path, weights: str) -> Reach | None:
    """The reach measured for these weights; None where it was not measured, or reach.json is damaged.

    weights: what identifies them, see `RunFolder.weights_hash`.
    """
    path = folder / NAME
    with contextlib.suppress(RunError):
        known = check_type(read_json(path), dict[str, Any], str(path)) if check_plain_file(path) else {}
        if without_checksum(known, str(path), must=True).get("weights") == weights:
            return Reach.from_json(upgraded_reach(known.get("reach")), str(path))
    return None


def write_reach(folder: Path, weights: str, reach: Reach) -> None:
    """Stores the reach measured for these weights."""
    write_json(folder / NAME, with_checksum({"weights": weights, "reach": reach.to_dict()}))
