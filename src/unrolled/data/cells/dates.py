"""Dates and times in cells: recognise them, and convert them to seconds."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from unrolled.data.cells.cell import IDS, Cell
from unrolled.data.cells.month_names import in_english
from unrolled.data.cells.written_numbers import is_missing

COMPACT = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # 20240105
STAMP = rf"{COMPACT}(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d)?)?"  # 2024010508, 202401050800, 20240105080000
DIGIT_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by number of digits
SHAPE = re.compile(  # what may be a date: tried first, because most cells are none
    r"\d{1,4}([-./]\d{1,2}[-./]\d{1,4}|[-/]\d{1,2})([T ].*)?|\d{1,2}[-/]\d{4}|\d{8}T\d{4,6}Z?"
    r"|\d{4}[-/ ]?[Qq][1-4]|[Qq][1-4][-/ ]?\d{4}|\d{4}-?W\d\d(-?\d)?|(19|20)\d\d-[0-3]\d\d"
    r"|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
    r"|[A-Za-z]{3,9}[.,]{0,2} .*\d.*|[A-Za-z]{3}[-/]\d{2,4}"
    r"|(\d{1,2}\.? [A-Za-z]{3,9}\.?,? |\d{1,4}[-/][A-Za-z]{3,9}[-/])\d{2,4}.*"
    rf"|{STAMP}"
    r"|\d{1,2}\.?[ -][A-Za-z]{3,9}( \d\d:\d\d.*)?|[A-Za-z]{3,9}-\d{1,2}|\d{1,2}\.\d{1,2}\."
)
QUARTER = re.compile(
    r"(?P<year>\d{4})[-/ ]?Q(?P<quarter>[1-4])|Q(?P<first>[1-4])[-/ ]?(?P<after>\d{4})", re.IGNORECASE
)
ONE_DAY = r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?: \d{1,2}:\d\d(?::\d\d)?)?"
NOTATIONS = (  # notations that are converted to one that a format reads
    (re.compile(r"^\[(.*?)\]?$"), r"\1"),  # in a server's log
    (re.compile(r"(?<=\d)(?: ?г\.?| ?года| r\.| р\.)(?=$| \d)"), ""),  # "year", in Russian and Polish
    (re.compile(r"(?<=:\d\d) ?(?:Uhr|uhr|hrs?|h)$"), ""),
    (re.compile(r"(?<=\d)(?:,|,? (?:à|um|at|o))(?= \d{1,2}:\d\d)"), ""),
    (re.compile(r"^(\d{4})_(\d\d)_(\d\d)(?=$|[_ T])"), r"\1-\2-\3"),
    (re.compile(rf"^({ONE_DAY})(?: [-–—/~] |[–—~]| to | bis | until )({ONE_DAY})$"), r"\1"),  # a range of days
    (re.compile(r"^(\d{4}-\d\d-\d\d)/\d{4}-\d\d-\d\d$"), r"\1"),
    (re.compile(r"(\d{4})[年년] ?(\d{1,2})[月월] ?(\d{1,2})[日일]"), r"\1-\2-\3"),
    (re.compile(r"(?<=\d)(st|nd|rd|th)\b"), ""),
    (re.compile(r"\bSept\b"), "Sep"),
    (re.compile(r"(?<=[a-z])\.(?= )"), ""),
    (re.compile(r"^(\d{4}):(\d\d):(\d\d)(?= \d)"), r"\1-\2-\3"),  # as cameras write it
    (re.compile(r"(?<=-\d\d-\d\d)_(?=\d\d:)"), " "),
    (re.compile(r"^(\d{4}-\d\d-\d\d)[-_ T](\d\d)[-_.](\d\d)$"), r"\1 \2:\3"),  # in names of files
    (re.compile(r"^(\d{4}-\d\d-\d\d)[-_ T](\d\d)[-_.](\d\d)[-_.](\d\d)$"), r"\1 \2:\3:\4"),
    (re.compile(r"^(\d{4})(\d\d)(\d\d)[-_](\d\d)(\d\d)$"), r"\1-\2-\3 \4:\5"),
    (re.compile(r"^(\d{4})(\d\d)(\d\d)[-_](\d\d)(\d\d)(\d\d)$"), r"\1-\2-\3 \4:\5:\6"),
    (re.compile(r"^(\d{4})M(\d\d)$"), r"\1-\2"),
    # a time zone is ignored: at most an hour off, twice a year
    (re.compile(r"(?<=:\d\d) ?([A-Z]{3,5}|[A-Z][a-z]+/[A-Z][A-Za-z_]+)(?=$| \d{4}$)"), ""),
    (re.compile(r"(?<=\d) (?=[-+]\d\d:?\d\d$)"), ""),
    (re.compile(r"(?<=/\d{4}):(?=\d\d:)"), " "),
)
DATED = re.compile(
    r"(?i:(.*[\W_])?(date|day|time|timestamp|datetime|when|moment|ts|epoch|unix|utc|created|updated|modified|published|"
    r"posted|datum|zeit|zeitpunkt|fecha)s?([\W_].*)?)|.*[a-z](Date|Time|Day)(stamp)?"
)
"""Columns in which whole numbers may be dates: 20240105, or seconds (also thousandths and so on) since 1970."""
DAY_NAMED = re.compile(r"(?i:(.*[\W_])?(date|datum|datetime|fecha|dato)s?([\W_].*)?)|.*[a-z]Date")
"""Columns in which whole numbers may be years, or a spreadsheet's day numbers."""
YEAR_NAMED = re.compile(
    r"(?!(?i:.*(birth|born|built|found|model)))"
    r"((?i:(.*[\W_])?(years?|yr|jahr|ann[ée]e|año|anno|ano|rok|год)([\W_].*)?)|.*[a-z]Year)"
)
"""Columns whose years may order the rows; a year of birth does not."""
YEARS = (1900, 2100)
SERIALS = (40_000, 50_000)  # Excel's day numbers (days since the end of 1899) from 2009 to 2036
SECONDS = (300_000_000, 4_200_000_000)  # seconds since 1970 that are taken as a time: from 1979 to 2103
CLOCK = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S%z")
DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y",
    "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%b %d %Y", "%B %d %Y", "%d %b %Y",
    "%d %B %Y", "%d. %B %Y", "%d %b %y", "%d-%b-%Y", "%d-%b-%y", "%Y-%b-%d", "%d/%b/%Y", "%a %d %b %Y",
    "%A %d %B %Y", "%a %b %d %Y", "%A %B %d %Y",
)  # fmt: skip
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%b %Y", "%B %Y", "%b-%y", "%b-%Y", "%b/%Y")
FORMATS = (
    *(day + clock for day in DAYS for clock in CLOCK), *MONTHS, "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %z %Y", "%Y-%j",
    *(clock.strip() for clock in CLOCK[1:-1]),
)  # fmt: skip
NAMED_DAYS = ("%b %d", "%B %d", "%d %b", "%d %B", "%d. %b", "%d. %B", "%d-%b", "%b-%d")
NUMBERED_DAYS = ("%m/%d", "%d/%m", "%m-%d", "%d-%m", "%d.%m.")
"""Days without a year; two numbers are one only if a cell has a leading 0, unlike fractions and scores."""
PADDED = re.compile(r"(0\d[-/.]\d\d|\d\d[-/.]0\d)\b.*")
NAMES = {
    name.lower()
    for names in (calendar.month_name, calendar.month_abbr, calendar.day_name, calendar.day_abbr)
    for name in names
}
WORD = re.compile("may|march")  # without a capital these are words, not months
LONGEST = 40  # characters of a date
FEWEST = 20  # cells, from which one may be no date


