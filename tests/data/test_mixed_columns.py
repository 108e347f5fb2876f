"""Columns of mixed kinds are refused, with counts and an example row of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_files import output_kind

from unrolled.data.cells.column_kinds import Column
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError


def table(path: Path, header: str, row: Callable[[int], str], count: int = 60) -> Path:
    path.write_text(header + "\n" + "".join(row(n) + "\n" for n in range(count)), encoding="utf-8")
    return path


def number_or_word(n: int) -> str:
    return f"w{n}" if n % 2 else f"{n}.5"


def test_an_output_that_is_half_numbers_is_refused_with_counts(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,price", lambda n: f"some words {n}x,{number_or_word(n)}")
    with pytest.raises(DataError) as raised:
        read_examples(path, DatasetOptions())
    said = str(raised.value)
    assert (
        "'price' is neither mostly words nor mostly numbers: 30 numbers (row 2: '0.5'), 30 words (row 3: 'w1')"
        in said
    )
    for option in ("--task seq2seq", "--task classification", "--skip-empty"):
        assert option in said
    assert said.count("\n") < 3
    assert output_kind(read_examples(path, DatasetOptions(task="seq2seq"))) == "seq2seq"


HALVES: dict[str, tuple[list[Any], dict[str, int]]] = {
    "half": ([1.5, "a b", 2.5, "c d"], {"numbers": 2, "words": 2}),
    "half, with nearly numbers": (["1,5", "a b", "2.5", "c d"], {"numbers": 2, "words": 2}),
    "half of what is known": (["1.5", "nan", "a b", "NA"], {"numbers": 1, "words": 1}),
    "a third each": ([1.5, "a b", ["c"], 2.5, "d e", ["f"]], {"numbers": 2, "words": 2, "lists": 2}),
    "mostly lists": ([["a"], ["b", "c"], "d e"], {"words": 1, "lists": 2}),
    "mostly words": (["a b", "c d", "1.5"], {}),
    "mostly numbers": (["a b", "2.5", "1.5"], {}),
    "few kinds": (["a", "1"] * 5, {}),
    "words": (["a b", "c d"], {}),
    "dates": (["2020-01-01", "2020-01-02"], {}),
}


@pytest.mark.parametrize("case", HALVES)
def test_a_column_has_the_kind_of_most_of_its_cells(case: str) -> None:
    cells, found = HALVES[case]
    column = Column("price")
    for cell in cells:
        column.add(None, cell)
    assert {name: odd.count for name, odd in column.mixed.items()} == found


def test_an_input_that_is_half_numbers_is_refused_with_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "what,label", lambda n: f"{number_or_word(n)},{'ab'[n // 2 % 2]}")
    words = (
        r"'what' is neither mostly words nor mostly numbers: its first rows are 25 numbers \(row 2: '0.5'\) and 25"
    )
    with pytest.raises(DataError, match=words) as raised:
        read_examples(path, DatasetOptions())
    assert "--input-type text" in str(raised.value)
    assert str(raised.value).count("\n") < 3
    assert output_kind(read_examples(path, DatasetOptions(input_type="text"))) == "classification"
