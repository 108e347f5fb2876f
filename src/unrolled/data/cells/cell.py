"""What a cell of a table holds, and the error for a cell at fault."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from numpy.typing import NDArray

from unrolled.errors import DataError

Cell: TypeAlias = str | int | float | bool | list[Any] | NDArray[Any] | None
IDS = re.compile(
    r"(?i:(.*[\W_])?(ids?([ _-]?(code|no|number|name|key|hash)s?)?|item_?ids?|uuid|guid|uid|hash|md5|sha1|sha256))"
    r"|.*[a-z0-9](I[dD]s?|UID)"
)


class InvalidCell(DataError):
    """A cell that is not of its column's kind, or an invalid header. advice: for a training on the table; by_run: the
    advice where a trained run, whose columns are fixed, is given the table."""

    def __init__(self, said: str, advice: str = "", by_run: str = "") -> None:
        super().__init__(f"{said}\n{advice}" if advice else said)
        self.for_run = DataError(f"{said}\n{by_run}" if by_run else said)