def read_date(cell: Cell) -> float | None:
    """Return seconds since 1970, or since midnight for a time of day; None for a cell that is no date."""
    found = date_reader([cell])
    return None if found is None else found(cell)


def date_reader(cells: list[Cell], name: str = "") -> Callable[[Any], float | None] | None:
    """Choose a reader for a column's dates by some of its cells: the one that reads most of them, and all but
    `allowed_errors` of those that are not missing. None if there is none: the column holds no dates. name: the
    column's, which decides whether numbers may be dates."""
    there = [cell for cell in cells if not is_missing(cell)]
    named = DATED.fullmatch(name) or DAY_NAMED.fullmatch(name)
    if not named and not any(map(_may_be_date, there[:2])):
        return None  # the usual case
    if not there:
        return None
    found, least = None, allowed_errors(len(there)) + 1
    padded = any(isinstance(cell, str) and PADDED.match(cell.strip()) for cell in there)
    for reader in (*date_readers(name), *DAYS_BY_NAME, *(DAYS_BY_NUMBER if padded else ())):
        odd = 0
        for cell in there:
            odd += reader(cell) is None
            if odd >= least:
                break
        else:
            found, least = reader, odd
        if not least:
            break
    return found


def _may_be_date(cell: Any) -> bool:
    """Whether a cell has a form that dates have too."""
    return _moment(cell) is not None or _shaped(cell) is not None or _stamp(cell) is not None


