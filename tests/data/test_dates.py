"""Dates and times, however programs write them: the same moment is read from all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from unrolled.data.dates import date_reader, read_date
from unrolled.data.examples import Asked
from unrolled.data.read_examples import read_examples
from unrolled.errors import DataError


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


DAY = moment(2020, 1, 31)
WRITTEN: dict[str, float] = {
    "2020-01-31": DAY, "2020-01-31 00:00:00": DAY, "2020-01-31 00:00:00+00:00": DAY, "2020-01-31 00:00:00 UTC": DAY,
    "2020-01-31T00:00:00Z": DAY, "2020-01-31T00:00:00.000Z": DAY, "2020-01-31 00:00:00.000000000": DAY,
    "2020-01-31T02:00:00+02:00": DAY, "2020-01-31 02:00:00 +0200": DAY, "20200131T000000": DAY,
    "31.01.2020": DAY, "31.1.2020": DAY, "31.01.20": DAY, "31.01.2020 00:00": DAY, "31-01-2020": DAY, "31-01-20": DAY,
    "1/31/2020": DAY, "1/31/20": DAY, "1/31/20 0:00": DAY, "1/31/2020 12:00:00 AM": DAY, "31/01/2020": DAY,
    "Jan 31, 2020": DAY, "January 31, 2020": DAY, "January 31st, 2020": DAY, "Jan. 31, 2020": DAY,
    "31 Jan 2020": DAY, "31 January 2020": DAY, "31. January 2020": DAY, "31-Jan-2020": DAY, "31-Jan-20": DAY,
    "31 Jan 20": DAY, "2020-Jan-31": DAY, "Friday, January 31, 2020": DAY, "Fri, 31 Jan 2020 00:00:00 +0000": DAY,
    "Fri Jan 31 00:00:00 2020": DAY, "31/Jan/2020:00:00:00 +0000": DAY, "2020年1月31日": DAY, "2020년 1월 31일": DAY,
    "Sept 3, 2020": moment(2020, 9, 3), "2020-W05": moment(2020, 1, 27),
    "2020Q1": moment(2020, 1, 1), "2020-Q3": moment(2020, 7, 1), "Q4 2020": moment(2020, 10, 1),
    "2020-01": moment(2020, 1, 1), "01/2020": moment(2020, 1, 1), "1/2020": moment(2020, 1, 1),
    "01-2020": moment(2020, 1, 1), "Jan 2020": moment(2020, 1, 1), "Jan-20": moment(2020, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("cell", WRITTEN)
def test_a_date_is_the_same_however_it_is_written(cell: str) -> None:
    assert read_date(cell) == WRITTEN[cell]


NONE = [
    "1.5", "12.2020", "2020", "1/2", "3-4", "5:3", "1-2-3", "1.2.3", "192.168.1.1", "555-1234", "2020Q0", "0000Q1",
    "13/2020", "2020-W60", "Jan-99999", "²-1-2020", "word 3", "may 5", "Q5 2020", "May I have 2 of them", "",
]  # fmt: skip


@pytest.mark.parametrize("cell", NONE)
def test_what_is_no_date_is_none(cell: str) -> None:
    assert read_date(cell) is None


def test_one_way_of_writing_serves_a_column() -> None:
    reader = date_reader(["01/02/2020", "13/02/2020"])
    assert reader is not None
    assert reader("01/02/2020") == moment(2020, 2, 1), "the day stands first, as another cell shows"


COLUMNS = {
    "two digits of a year": "{month}/{day:02}/20",
    "Excel": "{day:02}-{name}-20",
    "pandas": "2020-{month:02}-{day:02} 00:00:00",
    "points": "{day:02}.{month:02}.20",
}


@pytest.mark.parametrize("case", COLUMNS)
@pytest.mark.parametrize("shuffled", [True, False])
def test_characters_of_dates_are_not_read(case: str, shuffled: bool, tmp_path: Path) -> None:
    names = ("Jan", "Feb", "Mar")
    dates = [
        COLUMNS[case].format(month=month + 1, day=day, name=names[month])
        for month in range(3)
        for day in range(1, 29)
    ]
    dates = dates[::2] + dates[1::2] if shuffled else dates
    path = tmp_path / "t.csv"
    path.write_text("when,sales\n" + "".join(f"{date},{n * 1.5}\n" for n, date in enumerate(dates)))
    with pytest.raises(DataError, match="'when' holds dates"):
        read_examples(path, Asked())
    path.write_text("when,week,sales\n" + "".join(f"{date},{n % 9},{n * 1.5}\n" for n, date in enumerate(dates)))
    assert read_examples(path, Asked()).columns.time == (None if shuffled else "when")
