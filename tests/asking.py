"""Helpers that run the command, for its tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import unrolled


class RowPrediction(NamedTuple):
    code: int
    out: str
    err: str


Unroll = Callable[..., RowPrediction]


def opened(path: str | Path) -> Any:
    """A run whose task-specific attributes a test may read: all that it has besides its methods."""
    return unrolled.load(path)
