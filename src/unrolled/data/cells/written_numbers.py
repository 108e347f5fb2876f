"""Numbers as people write them in cells: valid numbers, cells that are nearly numbers, and decimal commas."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
COMMA = re.compile(r"[+-]?(\d+(\.\d{3})*|\d*),\d+([eE][+-]?\d+)?|[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
MINUS = "\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{FULLWIDTH HYPHEN-MINUS}"  # characters written in place of -
MONEY = "$€£¥₹₽₩₺₪₴₫฿"
GROUPED_DIGITS = r"[1-9]\d{0,2}(?:[\s'’_]\d{3})+(?:[.,]\d*)?"  # 1 001, 1'001 and 1_001, with any kind of space
ONE = rf"(?:{GROUPED_DIGITS}|[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?)"
SIGNED = re.compile(rf"[+{MINUS}-]?\s*[{MONEY}]?\s*[+{MINUS}-]?{ONE}\s*[%‰{MONEY}]?")
DOTTED = re.compile(r"(?!\d{1,3}(\.\d{3})+$)\d+(\.\d+){2,}")  # 31.12.1999, 192.168.0.1
PAIR = re.compile(r"\(?[+-]?\d+\.\d+\s*[,;]\s*[+-]?\d+\.\d+\)?")  # 52.5,-13.4: coordinates
PHONE = re.compile(r"\+\d{1,3}(\s\d{3})+")  # +48 601 234 567
UNIT = r"[^\s\d.,:;!?()+/&#-][^\s\d]{0,11}[23]?"  # kg, °C, m2, km/h
AMOUNT = re.compile(
    rf"(?:[~≈<>≤≥]=?|ca\.?|[+{MINUS}-])?\s*(?:[A-Z]{{0,3}}[{MONEY}]|(?P<before>[A-Z]{{3}}))?\s*(?:{ONE})"
    rf"(?P<to>\s*[{MINUS}-]\s*{ONE})?(?:\s*(?P<after>{UNIT}))?\+?|\({ONE}\)|\d+\s*/\s*\d+"
    rf"|{ONE}\s*[{MINUS}-]|{ONE}\s*[×x*·]\s*10\^?[+-]?\d+|0[xX][0-9a-fA-F]{{1,8}}|{ONE}\s*(?:±|\+/-)\s*{ONE}|[+-]?[\d٬]+٫\d+|[+-]?\d[\d.]*[+-]\d[\d.]*[ij]"
    r"|\d{1,3}\s*°\s*\d{1,2}\s*['’′](?:\s*\d{1,2}(?:[.,]\d+)?\s*[\"”″])?\s*[NSEWO]?"
)
"""Also 5 ± 0.1, Arabic decimals, complex numbers and degrees with minutes."""
EXACT = 2**53  # up to here every integer is exact in float64
MOST_DIGITS = 400  # most digits of an integer that fits into float64, and some zeros
LONGEST = 60  # most characters of a cell that is nearly a number; numbers themselves may be longer
UNDEFINED = frozenset(("nan", "na", "n/a", "#n/a", "null", "none", "nil", "missing", "-", "--", "?", *"‐‑‒–—―−",
                       "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"))  # fmt: skip
"""Cells that mark a missing number, in small letters; also the errors of spreadsheets, and dashes."""
MULTIPLIERS = frozenset(
    ("k", "K", "M", "B", "G", "T", "mn", "bn", "m", "Mio", "Mio.", "Mrd", "Mrd.", "Tsd", "Tsd.", "lakh", "crore",
     "million", "billion", "тыс", "млн", "万", "億", "亿", "만", "억")
)  # fmt: skip
INDIAN = re.compile(r"[+-]?\d{1,2}(,\d{2})+,\d{3}(\.\d*)?")  # 1,23,456
PLAINLY = "Write it as 3.14, without thousands separators."
INFINITE = frozenset(("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"))
GROUPED = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?|[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?"),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?|[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"),
}
"""Numbers by their decimal mark; the other mark may separate thousands, but not after a leading 0."""


def is_number(cell: Any) -> bool:
    """Whether a cell is a finite number in float64, or is written as one."""
    if isinstance(cell, str):
        return NUMBER.fullmatch(cell.strip()) is not None and math.isfinite(float(cell))
    return not isinstance(cell, bool) and isinstance(cell, int | float) and is_finite(cell)


def all_numbers(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """Cells as numbers (N,), if every one is a number by `is_number`; else None. Fast, for tables of many columns.

    Python's float() accepts what `is_number` accepts, and also inf, nan and 1_000, which are excluded here.
    """
    if not {str, int, float}.issuperset(map(type, cells)):
        return None
    try:
        found = np.array(list(map(float, cells)))
    except (ValueError, OverflowError):
        return None
    valid = np.isfinite(found).all() and "_" not in "".join(map(str, cells))
    return found if valid else None


def is_finite(number: float) -> bool:
    """Whether a number is finite in float64. A JSON file may hold integers that are not, and NaN."""
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def is_rounded(cell: Any) -> bool:
    """Whether a cell is an integer that is not exact in float64, as most beyond 2^53; usually an id."""
    if isinstance(cell, str):
        if not len(str(EXACT)) <= len(cell) <= MOST_DIGITS or WHOLE.fullmatch(cell.strip()) is None:
            return False
        cell = int(cell.strip().partition(".")[0])
    if isinstance(cell, bool) or not isinstance(cell, int) or abs(cell) <= EXACT or not is_finite(cell):
        return False
    return int(float(cell)) != cell


def rounding_note(cell: Any) -> str:
    """The part of a message about an integer that is not exact in float64."""
    return f"{cell}, which would become {int(float(cell))}: integers beyond 2^53 lose digits"


def may_be_rounded(numbers: NDArray[np.floating[Any]]) -> bool:
    """Whether one of these numbers may be beyond 2^53; a quick test that is never wrongly False."""
    return not np.vdot(numbers, numbers) < float(EXACT) ** 2


def is_missing(cell: Any) -> bool:
    """Whether a cell marks a missing number: nan, NA, null, and similar."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return isinstance(cell, str) and cell.strip().lower() in UNDEFINED


