"""Normalisation of label names: no invisible characters around them, and one Unicode form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

from unrolled.data.cells.written_numbers import NUMBER

# characters without width: joiners and spaces, soft hyphens, and marks that control the direction of writing
INVISIBLE = r"\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
AROUND = re.compile(rf"^[\s{INVISIBLE}]+|[\s{INVISIBLE}]+$")
POINT_ZERO = re.compile(r"([+-]?\d+)\.0*")
SHOWN_PAIRS = 3
TRUTHS = {"true": True, "false": False}  # as JSON writes them; pandas and Python write True and False


def tidy_label(written: str) -> str:
    """A label stripped of blanks and zero-width characters, composed (NFC); 1.0 becomes 1."""
    name = unicodedata.normalize("NFC", AROUND.sub("", written))
    whole = POINT_ZERO.fullmatch(name)
    return whole[1] if whole else name


def find_labels(given: Sequence[str], names: Sequence[str], unseen: int) -> list[int]:
    """The index of each label among the known names, or `unseen`. True and false are the same label however their
    format writes them: true in JSON, True in a csv. A run that was made before labels were tidied may know names with
    blanks around them."""
    exact = {name: place for place, name in enumerate(names)}
    tidied = {_comparable(name): place for place, name in reversed(list(enumerate(names)))}
    return [exact.get(one, tidied.get(_comparable(one), unseen)) for one in given]


def _comparable(label: str) -> str:
    tidied = tidy_label(label)
    return tidied.lower() if tidied.lower() in TRUTHS else tidied


def case_note(counts: Mapping[str, int]) -> str:
    """The note about labels that differ only by case, each with its number of rows; "" if there are none."""
    return _equal_note(counts, str.casefold, "differ only by case, and are separate labels")


def equal_numbers_note(counts: Mapping[str, int]) -> str:
    """The note about labels that are the same number, written in several ways, such as 1 and 01; "" if none."""
    numbers = {name: count for name, count in counts.items() if NUMBER.fullmatch(name)}
    return _equal_note(numbers, exact_number, "are the same number, written differently, and are separate labels")


def exact_number(name: str) -> object:
    """A label as an exact number; the label itself if its exponent is out of range."""
    try:
        return Decimal(name)
    except InvalidOperation:
        return name


def _equal_note(counts: Mapping[str, int], key: Callable[[str], object], how: str) -> str:
    """The labels whose keys are equal, with their numbers of rows, then `how`; "" if there are none."""
    names_of: dict[object, list[str]] = {}
    for name in counts:
        names_of.setdefault(key(name), []).append(name)
    found = [names for names in names_of.values() if len(names) > 1]
    shown = [" and ".join(f"'{name}' ({counts[name]:,})" for name in names) for names in found[:SHOWN_PAIRS]]
    more = f", and {len(found) - SHOWN_PAIRS} more" if len(found) > SHOWN_PAIRS else ""
    return f"{'; '.join(shown)}{more} {how}" if shown else ""
