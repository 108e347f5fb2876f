"""Names of labels as they are meant: without what stands around them unseen, and in one form of Unicode."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from unrolled.data.written_numbers import NUMBER

# of no width: joiners and spaces, hyphens that may be, and marks that turn, embed or isolate the direction of writing
INVISIBLE = r"\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
AROUND = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")
POINT_ZERO = re.compile(r"([+-]?\d+)\.0*")
SHOWN_PAIRS = 3


def tidy_label(written: str) -> str:
    """A label without blanks and what has no width at its ends, composed (NFC); 1.0 is 1."""
    name = unicodedata.normalize("NFC", AROUND.sub("", written))
    whole = POINT_ZERO.fullmatch(name)
    return whole[1] if whole else name


def find_labels(given: Sequence[str], names: Sequence[str], unseen: int) -> list[int]:
    """The place of each label among the names that are known, `unseen` where it is none of them. A run that was made
    before labels were tidied may know names with blanks around them."""
    exact = {name: place for place, name in enumerate(names)}
    tidied = {tidy_label(name): place for place, name in reversed(list(enumerate(names)))}
    return [exact.get(one, tidied.get(tidy_label(one), unseen)) for one in given]


def differ_by_case(counts: Mapping[str, int]) -> str:
    """What is said of labels that differ by capital letters alone, each with its rows; "" where none do."""
    return _say_alike(counts, str.casefold, "differ by capital letters alone, and are labels of their own")


def differ_as_written(counts: Mapping[str, int]) -> str:
    """What is said of labels that are one number, written in several ways, as 1 and 01 are; "" where none are."""
    numbers = {name: count for name, count in counts.items() if NUMBER.fullmatch(name)}
    return _say_alike(numbers, exact, "are one number, written differently, and are labels of their own")


def exact(name: str) -> object:
    """The number that a label is, to its last digit; the label itself where its power of ten is beyond all."""
    try:
        return Decimal(name)
    except InvalidOperation:
        return name


def _say_alike(counts: Mapping[str, int], key: Callable[[str], object], how: str) -> str:
    """Labels of one key, with their rows, and how they are alike."""
    alike: dict[object, list[str]] = {}
    for name in counts:
        alike.setdefault(key(name), []).append(name)
    found = [names for names in alike.values() if len(names) > 1]
    said = [" and ".join(f"'{name}' ({counts[name]:,})" for name in names) for names in found[:SHOWN_PAIRS]]
    more = f", and {len(found) - SHOWN_PAIRS} more" if len(found) > SHOWN_PAIRS else ""
    return f"{'; '.join(said)}{more} {how}" if said else ""
