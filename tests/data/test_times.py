"""Times of day and durations: their characters are neither inputs nor outputs; scores and verses are not times."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from unrolled.data.cells.times import holds_times, is_time
from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError

TIMES = {
    "minutes and seconds": ["59:07", "90:15", "112:58", "61:40"],
    "with hours": ["59:07", "1:02:33", "2:11:00", "58:31"],
    "past a day": ["31:05", "48:30", "24:00", "100:59"],
    "with decimals": ["00:01:30.5", "00:02:11.25", "00:00:59.0", "00:01:00.75"],
    "laps": ["1:23.456", "1:22.981", "2:01.110", "1:19.004"],
    "pandas": ["0 days 00:01:30", "1 days 02:03:04", "0 days 12:00:00", "3 days 00:00:00"],
    "Python": ["1 day, 2:03:04", "12:00:11", "2 days, 0:00:01", "5:59:00"],
    "hours and minutes": ["08:30", "17:45", "12:05", "23:59"],
    "units": ["1h 02m", "2h 30m", "3 h 5 min", "12h45m"],
    "ISO": ["PT1H2M", "PT30M", "PT2H", "PT59S"],
    "signed": ["-0:05", "+1:10", "+0:30", "-2:09"],
}
NO_TIMES = {
    "scores": ["3:2", "1:0", "2:2", "0:4"],
    "scores of two digits": ["31:28", "25:25", "22:30", "27:26"],
    "ratios": ["16:9", "4:3", "21:9", "16:10"],
    "chess": ["1-0", "0-1", "1/2-1/2", "1-0"],
    "verses": ["3:16", "1:14", "119:11", "5:33"],
    "verses among words": ["John 3:16", "Jesus wept", "Psalm 23:01", "1:03"],
    "amounts": ["12 min", "3 h", "45 s", "2 h"],
    "chapters": ["12:1a", "3:02b", "4:05c", "1:01d"],
    "addresses": ["fe80::01", "10.0.0.1:80", "1:2:03", "a:05"],
    "past 59": ["3:75", "10:99", "2:61", "1:60"],
}


@pytest.mark.parametrize("case", TIMES)
def test_columns_of_times_are_detected(case: str) -> None:
    assert all(map(is_time, TIMES[case]))
    assert holds_times(TIMES[case])


@pytest.mark.parametrize("case", NO_TIMES)
def test_similar_cells_are_no_times(case: str) -> None:
    assert not holds_times(NO_TIMES[case])


def test_durations_of_a_parquet_file_are_times() -> None:
    assert holds_times([timedelta(seconds=3547), timedelta(hours=2)])


def read(tmp_path: Path, header: str, rows: list[str], **options: str) -> Examples:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_examples(path, DatasetOptions(**options))  # type: ignore[arg-type]


DURATIONS = [f"{40 + n}:{n * 7 % 60:02}" if n % 3 else f"{1 + n // 30}:{n:02}:{n * 11 % 60:02}" for n in range(60)]


def test_times_are_not_generated_as_characters(tmp_path: Path) -> None:
    rows = [f"runner {n},{time}" for n, time in enumerate(DURATIONS)]
    with pytest.raises(DataError, match=r"'finish' holds times, such as 1:00:00, .*\n.*--output seconds") as raised:
        read(tmp_path, "text,finish", rows)
    assert str(raised.value).count("\n") == 2
    assert read(tmp_path, "text,finish", rows, task="seq2seq").targets["finish"].output.kind == "seq2seq"


@pytest.mark.parametrize("sorted_last", [True, False])
def test_characters_of_times_are_not_read(tmp_path: Path, sorted_last: bool) -> None:
    words = [f"none of them {n}" for n in range(52)] if sorted_last else []  # more rows than are inspected first
    cells = [*words, *DURATIONS] if not words else [*words, *(DURATIONS * 3)]
    rows = [f"{cell},{'ab'[n % 2]}" for n, cell in enumerate(cells)]
    with pytest.raises(DataError, match=r"'finish' holds times, such as .*\n.*--input seconds"):
        read(tmp_path, "finish,label", rows)
    assert read(tmp_path, "finish,label", rows, input_type="text").columns.inputs == ("finish",)


@pytest.mark.parametrize("case", ["scores", "verses among words", "ratios"])
def test_scores_and_verses_are_read_as_text(tmp_path: Path, case: str) -> None:
    rows = [f"{cell},{'ab'[n % 2]}" for n, cell in enumerate(NO_TIMES[case] * 20)]
    assert read(tmp_path, "what,label", rows).columns.inputs == ("what",)