def allowed_errors(count: int) -> int:
    """Number of cells, of so many, that may be no dates or out of order, if all others are dates in order."""
    return max(1, count // 100) if count >= FEWEST else 0


def date_readers(name: str = "") -> list[Callable[[Any], float | None]]:
    """Readers of dates for a column of this name, the least ambiguous first."""
    stamps = () if IDS.fullmatch(name) else (_stamp,)
    numbers = NUMBERED if DATED.fullmatch(name) else ()
    days = DAYS_OF_NUMBERS if DAY_NAMED.fullmatch(name) else ()
    return [*PLAIN_FORMS, *stamps, *numbers, *days, *map(_by_format, FORMATS)]


def holds_years(cells: Sequence[Any], name: str) -> bool:
    """Whether a column holds years, by its name and its cells. As an input they are ordinary numbers, but they may
    order the rows."""
    return bool(cells) and is_year_name(name) and all(read_year(cell) is not None for cell in cells)


def is_year_name(name: str) -> bool:
    """Whether a column of this name may hold years that order the rows; a year of birth does not."""
    return YEAR_NAMED.fullmatch(name) is not None


def are_digit_dates(cells: Sequence[Any], name: str) -> bool:
    """Whether a column's numbers are dates in digits, 20240105, or, by its name, years or spreadsheet days.
    Seconds since 1970 are not: their differences are meaningful."""
    reader = date_reader(list(cells), name)
    return reader in (_stamp, _compact, *DAYS_OF_NUMBERS)


def _moment(cell: Any) -> float | None:
    """Read a date object, as parquet files hold them."""
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo else cell.replace(tzinfo=UTC)).timestamp()
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC).timestamp()
    if isinstance(cell, time):
        return cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6
    return None


def _shaped(cell: Any) -> str | None:
    """Normalise a cell that may be a date: single blanks, no commas, as in the formats."""
    if not isinstance(cell, str) or len(cell) > LONGEST or not any(map(str.isdigit, cell)):
        return None
    return _plain(cell)


@lru_cache(1024)  # because many readers are tried on each cell
def _plain(cell: str) -> str | None:
    written = in_english(" ".join(cell.split()))
    for usual, plain in NOTATIONS:
        written = usual.sub(plain, written)
    if not SHAPE.fullmatch(written):
        return None
    return written if re.search(r"\d,\d", written) else written.replace(",", "")


@lru_cache(1024)
def _has_date_words(written: str) -> bool:
    """Whether all words of three letters or more are names of months and days, as in the formats. Tried first,
    because trying all formats on one cell takes milliseconds."""
    return all(word.lower() in NAMES for word in re.findall(r"[^\W\d_]{3,}", written))


