"""Title rows above a header are reported, with how to remove them."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError

ROWS = "".join(f"{1 + n % 28:02}.03.2023;shop {n};{('food', 'rent')[n % 2]};{n}\n" for n in range(60))
HEADER = "Datum;Text;Kategorie;Betrag\n"
ABOVE = {
    "and a row without cells": ("Bericht 2023;;;\n;;;\n", 3),
    "alone": ("Bericht 2023;;;\n", 2),
    "without delimiters, and a blank line": ("Bericht 2023\n\n", 3),
}


@pytest.mark.parametrize("titles", ABOVE)
@pytest.mark.parametrize("read", [None, "text"])
@pytest.mark.parametrize("column", [None, "Text"])
def test_a_title_above_the_header_is_refused_with_advice(
    titles: str, read: str | None, column: str | None, tmp_path: Path
) -> None:
    above, row = ABOVE[titles]
    path = tmp_path / "bank.csv"
    path.write_text(above + HEADER + ROWS)
    with pytest.raises(DataError, match=rf"row {row} looks like the header.*\n.*: tail -n \+{row} "):
        read_examples(path, DatasetOptions(input=column, input_type=read))
    path.write_text("".join((above + HEADER + ROWS).splitlines(True)[row - 1 :]))
    read_examples(path, DatasetOptions(input="Text", output="Kategorie"))


@pytest.mark.parametrize("text", [
    HEADER + ROWS, "text;;\na;b;c\nd;e;f\ng;h;i\n", "text\na b\nc d\ne f\n", "text;\nday 1;a\nday 2;b\nday 3;a\n",
    "text;label\none;\n;a\ntwo;b\nthree;a\n",
])  # fmt: skip
def test_a_header_is_no_title(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert open_table(path).columns[0].lower() in ("datum", "text")
