"""Points that may part thousands are refused with the option that settles them; those before decimals are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.data.examples import Asked
from unrolled.data.read_examples import read_examples
from unrolled.data.table_file import TableOptions
from unrolled.data.thousands import may_part_thousands
from unrolled.errors import DataError

SIZES = [137 * (row + 1) % 19000 for row in range(60)]


def german(path: Path) -> Path:
    """Sizes with points between thousands, and prices."""
    rows = (f"{size:,}".replace(",", ".") + f";{2 * size + 1}" for size in SIZES)
    path.write_text("size;price\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(("asks", "answers"), [("size", "price"), ("price", "size")])
def test_points_between_thousands_are_asked_about(asks: str, answers: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'size' holds numbers such as 1\.096(.*\n)+.*\(1096\): --decimal ,\n.*\."):
        read_examples(german(tmp_path / "t.csv"), Asked(input=asks, output=answers))


@pytest.mark.parametrize(("decimal", "greatest"), [(",", max(SIZES)), (".", 959)])
def test_the_option_settles_what_they_are(decimal: str, greatest: float, tmp_path: Path) -> None:
    asked = Asked(input="price", output="size", options=TableOptions(decimal=decimal))
    assert read_examples(german(tmp_path / "t.csv"), asked).answers["size"].facts()["greatest"] == [greatest]


def test_they_are_read_as_text_where_that_was_asked_for(tmp_path: Path) -> None:
    examples = read_examples(german(tmp_path / "t.csv"), Asked(input="size", output="price", read="text"))
    assert {"1.096", "137"} <= {str(examples.items[row]) for row in range(len(SIZES))}


@pytest.mark.parametrize("cells", [
    ["0.125", "0.250", "0.375", "0.500", "0.625", "1"], ["1.234", "12.345", "3.210", "4.321", "5.432"],
    ["1.234", "2.5", "3.210", "4.321", "5.432", "6.543", "7"], ["1.234"] * 4 + ["7"], ["1234", "345"] * 9,
    ["1.234"] * 9 + ["5", "1234"], ["1.234"] * 9 + ["5", "0.125"], [1.234] * 9 + [5], ["1.234"] * 9 + ["kg"],
], ids=str)  # fmt: skip
def test_points_before_decimals_are_no_fault(cells: list[str]) -> None:
    assert may_part_thousands(cells) is None


def test_points_that_may_part_thousands_are_known() -> None:
    assert may_part_thousands(["345", "-1.234", "12.345", "123.456", "1.000", "2.000", "7"]) == "-1.234"
