"""Columns that are neither inputs nor outputs are named, and names of splits among them are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_files import write_rows

from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError


def passenger(n: int) -> str:
    return f"{n},{n % 2},{1 + n % 3},Mr Name {n}x,{'mf'[n % 2]}ale,{n % 70},{n % 3}/A,{n / 7},C{n % 9}"


TITANIC = "PassengerId,Survived,Pclass,Name,Sex,Age,Ticket,Fare,Cabin"


def test_unused_columns_are_named_in_one_note(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "titanic.csv", TITANIC, passenger, 80)
    said = read_examples(path, DatasetOptions(output="Survived")).description
    assert "; not read: PassengerId, Pclass, Sex and 4 more; to read others: --input" in said
    assert said.count("not read") == 1
    given = read_examples(path, DatasetOptions(input="Pclass,Age,Fare", output="Survived"))
    assert "not read" not in given.description, "what is read was asked for"


NOTED: dict[str, tuple[str, Callable[[int], str], str]] = {
    "texts": ("title,author,text,label", lambda n: f"t {n},a{n % 3},some words {n}x,{'ab'[n % 2]}", "title, author"),
    "ids": ("id,a,b,target", lambda n: f"{n},{n / 7},{n % 5},{n / 3}", "id"),
    "none": ("text,label", lambda n: f"some words {n}x,{'ab'[n % 2]}", ""),
    "a long name": (f"{'n' * 300},text,label", lambda n: f"{n % 7},some words {n}x,{'ab'[n % 2]}", "n" * 30),
}


@pytest.mark.parametrize("case", NOTED)
def test_the_note_about_unused_columns(case: str, tmp_path: Path) -> None:
    header, row, names = NOTED[case]
    path = write_rows(tmp_path / "t.csv", header, row, 80)
    examples = read_examples(path, DatasetOptions())
    assert (f"; not read: {names}" in examples.description) == bool(names)
    assert "n" * 100 not in examples.description
    known = DatasetSchema(
        examples.columns, examples.featurizer, {name: one.output for name, one in examples.targets.items()}
    )
    if case == "texts":
        assert "not read" not in read_examples(path, DatasetOptions(), known).description, (
            "a run's columns are its own"
        )


def test_a_group_and_a_column_of_time_are_used(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.csv", "text,label,who", lambda n: f"some words {n}x,{'ab'[n % 2]},p{n % 9}", 80)
    assert "not read: who" in read_examples(path, DatasetOptions()).description
    assert "not read" not in read_examples(path, DatasetOptions(group="who")).description
    path = write_rows(
        tmp_path / "d.csv", "date,a,y", lambda n: f"2024-0{1 + n // 20}-{1 + n % 20:02},{n % 7},{n / 3}", 80
    )
    assert "not read" not in read_examples(path, DatasetOptions()).description


def read_splits(folder: Path, cell: Callable[[int], str], name: str = "split", **options: Any) -> Examples:
    """Reads a table with a column of these cells."""
    rows = write_rows(folder / "t.csv", f"text,label,{name}", lambda n: f"words {n}x,{'ab'[n % 2]},{cell(n)}", 80)
    return read_examples(rows, DatasetOptions(**options))


SPLIT: dict[str, tuple[Callable[[int], str], str, str]] = {
    "train and test": (lambda n: ("train", "test")[n % 2], "test, train", "--test FILE"),
    "sorted, past the first rows": (lambda n: ("train", "test")[n > 70], "test, train", "--test FILE"),
    "three": (lambda n: ("Train", "dev", "test")[n % 3], "Train, dev, test", "--valid FILE --test FILE"),
    "validation": (lambda n: ("training", " validation ")[n % 2], "training, validation", "--valid FILE"),
    "two test splits": (
        lambda n: ("Training", "PublicTest", "PrivateTest")[n % 3],
        "PrivateTest, PublicTest, Training",
        "--test FILE",
    ),
    "empty cells": (lambda n: ("train", "test", "")[n % 3], "test, train", "--test FILE"),
}


@pytest.mark.parametrize("case", SPLIT)
def test_a_column_of_splits_is_refused_with_what_to_do(case: str, tmp_path: Path) -> None:
    cell, names, options = SPLIT[case]
    for name in ("split", "partition"):
        with pytest.raises(
            DataError, match=re.escape(f"'{name}' holds names of splits ({names}), which are")
        ) as told:
            read_splits(tmp_path, cell, name=name)
    assert f"name the others: {options}\n" in str(told.value)
    assert str(told.value).count("\n") < 3


@pytest.mark.parametrize("name", ["is_train", "isTest", "in_train_set"])
def test_a_column_that_marks_the_rows_of_a_split_is_refused(name: str, tmp_path: Path) -> None:
    for cell in (lambda n: str(n % 2), lambda n: ("TRUE", "FALSE")[n % 3 > 0], lambda n: "no" if n == 79 else "yes"):
        with pytest.raises(
            DataError, match=rf"'{name}' holds names of splits .*, which are ignored.*\n.*--test FILE"
        ):
            read_splits(tmp_path, cell, name=name)
    for other in ("test", "strain", "train_number"):
        assert f"not read: {other}" in read_splits(tmp_path, lambda n: str(n % 2), name=other).description


NO_SPLIT: dict[str, Callable[[int], str]] = {
    "one split": lambda n: "train",
    "no training split": lambda n: ("dev", "test")[n % 2],
    "vehicles": lambda n: ("train", "bus", "test")[n % 3],
    "one other word, late": lambda n: "plane" if n == 79 else ("train", "test")[n % 2],
    "numbers": lambda n: str(n % 3),
    "nothing": lambda n: "",
}


@pytest.mark.parametrize("case", NO_SPLIT)
def test_other_columns_are_no_columns_of_splits(case: str, tmp_path: Path) -> None:
    assert "not read: split" in read_splits(tmp_path, NO_SPLIT[case]).description


@pytest.mark.parametrize(
    "options", [{"valid": 0.1}, {"test": 0.2}, {"test": "none"}, {"output": "split"}, {"fold": (1, 4)}]
)
def test_options_decide_the_splits_where_a_column_names_them(options: dict[str, Any], tmp_path: Path) -> None:
    assert read_splits(tmp_path, lambda n: ("train", "test")[n % 2], **options).count("training")
