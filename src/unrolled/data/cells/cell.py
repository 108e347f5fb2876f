"""What a cell of a table holds."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from numpy.typing import NDArray

Cell: TypeAlias = str | int | float | bool | list[Any] | NDArray[Any] | None
IDS = re.compile(
    r"(?i:(.*[\W_])?(ids?([ _-]?(code|no|number|name|key|hash)s?)?|item_?ids?|uuid|guid|uid|hash|md5|sha1|sha256))"
    r"|.*[a-z0-9](I[dD]s?|UID)"
)