def is_nearly_number(cell: Any) -> bool:
    """Whether a cell is nearly a number: 3,14 or 12% or 1e400."""
    if isinstance(cell, bool):
        return False
    if isinstance(cell, int | float):
        return not is_finite(cell) and not is_missing(cell)
    if not isinstance(cell, str) or is_number(cell):
        return False
    written = cell.strip()
    if NUMBER.fullmatch(written) or written.lower() in INFINITE:
        return True
    if len(written) > LONGEST or DOTTED.fullmatch(written) or PHONE.fullmatch(written):
        return False
    return SIGNED.fullmatch(written) is not None or PAIR.fullmatch(written) is not None


def unit_of(cell: Any, spans: bool = False) -> str | None:
    """The unit of a cell that is a single amount: "kg" of 12 kg, "EUR" of EUR 3.50, "" of ~5, (5.5) and 12/200; None
    for any other cell, also for a number. spans: accept ranges such as 5-10, whose form phone numbers have too."""
    if not isinstance(cell, str) or len(cell) > LONGEST or is_number(cell) or is_nearly_number(cell):
        return None
    if not any(map(str.isdigit, cell)) or DOTTED.fullmatch(cell.strip()) or PHONE.fullmatch(cell.strip()):
        return None
    found = AMOUNT.fullmatch(cell.strip())
    if found is None or (found["to"] and not spans):
        return None
    return found["after"] or found["before"] or ""


def decimal_marks(cells: Iterable[Any]) -> frozenset[str]:
    """The decimal marks with which all cells that are written as numbers can be read; numbers alone decide."""
    marks = frozenset(GROUPED)
    for cell in cells:
        if isinstance(cell, str) and (fitting := fitting_marks(cell)) is not None:
            marks &= fitting
    return marks


def fitting_marks(cell: str) -> frozenset[str] | None:
    """The decimal marks with which a cell is a number; none if its points and commas fit neither; None for a cell in
    any other form."""
    written = cell.strip()
    if len(written) > LONGEST:
        return None
    fitting = frozenset(mark for mark, form in GROUPED.items() if form.fullmatch(written))
    return fitting if fitting or COMMA.fullmatch(written) else None


def cure(cell: Any, by_run: bool = False, marks: Collection[str] | None = None) -> str:
    """One line of advice for a cell that is not a number where numbers are expected. by_run: a trained run expects
    them, so that its options cannot be changed. marks: the decimal marks that fit all cells, none if `--decimal` does
    not apply; None: only this cell is known."""
    written = str(cell).strip()
    if is_missing(cell):
        return "Leave such rows out with --skip-empty, or write the number."
    if len(written) <= LONGEST and COMMA.fullmatch(written):
        return _comma_cure(written, by_run, marks)
    if len(written) <= LONGEST and PAIR.fullmatch(written):
        return "These are two numbers: write each into its own column."
    if minus := re.match(f"[{MINUS}]", written):
        return f"Its minus sign is the character U+{ord(minus[0]):04X}: write - instead."
    if re.fullmatch(rf"[+-]?{GROUPED_DIGITS}", written):
        marks = "spaces" if re.search(r"\s", written) else "thousands separators"
        plain = re.sub(r"[\s'’_]", "", written)
        return f"Write the number without {marks}: {plain}."
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(\.\d{3}){2,}", written):
        plain = written.replace(".", "")
        if by_run:
            return f"Write it as {plain}; or use a run that was trained with --decimal ,"
        if marks is not None and "," not in marks:
            return f"Its points separate thousands: write it as {plain}."
        return f"Its points separate thousands ({plain}); {_hedge('they do', marks)}: --decimal ,"
    if (unusual := _unusual_cure(written)) is not None:
        return unusual
    if written.lower() in INFINITE:
        return "It is infinite; finite numbers are expected. Write the number, or leave the row out."
    if is_nearly_number(cell) and not re.search(rf"[%‰{MONEY}]", written):
        if not NUMBER.fullmatch(written):
            return "Write it as 3.14, or leave the row out."
        return "A number has about 308 digits before its point at most. Correct it, or leave the row out."
    if not any(one.isdigit() for one in written):
        return "Write the number. If there is none, leave the cell empty and skip such rows with --skip-empty."
    return "Write the number alone."


