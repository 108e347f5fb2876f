"""Columns with mostly empty cells: no advice leaves out most rows, and if most are left out, the description
begins with that."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError


def sentences(path: Path, every: int = 5) -> Path:
    """Words and tags; the sentence is named only at every `every`-th word."""
    words, rows = ("in", "Rome", "we", "sing"), list[str]()
    for row in range(600):
        sentence = "" if row % every else f"Sentence: {row // every}"
        rows.append(f"{sentence},{words[row % 4]},{'OB'[row % 4 == 1]}")
    path.write_text("Sentence #,Word,Tag\n" + "\n".join(rows) + "\n")
    return path


def test_a_group_in_the_first_row_only_is_to_be_filled_down(tmp_path: Path) -> None:
    path = sentences(tmp_path / "ner.csv")
    with pytest.raises(DataError, match="row 3: 'Sentence #' is empty, as in 480 of 600 rows") as refused:
        read_examples(path, DatasetOptions(input="Word", output="Tag", group="Sentence #"))
    assert 'df["Sentence #"] = df["Sentence #"].ffill()' in str(refused.value)
    assert "--skip-empty" not in str(refused.value)


def test_a_sequence_in_the_first_row_only_is_to_be_filled_down(tmp_path: Path) -> None:
    path = sentences(tmp_path / "ner.csv")
    for skip_empty in (False, True):
        options = DatasetOptions(input="Word", output="Tag", sequence="Sentence #", skip_empty=skip_empty)
        with pytest.raises(DataError, match=r'df\["Sentence #"\]\.ffill\(\)'):
            read_examples(path, options)


def test_most_rows_left_out_are_reported_first(tmp_path: Path) -> None:
    options = DatasetOptions(input="Word", output="Tag", group="Sentence #", skip_empty=True)
    said = read_examples(sentences(tmp_path / "ner.csv"), options).description
    assert said.startswith("WARNING, 480 of 600 rows left out, each with an empty cell; 120 rows of csv")
    assert said.count("left out") == 1


def test_few_rows_left_out_are_reported_last(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text(
        "text,label\n" + "".join(f"word {row % 9},{'' if row % 10 == 0 else 'ab'[row % 2]}\n" for row in range(100))
    )
    with pytest.raises(DataError, match=r"row 2: 'label' is empty\. A row needs .*\n.*--skip-empty"):
        read_examples(path, DatasetOptions())
    said = read_examples(path, DatasetOptions(skip_empty=True)).description
    assert said.startswith("90 rows of csv") and "; 10 rows with an empty cell left out" in said


def test_a_mostly_empty_output_is_no_reason_to_skip_rows(tmp_path: Path) -> None:
    for cell in ("", " ", "nan"):
        path = tmp_path / "rare.csv"
        rows = (f"{row},{row % 7 / 2 if row % 4 == 0 else cell}" for row in range(100))
        path.write_text("size,price\n" + "\n".join(rows) + "\n")
        with pytest.raises(DataError) as refused:
            read_examples(path, DatasetOptions(input="size", output="price"))
        assert "--skip-empty" not in str(refused.value), cell


def test_a_group_that_few_rows_lack_may_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    rows = (f"word {row % 9},{'ab'[row % 2]},{'' if row % 20 == 3 else row % 10}" for row in range(100))
    path.write_text("text,label,patient\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"'patient' is empty: the row's group(.*\n)+.*--skip-empty"):
        read_examples(path, DatasetOptions(group="patient"))
