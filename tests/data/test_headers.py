"""A first row that does not fit the rows below it is reported with advice; one that fits is accepted."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.base import TableOptions
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError


def write(path: Path, header: str, row: Callable[[int], str], count: int = 40) -> Path:
    path.write_text("".join(line + "\n" for line in [header, *map(row, range(count))]))
    return path


ODD: dict[str, tuple[str, Callable[[int], str], str]] = {
    "^": ("text^label", lambda n: f"a word, and {n}^{n % 2}", r"same number of '\^', (.*\n).*'s/\\\^/\\t/g'"),
    "a byte 1": ("text\x01label", lambda n: f"a {n}\x01{n % 2}", r"each row has the same number of '\\x01'"),
    "¦ in quotes": ("text¦label", lambda n: f'"a ¦ {n}"¦{n % 2}', "each row has the same number of '¦'"),
    "blanks": (
        "x y kind",
        lambda n: f"{n}.5  {n % 7} k{n % 2}",
        r"same number of words and numbers, as if .*\n.*: sed -E 's/\^ \+\| \+\$//g; s/ \+/\\t/g'",
    ),
    "tabs below commas": ("text,label", lambda n: f"a word, {n}\t{n % 2}", "its cells .* a comma, and .* by a tab"),
    "commas below semicolons": (
        "text;label",
        lambda n: f"a {n},{n % 2}",
        "by a semicolon, and those of most .* by a comma",
    ),
    "names of rows": ("size,label", lambda n: f"{n},{n / 7},k{n % 2}", r"R's write\.table .*: sed '1s/\^/row,/'"),
    "a comma at the end": (
        "size,label",
        lambda n: f"{n % 9},k{n % 2},",
        r"every row ends with a comma.*(.*\n).*: sed '2,",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_a_header_that_does_not_fit_is_reported(case: str, tmp_path: Path) -> None:
    header, row, words = ODD[case]
    with pytest.raises(DataError, match=words) as told:
        open_table(write(tmp_path / "t.csv", header, row))
    assert str(told.value).count("\n") < 3


CONVERTED: dict[str, tuple[str, Callable[[int], str], tuple[str, ...]]] = {
    ":": ("text:label", lambda n: f"a word {n}:k{n % 2}", ("text", "label")),
    "a dollar": ("a$b$label", lambda n: f"{n}.5${n}$k{n % 2}", ("a", "b", "label")),
    "a slash": ("a/b", lambda n: f"{n}/{n % 3}", ("a", "b")),
    "a backslash": ("text\\label", lambda n: f"word {n}\\k{n % 2}", ("text", "label")),
    "an arrow": ("text -> label", lambda n: f"word {n} -> k{n % 2}", ("text", "label")),
    "a wide comma": ("text，label", lambda n: f"word {n}，k{n % 2}", ("text", "label")),
    "^": ("text^label", lambda n: f"word {n}^k{n % 2}", ("text", "label")),
    "aligned by blanks": ("  x  label", lambda n: f"  {n}.5   k{n % 2}  ", ("x", "label")),
    "commas in single quotes": ("text,label", lambda n: f"'a, b{n}','k{n % 2}'", ("text", "label")),
    "semicolons in single quotes": ("text;label", lambda n: f"'a; b{n}';k{n % 2}", ("text", "label")),
    "commas after a backslash": ("text,label", lambda n: f"a\\, b{n},k{n % 2}", ("text", "label")),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_an_advised_conversion_gives_the_meant_table_and_changes_no_file(case: str, tmp_path: Path) -> None:
    header, row, names = CONVERTED[case]
    for name in ("t.csv", "t.tsv") if "in single" not in case and "commas" not in case else ("t.csv",):
        path = write(tmp_path / name, header, row)
        with pytest.raises(DataError) as told:
            open_table(path)
        advised = re.search(r"(sed|python) .* > (\S+)", str(told.value))
        assert advised is not None, told.value
        before = {one: one.read_bytes() for one in tmp_path.iterdir() if not one.name.startswith("NEW")}
        subprocess.run(["bash", "-c", advised[0]], cwd=tmp_path, check=True)
        assert {one: one.read_bytes() for one in before} == before
        table = open_table(tmp_path / advised[2])
        assert table.columns == names
        cells = [row.cells[0] for row in table.rows(names[-1:])]
        assert cells[:2] == (["0", "1"] if case == "a slash" else ["k0", "k1"])


FINE: dict[str, tuple[str, Callable[[int], str], tuple[str, ...]]] = {
    "a mark in texts alone": ("text", lambda n: f"2^{n}", ("text",)),
    "a mark in the header alone": ("a^b", lambda n: f"word {n}", ("a^b",)),
    "a mark in some rows": ("a^b", lambda n: "^" * (n % 3) + f"word {n}", ("a^b",)),
    "addresses": ("ann@mail.org", lambda n: f"user{n}@mail.org", ("ann@mail.org",)),
    "links": ("https://a.org/x", lambda n: f"https://a.org/{n}", ("https://a.org/x",)),
    "titles of songs": ("artist title", lambda n: f"Band{n % 3} - Song {n}", ("artist title",)),
    "two words": ("the text", lambda n: f"word{n} again", ("the text",)),
    "a semicolon in each cell": ("text,label", lambda n: f"a; {n},{n % 2}", ("text", "label")),
    "a last cell that is mostly empty": ("a,b,c", lambda n: f"{n},{n % 2},{'x' * (n == 9)}", ("a", "b", "c")),
}


@pytest.mark.parametrize("case", FINE)
def test_a_header_that_fits_is_accepted(case: str, tmp_path: Path) -> None:
    header, row, names = FINE[case]
    assert open_table(write(tmp_path / "t.csv", header, row)).columns == names


@pytest.mark.parametrize(
    "content", ["\n\n", "  \n", "\ufeff\n\n", "\r\n\r\n", '"', '""\n', "sep=;\n", "\n" * 3000], ids=repr
)
def test_a_file_of_blanks_is_empty(content: str, tmp_path: Path) -> None:
    for name in ("t.csv", "t.tsv") if '"' not in content else ("t.csv",):
        (tmp_path / name).write_text(content, newline="")
        with pytest.raises(DataError, match=r"holds only blanks\. A table needs a header and rows\."):
            open_table(tmp_path / name)


def test_rows_below_many_blank_lines_are_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "\n" * 3000 + "a,b", lambda n: f"{n},{n % 2}")
    assert [row.cells for row in open_table(path).rows(["b", "a"])][:2] == [("0", "0"), ("1", "1")]


def test_a_first_row_of_numbers_that_comes_again_is_data(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "3,1,7", lambda n: f"{n % 5},{n % 2},{n % 11}" if n != 30 else "3,1,7")
    with pytest.raises(DataError, match=r"row 32: the first row, which looks like data, .*\n.*: --no-header"):
        read_examples(path, DatasetOptions(input="3,1", output="7"))
    path = write(tmp_path / "t.csv", "text,label", lambda n: "text,label" if n == 5 else f"a {n},{n % 2}")
    with pytest.raises(DataError, match=r"row 7: the header is repeated here\. Were two files joined\?"):
        read_examples(path, DatasetOptions())


NUMBERED: dict[str, tuple[Callable[[int], str], str]] = {
    "iris": (lambda n: f"5.{n % 9},3.{n % 7},1.{n % 4},0.2,I-{n % 3}", "--input 1,2,3,4 --output 5"),
    "wine, the kind in front": (lambda n: f"w{n % 3},14.{n % 7},1.{n % 5}", "--input 2,3 --output 1"),
    "housing": (lambda n: f"{n % 13}.5,street{n % 4},{n % 7},{n % 11}.25", "--input 1,3 --output 4"),
    "numbers of rows in front": (lambda n: f"{n},1.{n % 4},2.{n % 5},g{n % 3}", "--input 2,3 --output 4"),
}


@pytest.mark.parametrize("case", NUMBERED)
def test_advice_is_the_same_with_and_without_the_option(case: str, tmp_path: Path) -> None:
    row, advised = NUMBERED[case]
    path = write(tmp_path / "t.csv", row(0), lambda n: row(n + 1))
    for options, said in (
        (TableOptions(), "for example: --no-header "),
        (TableOptions(header=False), "For example: "),
    ):
        with pytest.raises(DataError) as told:
            read_examples(path, DatasetOptions(table_options=options))
        assert str(told.value).endswith(f"\n{'If the first row is data, ' if options.header else ''}{said}{advised}")
    _, read, _, target = advised.split()
    found = read_examples(path, DatasetOptions(input=read, output=target, table_options=TableOptions(header=False)))
    assert (found.columns.inputs, found.columns.outputs) == (tuple(read.split(",")), (target,))
