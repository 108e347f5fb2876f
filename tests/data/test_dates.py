"""Dates and times in the forms that programs write: the same moment is read from all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from unrolled.data.cells.dates import date_reader, read_date
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.first_cells import holds_dates
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
    "Fri Jan 31 00:00:00 +0000 2020": DAY, "Fri, 31 Jan 2020 00:00:00 GMT": DAY, "Fri Jan 31 00:00:00 UTC 2020": DAY,
    "2020-01-31 00:00:00 CET": DAY, "2020-01-31 00:00:00 Europe/Berlin": DAY, "2020:01:31 00:00:00": DAY,
    "31. Januar 2020": DAY, "31 janvier 2020": DAY, "31 de enero de 2020": DAY, "31 января 2020": DAY,
    "Freitag, 31. Januar 2020": DAY, "31-janv.-2020": DAY, "31. Januar 2020 00:00": DAY, "2020-031": DAY,
    "1er mars 2020": moment(2020, 3, 1), "Mai 2020": moment(2020, 5, 1), "Mai-20": moment(2020, 5, 1),
    "31.01.2020 00:00 Uhr": DAY, "31.01.2020, 00:00 Uhr": DAY, "31/01/2020 à 00:00": DAY,
    "1/31/2020, 12:00:00 AM": DAY, "20200131000000": DAY, "202001310000": DAY, "2020013100": DAY,
    "31 января 2020 г.": DAY, "31.01.2020 г.": DAY, "31 stycznia 2020 r.": DAY, "2020_01_31": DAY,
    "2020-01-31_00-00": DAY, "2020-01-31_00-00-00": DAY, "2020-01-31T00-00-00": DAY, "20200131_000000": DAY,
    "20200131-0000": DAY, "2020-01-31 00.00": DAY,
    "2020-01-31 - 2020-02-03": DAY, "2020-01-31/2020-02-03": DAY, "31.01.2020–03.02.2020": DAY,
    "2020-01-31 00:00 to 2020-01-31 09:00": DAY, "[31/Jan/2020:00:00:00 +0000]": DAY, "[31/Jan/2020:00:00:00": DAY,
    "2020M02": moment(2020, 2, 1), "Sept 3, 2020": moment(2020, 9, 3), "2020-W05": moment(2020, 1, 27),
    "2020Q1": moment(2020, 1, 1), "2020-Q3": moment(2020, 7, 1), "Q4 2020": moment(2020, 10, 1),
    "2020-01": moment(2020, 1, 1), "01/2020": moment(2020, 1, 1), "1/2020": moment(2020, 1, 1),
    "01-2020": moment(2020, 1, 1), "Jan 2020": moment(2020, 1, 1), "Jan-20": moment(2020, 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("cell", WRITTEN)
def test_a_date_is_the_same_however_it_is_written(cell: str) -> None:
    assert read_date(cell) == WRITTEN[cell]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_moments_since_1970_are_read_in_seconds_and_smaller_units(unit: int) -> None:
    reader = date_reader([1_600_000_000 * unit, 1_600_000_060 * unit], "Timestamp")
    assert reader is not None
    assert reader(1_600_000_060 * unit) == reader(str(1_600_000_060 * unit)) == pytest.approx(1_600_000_060)
    assert date_reader([1_600_000_000 * unit], "count") is None


NONE = [
    "1.5", "12.2020", "2020", "1/2", "3-4", "5:3", "1-2-3", "1.2.3", "192.168.1.1", "555-1234", "2020Q0", "0000Q1",
    "13/2020", "2020-W60", "Jan-99999", "²-1-2020", "word 3", "may 5", "Q5 2020", "2020-367",
    "set 20 of 2020", "mag 12 2020 x", "5 out of 2020", "May I have 2 of them", "",
    "2020_40_06", "v2020_01_31", "20201331000000", "202001310000001",
    "202013310000", "202001312400", "202002310000", "2020013124", "1-2-3 - 4-5-6", "3 - 4", "[1/2]", "at 5:30 r.",
]  # fmt: skip


@pytest.mark.parametrize("cell", NONE)
def test_other_text_is_no_date(cell: str) -> None:
    assert read_date(cell) is None


def test_a_column_has_one_notation_of_dates() -> None:
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
        read_examples(path, DatasetOptions())
    path.write_text("when,week,sales\n" + "".join(f"{date},{n % 9},{n * 1.5}\n" for n, date in enumerate(dates)))
    assert read_examples(path, DatasetOptions()).columns.time == (None if shuffled else "when")


def rising(count: int) -> list[str]:
    return [f"2024-{n // 28 + 1:02d}-{n % 28 + 1:02d}" for n in range(count)]


def table(tmp_path: Path, dates: list[str], name: str = "date") -> Path:
    path = tmp_path / "t.csv"
    rows = (f"{date},some words {n},{'ab'[n % 3 % 2]}\n" for n, date in enumerate(dates))
    path.write_text(f"{name},text,label\n" + "".join(rows))
    return path


ODD: dict[str, Callable[[list[str]], list[str]]] = {
    "an empty cell": lambda some: [*some[:70], "", *some[71:]],
    "NA": lambda some: [*some[:70], "NA", *some[71:]],
    "NaT in the first row": lambda some: ["NaT", *some[1:]],
    "a word": lambda some: [*some[:70], "unknown", *some[71:]],
    "a day that there is not": lambda some: [*some[:70], "2024-02-31", *some[71:]],
    "a late row in front": lambda some: [some[60], *some[:60], *some[61:]],
    "an early row at the end": lambda some: [*some[:3], *some[4:], some[3]],
    "falling dates": lambda some: [*some[:50:-1], some[60], *some[50::-1]],
}


@pytest.mark.parametrize("case", ODD)
def test_one_odd_row_keeps_the_split_by_time(case: str, tmp_path: Path) -> None:
    found = read_examples(table(tmp_path, ODD[case](rising(120))), DatasetOptions())
    assert found.split_method == "the last rows by 'date'"
    assert "the last rows by 'date' (1 without a date, or out of order); to draw" in found.description
    expected = range(12) if case == "falling dates" else range(108, 120)
    assert sorted(found.splits["test"].tolist())[:12] == [*expected]


UNORDERED: dict[str, Callable[[list[str]], list[str]]] = {
    "two files joined": lambda some: [*some, *some],
    "each fifth row elsewhere": lambda some: [
        some[(n * 7) % len(some)] if n % 5 == 0 else d for n, d in enumerate(some)
    ],
    "half of them empty": lambda some: [d if n % 2 else "" for n, d in enumerate(some)][:-1],
    "drawn": lambda some: sorted(some, key=lambda date: date[::-1]),
    "few rows, one odd": lambda some: ["unknown", *some[1:12]],
}


@pytest.mark.parametrize("case", UNORDERED)
def test_rows_in_no_order_are_split_at_random(case: str, tmp_path: Path) -> None:
    assert (
        read_examples(table(tmp_path, UNORDERED[case](rising(120))), DatasetOptions()).split_method
        == "drawn at random"
    )


@pytest.mark.parametrize(
    "name", ["when", "timestamp", "date", "time", "created_utc", "ts", "Datum", "unixReviewTime"]
)
def test_numbers_are_dates_where_the_column_says_so(name: str, tmp_path: Path) -> None:
    for dates in ([date.replace("-", "") for date in rising(120)], [str(1_700_000_000 + 60 * n) for n in range(120)]):
        assert read_examples(table(tmp_path, dates, name), DatasetOptions()).columns.time == name
        assert read_examples(table(tmp_path, dates, "customer"), DatasetOptions()).columns.time is None


def test_one_odd_cell_makes_no_texts_of_dates(tmp_path: Path) -> None:
    for odd in ("unknown", "NA"):
        path = tmp_path / "t.csv"
        dates = [odd if n == 7 else date for n, date in enumerate(rising(120))]
        path.write_text("text,due\n" + "".join(f"some words {n},{date}\n" for n, date in enumerate(dates)))
        with pytest.raises(DataError, match="'due' holds dates"):
            read_examples(path, DatasetOptions())
        path.write_text("due,y\n" + "".join(f"{date},{n * 1.5}\n" for n, date in enumerate(dates)))
        with pytest.raises(DataError, match="'due' holds dates"):
            read_examples(path, DatasetOptions())


DAYS = {
    "Jan 5": ("Jan {0}", "Feb {0}"),
    "5 Jan": ("{0} Jan", "{0} Feb", "{0} März"),
    "March 5": ("March {0}", "June {0}"),
    "5th March": ("{0}th March", "{0}th June"),
    "5. Mai": ("{0}. Mai", "{0}. Juni"),
    "05/01": ("{0:02}/01", "{0:02}/11"),
    "12-31": ("01-{0:02}", "12-{0:02}"),
    "28.02.": ("{0}.02.", "{0}.11."),
    "of a log": ("Jan  {0} 12:30:01", "Oct {0} 02:03:04"),
    "12:30": ("12:{0:02}", "23:{0}"),
}
NO_DAYS = {
    "fractions": ("{0}/11", "{0}/12"),
    "scores": ("{0}:{0}", "1:{0}"),
    "amounts": ("{0} marches", "{0} decibel"),
    "names": ("May Smith {0}", "June Jones {0}"),
    "phones": ("iPhone {0}", "Nokia {0}"),
    "sets": ("{0} set", "{0} out"),
    "words": ("may {0}", "march {0}"),
    "two in one month": ("May {0} was fine", "May {0} was dull"),
}


@pytest.mark.parametrize("case", [*DAYS, *NO_DAYS])
def test_days_without_a_year_are_dates_and_similar_cells_are_not(case: str) -> None:
    forms = DAYS.get(case) or NO_DAYS[case]
    cells = [forms[day % len(forms)].format(day) for day in range(4 if "th" in case else 10, 20)]
    if case in ("scores", "amounts"):
        cells = [cell.replace("1", "7") for cell in cells]
    assert holds_dates(cells) == (case in DAYS)


def test_the_29th_of_february_is_a_day_without_a_year() -> None:
    assert holds_dates(["Feb 28", "Feb 29"]) and not holds_dates(["Feb 29", "Feb 30"])


DIGITS: dict[str, tuple[str, Callable[[int], str], bool]] = {
    "stamps": ("x", lambda n: f"2024{n // 28 + 1:02d}{n % 28 + 1:02d}080000", True),
    "stamps without seconds": ("x", lambda n: f"2024{n // 28 + 1:02d}{n % 28 + 1:02d}1230", True),
    "stamps of hours": ("x", lambda n: f"2024{n // 28 + 1:02d}{n % 28 + 1:02d}12", True),
    "barcodes": ("x", lambda n: str(202_401_311_230 + 977 * n), False),
    "stamps that are ids": ("order_id", lambda n: f"2024{n // 28 + 1:02d}{n % 28 + 1:02d}080000", False),
    "long numbers": ("x", lambda n: str(20_240_105_080_000 + 977 * n), False),
    "years": ("date", lambda n: str(1900 + n), True),
    "years that are called so": ("year", lambda n: str(1900 + n), False),
    "days of a spreadsheet": ("Datum", lambda n: f"{44_197 + n}.5", True),
    "prices": ("sales", lambda n: str(44_197 + n), False),
    "amounts by a date": ("date_count", lambda n: str(n), False),
}


@pytest.mark.parametrize("case", DIGITS)
def test_dates_in_digits_are_neither_inputs_nor_outputs(case: str, tmp_path: Path) -> None:
    name, cell, dated = DIGITS[case]
    assert holds_dates([cell(n) for n in range(60)], name) == dated
    path = tmp_path / "t.csv"
    for header, other in ((f"{name},sales2", "input"), (f"text,{name}", "output")):
        words = [cell(n) for n in range(60)]
        rows = [
            f"{word},{n % 9 * 1.5}" if other == "input" else f"some words {n},{word}" for n, word in enumerate(words)
        ]
        path.write_text("\n".join([header, *rows]) + "\n")
        if dated:
            told = (
                f"'{name}' holds dates, (of which|and predicting) .*(.*\n)*.* --(input-type vectors|task regression)"
            )
            with pytest.raises(DataError, match=told):
                read_examples(path, DatasetOptions())
        elif other == "output":
            assert read_examples(path, DatasetOptions()).targets[name].output.kind == "regression"


def test_stamps_of_minutes_order_the_rows_also_where_they_are_numbers(tmp_path: Path) -> None:
    rows = [{"x": int(f"2024{n // 28 + 1:02d}{n % 28 + 1:02d}1230"), "a": n % 7, "y": n % 5 / 4} for n in range(60)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_examples(tmp_path / "t.jsonl", DatasetOptions())
    assert found.columns.inputs == ("a",) and found.columns.time == "x"


def test_dates_in_digits_are_numbers_on_request(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,date\n" + "".join(f"some words {n},{1900 + n}\n" for n in range(60)))
    assert read_examples(path, DatasetOptions(task="regression")).targets["date"].output.kind == "regression"


def test_rows_in_order_of_years_are_split_by_time(tmp_path: Path) -> None:
    years = [str(1960 + n // 2) for n in range(120)]
    for name, some, time in (
        ("year", years, "year"), ("Year", years[::-1], "Year"), ("year", years[::2] + years[1::2], None),
        ("size", years, None),
        ("birth_year", years, None), ("YearBuilt", years, None), ("Jahr", years, "Jahr"),
        ("year", [str(n) for n in range(120)], None),
    ):  # fmt: skip
        assert read_examples(table(tmp_path, some, name), DatasetOptions()).columns.time == time
    path = tmp_path / "t.csv"
    path.write_text("year,size,price\n" + "".join(f"{year},{n % 7},{n % 11 * 1.5}\n" for n, year in enumerate(years)))
    assert read_examples(path, DatasetOptions()).columns.inputs == ("year", "size"), "a year is a number like others"


ORDERED_YEARS: dict[str, tuple[str, str, Callable[[int], int], str]] = {
    "in order": ("year,size", "{0},{1}", lambda n: 1960 + n // 2, "--input size --output price"),
    "backwards": ("size,Jahr", "{1},{0}", lambda n: 2020 - n // 2, "--input size --output price"),
    "alone": ("year", "{0}", lambda n: 1960 + n // 2, "--test FILE"),
    "in another order": ("year,size", "{0},{1}", lambda n: 1960 + n % 60, ""),
    "the same": ("year,size", "{0},{1}", lambda n: 1960, ""),
    "of birth": ("birth_year,size", "{0},{1}", lambda n: 1960 + n // 2, ""),
    "no years": ("year,size", "{0},{1}", lambda n: n, ""),
}


@pytest.mark.parametrize("case", ORDERED_YEARS)
def test_a_random_split_is_reported_where_rows_are_in_order_of_years(case: str, tmp_path: Path) -> None:
    header, form, year, advice = ORDERED_YEARS[case]
    path = tmp_path / "t.csv"
    rows = [f"{form.format(year(n), n % 7)},{n % 11 * 1.5}\n" for n in range(120)]
    path.write_text(f"{header},price\n" + "".join(rows))
    found = read_examples(path, DatasetOptions())
    said = [
        note for note in found.notes if "is read as a number, and validation and test are drawn at random" in note
    ]
    assert len(said) == bool(advice) and all(note.endswith(advice) for note in said)
    assert found.columns.time is None
    if "size" in advice:
        other = read_examples(path, DatasetOptions(input="size", output="price"))
        assert other.columns.time in ("year", "Jahr") and not other.notes[0].startswith("'")
        assert not [note for note in read_examples(path, DatasetOptions(fold=(1, 3))).notes if "as a number" in note]
