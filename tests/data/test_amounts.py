"""Numbers as people write them, with units, blanks or another minus sign: never read or learnt as characters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.data.cells.written_numbers import cure, is_nearly_number, unit_of
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError

WRITTEN: dict[str, tuple[Callable[[int], str], str]] = {
    "another minus": (lambda n: f"\u2212{n / 3:.2f}", r"U\+2212: write - instead"),
    "a dash": (lambda n: f"\u2013{n / 3:.2f}", r"U\+2013: write - instead"),
    "apostrophes": (lambda n: f"1'{n:03d}", r"without thousands separators: 1002\."),
    "blanks": (lambda n: f"1 {n:03d}", r"without spaces: 1002\."),
    "no-break blanks": (lambda n: f"1\u00a0{n:03d}", r"without spaces: 1002\."),
    "thin blanks": (lambda n: f"1\u202f{n:03d}", r"without spaces: 1002\."),
    "underscores": (lambda n: f"1_{n:03d}", r"without thousands separators: 1002\."),
    "euros": (lambda n: f"3 {n:03d} €", "Write the number alone"),
    "EUR": (lambda n: f"EUR {n}.50", "Write the number alone"),
    "degrees": (lambda n: f"{n}.5 °C", "Write the number alone"),
    "kilograms": (lambda n: f"{n} kg", "Write the number alone"),
    "speeds": (lambda n: f"{n}km/h", "Write the number alone"),
    "thousands": (lambda n: f"{n + 0.3}{'kM'[(n + 1) % 3 // 2]}", "in full, without 'k', if that"),
    "brackets": (lambda n: f"({n}.5)", r"negative number, write -2\.5; else write 2\.5\."),
    "a minus behind": (lambda n: f"{n}.5-", r"Write the sign in front: -2\.5\."),
    "lakhs": (lambda n: f'"1,23,{n:03d}"', r"without thousands separators: 123002\."),
    "powers": (lambda n: f"1.{n}×10^3", r"Write it as 1\.2e3\."),
    "hexadecimal": (lambda n: f"0x{n:x}f", r"Write it as a decimal number: 47\."),
    "fractions": (lambda n: f"{n} / 200", "its value as a decimal number, such as 0.5 for 1/2"),
    "ten thousands": (lambda n: f"{n}万", "in full, without '万', if that"),
    "errors": (lambda n: f"{n} ± 0.1", "Write the number alone"),
    "Arabic": (lambda n: f"{n}٫5", r"Write it as 2\.5\."),
    "minutes of degrees": (lambda n: f"{n}°{n % 60}'N", "degrees as a decimal number, such as 48.5"),
    "complex": (lambda n: f"{n}+{n}j", "the real and the imaginary part into a column each"),
    "places": (lambda n: f'"{n}.5,-{n}.25"', "two numbers: write each into its own column"),
    "about": (lambda n: f"~{n}", "Write the number alone"),
    "at least": (lambda n: f"{n}+", "Write the number alone"),
}
SPANS: dict[str, Callable[[int], str]] = {"from to": lambda n: f"{n}-{2 * n + 1}"}
TEXTS: dict[str, Callable[[int], str]] = {
    "addresses": lambda n: f"{n} {('Main', 'Oak', 'Hill', 'Lake')[n % 4]} Street",
    "addresses, the number last": lambda n: f"Hauptstr. {n}",
    "phone numbers": lambda n: f"555-{1000 + n}",
    "phone numbers abroad": lambda n: f"+48 601 {n:03d} {999 - n}",
    "phone numbers of groups": lambda n: f"0171 {n:03d} {100 + n}",
    "phone numbers in brackets": lambda n: f"(555) {n:03d}-{1000 + n}",
    "products": lambda n: f"iPhone {n} Pro",
    "counted things": lambda n: f"{n} dogs and 2 cats",
    "things of many kinds": lambda n: f"{n} {'abcdefghij'[n % 10]}pples",
}


def table(tmp_path: Path, header: str, row: Callable[[int], str]) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *map(row, range(2, 82))]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("cell", ["—", "–", "−", "#DIV/0!", "#VALUE!"])
def test_a_dash_or_a_spreadsheet_error_is_a_missing_number(cell: str, tmp_path: Path) -> None:
    path = table(tmp_path, "x,y", lambda n: f"{n},{cell if n % 8 == 2 else n / 3}")
    with pytest.raises(DataError, match=r"row 2: 'y' is .*\nLeave such rows out with --skip-empty, or write"):
        read_examples(path, DatasetOptions())
    assert read_examples(path, DatasetOptions(skip_empty=True)).skipped == 10


@pytest.mark.parametrize("case", [*WRITTEN, *SPANS])
def test_amounts_are_never_learnt_as_generated_texts(case: str, tmp_path: Path) -> None:
    cell, words = WRITTEN.get(case) or (SPANS[case], "Write the number alone")
    path = table(tmp_path, "text,y", lambda n: f"some words {n}x,{cell(n)}")
    with pytest.raises(DataError, match=rf"t\.csv, row 2: 'y' is .*\n.*{words}") as raised:
        read_examples(path, DatasetOptions())
    assert "--task seq2seq" in str(raised.value)
    assert read_examples(path, DatasetOptions(task="seq2seq")).targets["y"].output.kind == "seq2seq"


def test_amounts_are_no_tags_where_texts_have_as_many_words(tmp_path: Path) -> None:
    path = table(tmp_path, "animal,weight", lambda n: f"dog {n},{n / 7:.1f} kg")
    with pytest.raises(DataError, match=r"row 2: 'weight' is '0\.3 kg'"):
        read_examples(path, DatasetOptions())


@pytest.mark.parametrize("case", WRITTEN)
def test_characters_of_amounts_are_not_read(case: str, tmp_path: Path) -> None:
    cell, words = WRITTEN[case]
    path = table(tmp_path, "size,y", lambda n: f"{cell(n)},{n * 1.5}")
    with pytest.raises(DataError, match=rf"t\.csv, row 2: .*where numbers .*\n.*{words}") as raised:
        read_examples(path, DatasetOptions())
    assert "--input-type text" in str(raised.value)
    assert read_examples(path, DatasetOptions(input_type="text")).targets["y"].output.kind == "regression"


@pytest.mark.parametrize("case", TEXTS)
def test_texts_with_numbers_in_them_are_read_as_texts(case: str, tmp_path: Path) -> None:
    path = table(tmp_path, "text,y", lambda n: f"{TEXTS[case](n)},{n * 1.5}")
    assert read_examples(path, DatasetOptions()).featurizer.input.name == "text"


@pytest.mark.parametrize("case", ["addresses", "products", "counted things", "things of many kinds"])
def test_texts_with_numbers_in_them_are_generated(case: str, tmp_path: Path) -> None:
    path = table(tmp_path, "text,answer", lambda n: f"some words and more of them {n}x,{TEXTS[case](n)}")
    assert read_examples(path, DatasetOptions()).targets["answer"].output.kind == "seq2seq"


def test_amounts_of_few_kinds_are_labels(tmp_path: Path) -> None:
    for kinds in (("18-24", "25-34", "35+"), ("5 kg", "10 kg", "20 kg"), ("1/5", "2/5", "3/5")):
        path = table(tmp_path, "text,size", lambda n, kinds=kinds: f"some words {n}x,{kinds[n % 3]}")  # type: ignore[misc]
        assert read_examples(path, DatasetOptions()).targets["size"].output.kind == "classification"
        path = table(tmp_path, "size,y", lambda n, kinds=kinds: f"{kinds[n % 3]},{n * 1.5}")  # type: ignore[misc]
        assert read_examples(path, DatasetOptions()).targets["y"].output.kind == "regression"


@pytest.mark.parametrize(
    ("cell", "unit"),
    [("12 kg", "kg"), ("EUR 3.50", "EUR"), ("5m2", "m2"), ("~5", ""), ("12/200", ""), ("5-10", None), ("5", None),
     ("3,14", None), ("12 Main Street", None), ("2024-01-05", None), ("a 5", None), ("", None), (5, None)],
)  # fmt: skip
def test_an_amount_has_one_unit(cell: object, unit: str | None) -> None:
    assert unit_of(cell) == unit
    assert unit_of("5-10", spans=True) == ""


def test_dots_alone_make_no_number(tmp_path: Path) -> None:
    for cell in ("31.12.1999", "192.168.0.1", "3.14.15"):
        assert not is_nearly_number(cell)
        assert unit_of(cell) is None
    assert is_nearly_number("1.234.567")
    path = table(tmp_path, "datum,y", lambda n: f"{n % 28 + 1:02d}.01.{1900 + n},{n * 1.5}")
    with pytest.raises(DataError, match=r"'datum' holds dates") as raised:
        read_examples(path, DatasetOptions())
    assert str(raised.value).endswith("--input-type text"), "which reads it"
    assert read_examples(path, DatasetOptions(input_type="text")).featurizer.input.name == "text"
    path = table(tmp_path, "text,datum", lambda n: f"words {n},{n % 28 + 1:02d}.01.{1900 + n}")
    with pytest.raises(DataError, match=r"'datum' holds dates, and predicting"):
        read_examples(path, DatasetOptions())


def test_the_column_at_fault_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b b,c,y", lambda n: f"{n},{'NaN' if n == 40 else n / 4},{n % 3},{n * 1.5}")
    with pytest.raises(
        DataError, match=r"t\.csv, row 40, column 'b b': 'NaN' where numbers were expected\."
    ) as raised:
        read_examples(path, DatasetOptions())
    assert str(raised.value).endswith("Or leave the column out: --input a,c --output y")
    assert read_examples(path, DatasetOptions(input="a,c")).columns.outputs == ("y",)
    path = table(tmp_path, "a,b,y", lambda n: f"{n},{n}%,{n * 1.5}")
    with pytest.raises(
        DataError, match=r"row 2, column 'b': '2%'.*\n.*\nOr leave the column out: --input a --output y$"
    ):
        read_examples(path, DatasetOptions())


def test_long_cells_are_checked_quickly() -> None:
    for cell in ("1 " * 30_000, "1," * 30_000, "9" * 59 + "x", "1 234" * 11):
        assert not is_nearly_number(cell)
        unit_of(cell)
    assert cure("\u22121e400").startswith("Its minus sign")
