"""Names of months in other languages, as written in dates."""

from __future__ import annotations

import re

NAMES = {
    "Jan": "januar jänner janvier janv enero ene gennaio gen janeiro januari stycznia января янв",
    "Feb": "februar février fevrier févr fév febrero febbraio fevereiro fev februari lutego февраля фев",
    "Mar": "märz maerz mär mrz mars marzo março maart mrt marca марта мар",
    "Apr": "avril avr abril abr aprile kwietnia апреля апр",
    "May": "mai mayo maggio mag maio mei maj maja мая",
    "Jun": "juni juin junio giugno giu junho czerwca июня июн",
    "Jul": "juli juillet juil julio luglio lug julho lipca июля июл",
    "Aug": "août aout agosto ago augustus augusti sierpnia августа авг",
    "Sep": "septembre septiembre setiembre settembre set setembro września сентября сен",
    "Oct": "oktober okt octobre octubre ottobre ott outubro out października октября окт",
    "Nov": "novembre noviembre novembro listopada ноября ноя",
    "Dec": "dezember dez décembre decembre déc diciembre dic dicembre dezembro december grudnia декабря дек",
}
MONTHS = {name: month for month, names in NAMES.items() for name in names.split()}
NAME = r"(?P<name>[^\W\d_]{3,12})\.?"
WITH_DAY = re.compile(  # 5. Januar 2024, vendredi 5 janvier 2024, 5 de enero de 2024
    rf"([^\W\d_]+\.?,? )?(?P<day>\d{{1,2}})(er|\.|º)?[ /-](de )?{NAME}(,? | de | del |/|-)(?P<year>\d{{2,4}}\b)"
)
ALONE = re.compile(rf"{NAME}(?P<mark> |/|-)(de )?(?P<year>\d{{4}}|\d\d)")

NO_YEAR = re.compile(rf"(?P<day>\d{{1,2}})(er|\.|º)? (de )?{NAME}(?P<after> \d\d:\d\d.*)?")
WHOLE = 4  # least letters of a month's name in a date without a year: "5 set" and "5 out" are not dates, "5 mars" is


def in_english(written: str) -> str:
    """A date with its month's name translated to English; any other text unchanged."""
    for form in (WITH_DAY, ALONE):
        found = form.match(written)
        month = MONTHS.get(found["name"].lower()) if found else None
        if found and month:
            named = f"{found['day']} {month} " if form is WITH_DAY else f"{month}{found['mark']}"
            return f"{named}{found['year']}{written[found.end() :]}"
    found = NO_YEAR.fullmatch(written)
    name = found["name"].lower() if found else ""
    if found and name in MONTHS and (len(name) >= WHOLE or MONTHS[name] == "May"):
        return f"{found['day']} {MONTHS[name]}{found['after'] or ''}"
    return written