def _iso(cell: Any) -> float | None:
    written = _shaped(cell)
    if written is None or not re.match(r"\d{4}-\d\d-\d\d|\d{8}T|\d{4}-?W", written):
        return None
    try:
        return _moment(datetime.fromisoformat(written))
    except ValueError:
        return None


def _quarter(cell: Any) -> float | None:
    """Read 2020Q1 as its first day."""
    written = _shaped(cell)
    found = QUARTER.fullmatch(written) if written else None
    if found is None:
        return None
    year, quarter = int(found["year"] or found["after"]), int(found["quarter"] or found["first"])
    return _moment(date(year, 3 * quarter - 2, 1)) if year else None


def _compact(cell: Any) -> float | None:
    """Read 20240105, as text or as a number."""
    return _read_digits(cell, COMPACT)


def _stamp(cell: Any) -> float | None:
    """Read 202401050800, or the same without minutes or with seconds, as text or as a number."""
    return _read_digits(cell, STAMP)


def _read_digits(cell: Any, pattern: str) -> float | None:
    written = str(cell).strip() if isinstance(cell, str | int) else ""
    if not re.fullmatch(pattern, written, re.ASCII):
        return None
    try:
        return _moment(datetime.strptime(written, DIGIT_FORMATS[len(written)]))
    except ValueError:  # such as the 31st of February
        return None


def read_year(cell: Any) -> float | None:
    """Read a year from 1900 to 2100, as text or as a number, as its first day."""
    number = _number(cell)
    return _moment(date(int(number), 1, 1)) if YEARS[0] <= number <= YEARS[1] and number.is_integer() else None


def _serial(cell: Any) -> float | None:
    """Read days since the end of 1899, a spreadsheet's day number."""
    number = _number(cell)
    return (number - 25_569) * 86_400 if SERIALS[0] <= number <= SERIALS[1] else None


def _number(cell: Any) -> float:
    """Return a cell of four or five digits, perhaps with decimals, as a number; else 0."""
    if isinstance(cell, str):
        return float(cell) if re.fullmatch(r"\s*\d{4,5}(\.\d*)?\s*", cell, re.ASCII) else 0.0
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) < 1e6 else 0.0


def _since_1970(cell: Any) -> float | None:
    """Read seconds, milliseconds, microseconds or nanoseconds since 1970."""
    if isinstance(cell, str):
        if not re.fullmatch(r"\s*\d{9,19}(\.\d*)?\s*", cell, re.ASCII):
            return None
        cell = float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    for seconds in (cell / 1000**power for power in range(4)) if abs(cell) < 1e19 else ():
        if SECONDS[0] <= seconds <= SECONDS[1]:
            return float(seconds)
    return None


PLAIN_FORMS = (_moment, _iso, _quarter)
"""Readers of unambiguous notations."""
NUMBERED = (_compact, _since_1970)
"""More such readers, if the column's name says that its numbers are dates."""
DAYS_OF_NUMBERS = (read_year, _serial)
"""More such readers, if it says that they are days."""


def _by_format(form: str) -> Callable[[Any], float | None]:
    dated = "%Y" in form or "%y" in form

    def reader(cell: Any) -> float | None:
        written = _shaped(cell)
        if written is None or not _has_date_words(written):
            return None
        try:
            found = datetime.strptime(written, form)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
        except ValueError:
            return None
        return found.timestamp() if dated else (found - datetime(1900, 1, 1, tzinfo=UTC)).total_seconds()

    return reader


def _within_year(form: str) -> Callable[[Any], float | None]:
    """Make a reader of days without a year, taken as days of 2000, a leap year."""

    def reader(cell: Any) -> float | None:
        written = _shaped(cell)
        if written is None or WORD.match(written):
            return None
        try:
            return datetime.strptime(f"2000 {written}", f"%Y {form}").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None

    return reader


DAYS_BY_NAME, DAYS_BY_NUMBER = (
    tuple(_within_year(day + clock) for day in days for clock in CLOCK[:-1]) for days in (NAMED_DAYS, NUMBERED_DAYS)
)
"""Readers of a day without a year: with the month's name, and as two numbers."""
