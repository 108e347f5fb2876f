"""Asking the command, as its tests do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Unroll = Callable[..., Answer]
