"""Free tags, such as hashtags: what people type, in spelling variants. They are folded to one tag each.

#Sunset_Beach, #sunsetbeach and sunset-beach are `sunsetbeach`. Folded are case, the Unicode form (NFKC), `#`, blanks,
`_`, `-` and characters without width. Plurals are not: news is not the plural of new, and the rules differ between
languages. Accents are not either: they make other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from unrolled.data.cells.label_names import INVISIBLE

HASHTAG = re.compile(r"(?:^|[\s,;|#])[#＃][^\s,;|#＃]")  # one that begins a word; C# is none
BREAKS = re.compile(r"[#＃\s,;|]+")  # between the tags of a cell that holds a hashtag
JOINS = re.compile(rf"[#＃\s_\-\u2010-\u2015\ufe0e\ufe0f{INVISIBLE}]+")  # left out of a tag


def fold_tag(written: str) -> str:
    """The tag that all its spelling variants share; "" for one without a letter, digit or sign of its own."""
    folded = unicodedata.normalize("NFKC", written).casefold()
    return unicodedata.normalize("NFC", JOINS.sub("", folded))


def holds_hashtag(cell: str) -> bool:
    """Whether a cell, or an entry of it, begins with #."""
    return HASHTAG.search(cell) is not None


def fold_tags(entries: Iterable[str]) -> list[str]:
    """The folded tags of a cell's entries, in order, each once. An entry with a hashtag is cut at #, blanks, commas,
    semicolons and bars: "#sun#sea #sky" holds three."""
    parts = [part for one in entries for part in (BREAKS.split(one) if holds_hashtag(one) else [one])]
    return sorted({fold_tag(part) for part in parts} - {""})
