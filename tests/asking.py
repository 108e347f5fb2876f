"""Asking the command, as its tests do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import unrolled


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Unroll = Callable[..., Answer]


def opened(path: str | Path) -> Any:
    """A run to be looked into: what it has beside its verbs is its task's own."""
    return unrolled.load(path)
