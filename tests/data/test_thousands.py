"""Points that may separate thousands are refused with the option that decides; decimal points are accepted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.cells.written_numbers import cure, plain_number
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.base import TableOptions
from unrolled.data.tables.thousands import ambiguous_thousands
from unrolled.errors import DataError

SIZES = [137 * (row + 1) % 19000 for row in range(60)]


def german(path: Path) -> Path:
    """Sizes with points between thousands, and prices."""
    rows = (f"{size:,}".replace(",", ".") + f";{2 * size + 1}" for size in SIZES)
    path.write_text("size;price\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(("input_column", "output_column"), [("size", "price"), ("price", "size")])
def test_points_that_may_separate_thousands_are_refused(
    input_column: str, output_column: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"'size' holds numbers such as 1\.096(.*\n)+.*\(1096\): --decimal ,\n.*\."):
        read_examples(german(tmp_path / "t.csv"), DatasetOptions(input=input_column, output=output_column))


@pytest.mark.parametrize(("decimal", "greatest"), [(",", max(SIZES)), (".", 959)])
def test_the_option_decides_what_points_are(decimal: str, greatest: float, tmp_path: Path) -> None:
    options = DatasetOptions(input="price", output="size", table_options=TableOptions(decimal=decimal))
    assert read_examples(german(tmp_path / "t.csv"), options).targets["size"].facts()["max"] == [greatest]


def test_such_cells_are_text_on_request(tmp_path: Path) -> None:
    examples = read_examples(
        german(tmp_path / "t.csv"), DatasetOptions(input="size", output="price", input_type="text")
    )
    assert {"1.096", "137"} <= {str(examples.items[row]) for row in range(len(SIZES))}


@pytest.mark.parametrize("cells", [
    ["0.125", "0.250", "0.375", "0.500", "0.625", "1"], ["1.234", "12.345", "3.210", "4.321", "5.432"],
    ["1.234", "2.5", "3.210", "4.321", "5.432", "6.543", "7"], ["1.234"] * 4 + ["7"], ["1234", "345"] * 9,
    ["1.234"] * 9 + ["5", "1234"], ["1.234"] * 9 + ["5", "0.125"], [1.234] * 9 + [5], ["1.234"] * 9 + ["kg"],
], ids=str)  # fmt: skip
def test_decimal_points_are_accepted(cells: list[str]) -> None:
    assert ambiguous_thousands(cells) is None


def test_points_that_may_separate_thousands_are_detected() -> None:
    assert ambiguous_thousands(["345", "-1.234", "12.345", "123.456", "1.000", "2.000", "7"]) == "-1.234"


SPANISH = [f"0,{642 + row} {row % 7},{100 + row}".split() for row in range(40)]


def spanish(path: Path) -> Path:
    """Numbers below 1 with three decimals, after a decimal comma."""
    path.write_text("x;y\n" + "".join(f"{x};{y}\n" for x, y in SPANISH))
    return path


def test_a_comma_after_a_leading_0_is_decimal(tmp_path: Path) -> None:
    for decimal in (None, "."):
        with pytest.raises(DataError, match=r"row 2: '0,642' where .*\nThe comma is the decimal mark; .*: --d"):
            read_examples(spanish(tmp_path / "t.csv"), DatasetOptions(table_options=TableOptions(decimal=decimal)))
    found = read_examples(spanish(tmp_path / "t.csv"), DatasetOptions(table_options=TableOptions(decimal=",")))
    assert np.concatenate([found.items[row] for row in range(2)]).ravel().tolist() == [0.642, 0.643]


WRITTEN = [("0,642", ".", None), ("00,642", ".", None), ("1,642", ".", "1642"), ("-12,345.6", ".", "-12345.6"),
           ("0,642", ",", "0.642"), ("0.642", ",", None), ("1.642", ",", "1642"), ("0", ".", "0")]  # fmt: skip


@pytest.mark.parametrize(("cell", "decimal", "plain"), WRITTEN)
def test_marks_between_thousands_are_removed(cell: str, decimal: str, plain: str | None) -> None:
    assert plain_number(cell, decimal) == plain


def with_cells(path: Path, *odd: str) -> Path:
    """A table whose column 'a' holds some cells and then integers; column 'note' holds the same in words."""
    cells = [*odd, *map(str, range(40))]
    path.write_text("a;note;y\n" + "".join(f"{cell};it is {cell};{row}\n" for row, cell in enumerate(cells)))
    return path


COMMAS = DatasetOptions(input="a", output="y", table_options=TableOptions(decimal=","))


@pytest.mark.parametrize("odd", [
    ("1,234", "3.14"), ("3.14", "1,234"), ("1.234", "3.14"), ("2,5", "-0.5"), ("1.234,5", "7", "1e5", "12.5"),
], ids=str)  # fmt: skip
def test_a_column_with_both_decimal_marks_is_refused_with_the_row(odd: tuple[str, ...], tmp_path: Path) -> None:
    pointed = next(place for place, cell in enumerate(odd) if cell in ("3.14", "-0.5", "12.5"))
    words = rf"t\.csv, row {pointed + 2}, column 'a': '{odd[pointed]}' has no decimal comma, but .* --decimal ,"
    with pytest.raises(DataError, match=words):
        read_examples(with_cells(tmp_path / "t.csv", *odd), COMMAS)


@pytest.mark.parametrize("odd", [("3.14", "2.5"), ("1,234", "0,5"), ("1.234", "1.234,5"), ("7", "1e5")], ids=str)
def test_a_column_with_one_decimal_mark_is_read(odd: tuple[str, ...], tmp_path: Path) -> None:
    assert len(read_examples(with_cells(tmp_path / "t.csv", *odd), COMMAS).items) == 40 + len(odd)


def test_both_marks_in_a_column_of_words_are_accepted(tmp_path: Path) -> None:
    words = [f"version {n}" for n in range(40)]
    words[7], words[9] = "1,5", "3.14"
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"{cell};{row}\n" for row, cell in enumerate(words)))
    assert str(read_examples(tmp_path / "t.csv", COMMAS).items[9]) == "3.14"


BOTH = "If the comma is the decimal mark: --decimal , and if it separates thousands: --decimal ."
FITTING = {
    "a leading 0 below": (["1,234", "0,642"], "The comma is the decimal mark; that fits all cells: --decimal ,"),
    "two decimals": (["1,234", "12,5"], "The comma is the decimal mark; that fits all cells: --decimal ,"),
    "a point above": (["2.5", "1,234"], "The comma separates thousands; that fits all cells: --decimal ."),
    "millions": (["1,234", "1,234,567"], "The comma separates thousands; that fits all cells: --decimal ."),
    "neither": (["0,642", "2.5"], "Write it as 3.14, without thousands separators."),
    "either": (["1,234", "7"], BOTH),
    "points": (["1.100.567", "2,5"], "Its points separate thousands (1100567); that fits all cells: --decimal ,"),
    "points of both kinds": (["1.100.567", "2.5"], "Its points separate thousands: write it as 1100567."),
}


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("case", FITTING)
def test_the_decimal_mark_that_is_advised_fits_all_cells(case: str, output: bool, tmp_path: Path) -> None:
    cells, advice = FITTING[case]
    path = with_cells(tmp_path / "t.csv", *cells)
    options = DatasetOptions(input="a", output="y")
    if output:
        options = DatasetOptions(input="y", output="a", task="regression")
    with pytest.raises(DataError) as raised:
        read_examples(path, options)
    assert advice in str(raised.value)
    for decimal in ",.":
        if f"--decimal {decimal}" in advice:
            assert read_examples(path, replace(options, table_options=TableOptions(decimal=decimal)))


def test_the_output_helps_to_decide_what_the_commas_of_the_input_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"{n},234;0,{n}\n" for n in range(1, 50)))
    with pytest.raises(DataError, match=r"row 2: '1,234' .*\nThe comma is the decimal mark; .*: --decimal ,\n"):
        read_examples(tmp_path / "t.csv", DatasetOptions())


def test_advice_for_a_comma_in_json_names_no_option_of_csv(tmp_path: Path) -> None:
    for cell in ("3,14", "1,234"):
        rows = [{"a": cell if n == 4 else str(n), "y": n / 4} for n in range(60)]
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for options in (DatasetOptions(), DatasetOptions(input="y", output="a")):
            with pytest.raises(DataError, match=r"Write it as 3\.14, without thousands separators\.") as raised:
                read_examples(tmp_path / "t.jsonl", options)
            assert "--decimal" not in str(raised.value)


def wide(path: Path, odd: dict[int, str]) -> Path:
    """A table of 30 columns of numbers and an output; some columns have an odd cell in row 4."""
    names = [f"c{place}" for place in range(30)]
    rows = [[odd.get(place, "7") if n == 2 else str(n * (place + 1) % 50) for place in range(30)] for n in range(60)]
    text = "".join(";".join([*row, f"{n / 4:g}"]) + "\n" for n, row in enumerate(rows))
    path.write_text(";".join([*names, "y"]) + "\n" + text)
    return path


TOGETHER: dict[str, tuple[dict[int, str], str]] = {
    "commas": ({3: "1,234", 9: "0,5", 20: "7,25"}, r"The comma is the decimal mark; .*: --decimal ,$"),
    "missing": ({3: "nan", 9: "NA"}, r"Leave such rows out with --skip-empty"),
    "both": ({3: "1,5", 9: "NA"}, r"To read the commas, and .* without a number out: --decimal , --skip-empty$"),
    "others": ({3: "12%", 9: "NA", 11: "x"}, r"Write the number alone\.$"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER)
def test_of_many_columns_all_that_are_at_fault_are_counted_and_settled(case: str, tmp_path: Path) -> None:
    odd, advice = TOGETHER[case]
    path = wide(tmp_path / "t.csv", odd)
    with pytest.raises(DataError) as raised:
        read_examples(path, DatasetOptions())
    first, second, third = str(raised.value).splitlines()
    assert f"row 4, column 'c3': '{odd[3]}' where numbers were expected. {len(odd)} of 30 columns have such" in first
    assert re.search(advice, second)
    inputs, output = re.fullmatch(r"Or leave these columns out: --input (\S+) --output (\S+)", third).groups()  # type: ignore[union-attr]
    assert read_examples(path, DatasetOptions(input=inputs, output=output)).columns.outputs == ("y",)
    if case != "others":
        options = DatasetOptions(
            skip_empty="--skip-empty" in second,
            table_options=TableOptions(decimal="," if "--decimal ," in second else None),
        )
        assert read_examples(path, options).columns.outputs == ("y",)


CURES = {
    "1.100.567": r"^Its points separate thousands \(1100567\); if they do in all cells: --decimal ,$",
    "inf": r"^It is infinite; .*\. Write the number, or leave the row out\.$",
    "1e400": "^A number has about 308 digits before its point at most",
    "1,2,3": r"^Write it as 3\.14, or leave the row out\.$",
    "1,234": "--decimal , and if it separates thousands: --decimal .$",
}


@pytest.mark.parametrize("cell", CURES)
def test_each_of_these_has_its_own_advice(cell: str) -> None:
    assert re.search(CURES[cell], cure(cell))