def _unusual_cure(written: str) -> str | None:
    """The advice for notations in which the digits alone are another number; None for others."""
    if INDIAN.fullmatch(written):
        return f"Write the number without thousands separators: {written.replace(',', '')}."
    if found := re.fullmatch(rf"\(\s*({NUMBER.pattern})\s*\)", written):
        return f"If the parentheses mean a negative number, write -{found[1]}; else write {found[1]}."
    if found := re.fullmatch(rf"({NUMBER.pattern})\s*[{MINUS}-]", written):
        return f"Write the sign in front: -{found[1]}."
    if found := re.fullmatch(rf"({NUMBER.pattern})\s*[×x*·]\s*10\^?([+-]?\d+)", written):
        return f"Write it as {found[1]}e{found[5]}."
    if len(written) <= LONGEST and re.fullmatch(r"0[xX][0-9a-fA-F]+", written):
        return f"Write it as a decimal number: {int(written, 16)}."
    if re.fullmatch(r"\d+\s*/\s*\d+", written):
        return "Write its value as a decimal number, such as 0.5 for 1/2."
    if re.fullmatch(r"[+-]?[\d٬]+٫\d+", written):
        return f"Write it as {written.replace('٬', '').replace('٫', '.')}."
    if re.match(r"\d+\s*°\s*\d", written):
        return "Write degrees as a decimal number, such as 48.5 for 48°30', and below 0 in the south and west."
    if re.fullmatch(r"[+-]?[\d.]+[+-][\d.]+[ij]", written):
        return "Write the real and the imaginary part into a column each."
    if (unit := unit_of(written)) in MULTIPLIERS:
        return f"Write the number in full, without '{unit}', if that multiplies it; else the number alone."
    return None


def _comma_cure(written: str, by_run: bool, marks: Collection[str] | None) -> str:
    """The advice for a number with commas."""
    if by_run:
        return "Write it as 3.14, without thousands separators; or use a run that was trained with --decimal ,"
    fitting = (fitting_marks(written) or frozenset()).intersection(GROUPED if marks is None else marks)
    if len(fitting) == 2:
        return "If the comma is the decimal mark: --decimal , and if it separates thousands: --decimal ."
    if "," in fitting:
        return f"The comma is the decimal mark; {_hedge('it is', marks)}: --decimal ,"
    if "." in fitting:
        return f"The comma separates thousands; {_hedge('it does', marks)}: --decimal ."
    return PLAINLY


def _hedge(verb: str, marks: Collection[str] | None) -> str:
    return f"if {verb} in all cells" if marks is None else "that fits all cells"


def shortened(cell: Any, most: int = 40) -> str:
    """A cell, cut to `most` characters for a message."""
    try:
        written = str(cell)
    except ValueError:  # Python converts no integer of over 4,300 digits
        return "a whole number of thousands of digits"
    return written if len(written) <= most else f"{written[:most]} …"


def plain_number(cell: str, decimal: str) -> str | None:
    """A number with this decimal mark, in Python's notation; None for any other cell."""
    written = cell.strip()
    if len(written) > LONGEST or not GROUPED[decimal].fullmatch(written):
        return None
    return written.replace("." if decimal == "," else ",", "").replace(decimal, ".")


def write_number(value: float, scale: float = 0.0) -> str:
    """Write a number with as many digits as its scale needs: six, or more if it is far from zero. scale: the typical
    difference between such numbers; 0 writes all digits, as in a table."""
    if not math.isfinite(value):
        return str(value)
    if not scale > 0:
        return repr(float(value)).removesuffix(".0")
    further = math.floor(math.log10(abs(value))) - math.floor(math.log10(scale)) if value else 0
    return f"{value:.{min(17, max(6, 5 + further))}g}"


def holds_numbers(cells: Sequence[Cell]) -> bool:
    """Whether most cells of a column are numbers, or nearly; the others raise errors later, with their rows."""
    if all_numbers(cells) is not None:  # fast, because a table may have very many columns of numbers
        return True
    known = [cell for cell in cells if not is_missing(cell)]
    return not known or 2 * sum(is_number(cell) or is_nearly_number(cell) for cell in known) > len(known)
