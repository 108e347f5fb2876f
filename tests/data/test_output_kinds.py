"""Kinds of output columns: which kind a column has, how cells become targets, what is refused, and what is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.cells.column_kinds import Column, list_as_text
from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, Output, ValueOutput, output_from_json
from unrolled.data.dataset.parse_targets import CellColumn, read_targets
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.dataset.splits import split_fold
from unrolled.data.dataset.targets import LabelSetTargets, Targets, ValueTargets
from unrolled.errors import DataError, RunError

ALL = np.arange(3)


def kind_of(cells: Sequence[Any], steps: int | None = None) -> str:
    column = Column()
    for cell in cells:
        column.add(steps, cell)
    return column.kind


KINDS: dict[str, tuple[list[Any], int | None, str]] = {
    "lists of words": ([["war", "love"], ["love"], []] * 5, None, "multilabel"),
    "lists of words for each step": ([["D", "N"], ["N", "V"]] * 5, 2, "tagging"),
    "lists of one for rows of one step": ([["D"], ["N"]] * 5, 1, "tagging"),
    "words as many as steps": (["D N", "N V"] * 5, 2, "tagging"),
    "a word for rows of one step": (["D", "N"] * 5, 1, "classification"),
    "lists of which a tenth do not fit the steps": ([["D", "N"]] * 9 + [["D"]], 2, "multilabel"),
    "lists of numbers": ([[1.5, 2], [3, 4]] * 5, None, "regression"),
    "arrays of numbers": (
        [np.array([1.5, 2.0], np.float32), np.array([3.0, 4.0], np.float32)] * 5,
        None,
        "regression",
    ),
    "lists of truths": ([[True, False], [True]] * 5, None, "multilabel"),
    "lists of numbers and an empty one": ([[1.5, 2], [3, 4], []] * 5, None, "regression"),
    "decimals": (["1.5", "2.0", "-3"] * 5, None, "regression"),
    "decimals as numbers": ([1.5, 2.0, -3.0] * 5, None, "regression"),
    "exponents": (["1e3", "2e3"] * 5, None, "regression"),
    "whole numbers with a gap": (["1", "2", "-3"] * 5, None, "regression"),
    "whole numbers written as floats": ([1.0, 2.0] * 5, None, "classification"),
    "whole numbers with a point": (["0.0", "1.0"] * 5, None, "classification"),
    "21 whole numbers from 0": (list(range(21)) * 5, None, "classification"),
    "21 whole numbers from 1": (list(range(1, 22)) * 5, None, "classification"),
    "whole numbers from 2": (list(range(2, 12)) * 5, None, "regression"),
    "whole numbers, one with four rows": ([*list(range(10)) * 5, 10, 10, 10, 10], None, "regression"),
    "rows of zeros with a single 1": ([[0, 1, 0], [1, 0, 0], [0, 0, 1]] * 5, 3, "classification"),
    "arrays of zeros with a single 1": ([np.eye(3)[n % 3] for n in range(15)], None, "classification"),
    "rows of zeros with two of them": ([[0, 1, 1], [1, 0, 0]] * 5, None, "regression"),
    "one row without a 1": ([[0, 1], [1, 0]] * 15 + [[0, 0]], None, "classification"),  # which is refused later
    "one row without a 1, as many as steps": ([[0, 1], [1, 0]] * 15 + [[0, 0]], 2, "tagging"),
    "some rows without a 1": ([[0, 1], [1, 0], [0, 0]] * 15, None, "regression"),
    "dates": ([f"2024-01-{n + 1:02}" for n in range(30)], None, "date"),
    "few dates": (["2024-01", "2024-02"] * 5, None, "classification"),
    "truths": ([True, False] * 5, None, "classification"),
    "decimals and a word": (["1.5", "2.5", "many"] * 5, None, "classification"),
    "words of few kinds": (["yes", "no"] * 5, None, "classification"),
    "words of four rows a kind": (["yes", "no"] * 4, None, "seq2seq"),
}


@pytest.mark.parametrize("case", KINDS)
def test_the_kind_of_a_column_is_detected(case: str) -> None:
    cells, steps, expected = KINDS[case]
    assert kind_of(cells, steps) == expected


def targets_of(
    cells: Sequence[Any],
    kind: str,
    training: Sequence[int] | None = None,
    known: Output | None = None,
    steps: int = 1,
) -> Targets:
    spelled = [list_as_text(cell) for cell in cells]
    kinds = tuple(dict.fromkeys(spelled))
    column = CellColumn("t.csv", "y", kinds, np.array([kinds.index(cell) for cell in spelled], np.int64))
    rows = np.arange(len(cells)) if training is None else np.array(training)
    return read_targets(column, kind, rows, lambda row: steps, lambda row: f"t.csv, row {row + 2}", known)


SETS: dict[str, list[Any]] = {
    "lists": [["war", "sea battle"], ["war", "war"], []],
    "bars": ["war|sea battle", "war", ""],
    "bars and spaces": [" sea battle | war", "war ||war", "|"],
    "semicolons": ["war; sea battle", "war;", ";"],
    "commas": ["war, sea battle", "war", ","],
}


@pytest.mark.parametrize("case", SETS)
def test_sets_are_read_in_every_notation(case: str) -> None:
    found = targets_of(SETS[case], "multilabel")
    assert isinstance(found, LabelSetTargets)
    assert found.output == MultilabelOutput(("sea battle", "war"))
    assert found.of(ALL).tolist() == [[1, 1], [0, 1], [0, 0]]
    assert found.of(np.array([2, 0])).tolist() == [[0, 0], [1, 1]]
    assert [found.as_written(row) for row in range(3)] == ["sea battle, war", "war", ""]
    assert found.facts() == {"sea battle": 1, "war": 2}
    assert found.describe("y") == "y, any of 2 labels (sea battle, war)"


HOT = [[0, 1, 0], [1, 0, 0], [0, 0, 1]] * 10


@pytest.mark.parametrize("odd", [[0, 0, 0], [1, 1, 0], [0, 1, 0, 0], [0, 0.5, 0.5], [0, 2, 0]])
@pytest.mark.parametrize("known", [None, LabelOutput(("0", "1", "2"))])
def test_a_row_that_is_not_one_hot_among_rows_that_are_is_refused(odd: list[float], known: Output | None) -> None:
    assert targets_of(HOT, "classification", known=known).output == LabelOutput(("0", "1", "2"))
    with pytest.raises(DataError, match=r"row 9: 'y' is '.*', where a single 1 among zeros was expected") as raised:
        targets_of([*HOT[:7], odd, *HOT[7:]], "classification", known=known)
    assert "as in 30 of 31 rows" in str(raised.value)
    assert ("--task regression" in str(raised.value)) == ("--task multilabel" in str(raised.value)) == (known is None)


def test_one_hot_rows_are_checked_by_what_a_run_knows() -> None:
    with pytest.raises(DataError, match="row 3: 'y' is '0 0 0'"):
        targets_of([[0, 1, 0], [0, 0, 0]], "classification", known=LabelOutput(("0", "1", "2")))


TRUTHS: dict[str, Any] = {
    "numbers": [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
    "floats": [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
    "truths": [[True, False, True, False], [False, False, False, False], [False, False, False, True]],
    "arrays": [np.array(row, np.float32) for row in ([1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1])],
}


@pytest.mark.parametrize("case", TRUTHS)
def test_rows_of_zeros_and_ones_are_sets_by_position(case: str) -> None:
    found = targets_of(TRUTHS[case], "multilabel")
    assert found.output == MultilabelOutput(("0", "2", "3"))
    assert found.of(ALL).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    with pytest.raises(DataError, match=r"row 12: 'y' is '1 0 2 0', where zeros and ones were expected"):
        targets_of([*TRUTHS[case] * 3, [1, 0, 1, 0], [1, 0, 2, 0]], "multilabel")


def test_sets_of_numbers_stay_names() -> None:
    assert targets_of([[0, 1], [1], [0]], "multilabel").output == MultilabelOutput(("0", "1"))
    assert targets_of([[0, 7], [1, 3], [0, 1]], "multilabel").output == MultilabelOutput(("0", "1", "3", "7"))


def test_how_rows_of_zeros_and_ones_are_read_is_reported() -> None:
    def why(cells: Sequence[Any]) -> str:
        column = Column("y")
        for cell in cells:
            column.add(None, cell)
        return column.note

    assert "taken as numbers; for any number of labels, by position: --task multilabel" in why(TRUTHS["numbers"] * 5)
    assert "any number of labels, by position" in why(TRUTHS["truths"] * 5)
    assert why([[0.5, 1.0], [1, 0]] * 5) == ""
    assert why([[True, False], [True]] * 5) == ""


def test_the_first_separator_that_any_cell_has_is_the_columns() -> None:
    found = targets_of(["a|b, c", "b, c; d"], "multilabel")
    assert found.output == MultilabelOutput(("a", "b, c", "b, c; d"))
    assert targets_of(["a b", "b"], "multilabel").output == MultilabelOutput(("a", "b"))
    assert targets_of([["a|b"], ["b"]], "multilabel").output == MultilabelOutput(("a|b", "b"))
    assert targets_of([["10"], ["9", "2"]], "multilabel").output == MultilabelOutput(("2", "9", "10"))


def test_labels_of_sets_that_the_training_split_lacks_are_counted() -> None:
    found = targets_of(["a|b", "b|c", "d"], "multilabel", training=[0])
    assert found.output == MultilabelOutput(("a", "b"))
    assert found.count_unseen(ALL) == (2, ["c", "d"])
    assert found.count_unseen(np.array([2, 0])) == (1, ["d"])
    assert targets_of(["a|b", "c|d", "a", "d"], "multilabel", training=[0]).count_unseen(np.arange(4)) == (
        2,
        ["c", "d"],
    )
    assert found.of(ALL).tolist() == [[1, 1], [0, 1], [0, 0]]
    assert found.as_written(1) == "b, c"
    again = targets_of(["b|c"], "multilabel", known=MultilabelOutput(("c", "d")))
    assert again.output == MultilabelOutput(("c", "d"))
    assert again.of(np.array([0])).tolist() == [[1, 0]]
    assert again.count_unseen(np.arange(1)) == (1, ["b"])


def test_labels_that_the_training_split_lacks_are_reported(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,labels\n" + "one text here,a|b\nanother text here,b\n" * 20)
    (tmp_path / "v.csv").write_text("text,labels\nstill one more,a|odd\nstill another one,b\n")
    found = read_examples(
        tmp_path / "t.csv", DatasetOptions(task="multilabel", valid=str(tmp_path / "v.csv"), test="none")
    )
    assert "1 rows have a 'labels' that the training split lacks (odd): always wrong" in found.description
    assert found.targets["labels"].of(found.splits["validation"]).tolist() == [[1, 0], [0, 1]]


def test_several_numbers_per_row_are_scaled_separately() -> None:
    for cells in (["1.5 100", "2.5 300", "9 9"], [[1.5, 100], [2.5, 300], [9, 9]]):
        found = targets_of(cells, "regression", training=[0, 1])
        assert isinstance(found, ValueTargets)
        assert found.output == ValueOutput((2.0, 200.0), (0.5, 100.0))
        assert found.of(ALL).tolist() == [[-1, -1], [1, 1], [14, pytest.approx(-1.91)]]
        assert found.numbers.tolist() == [[1.5, 100], [2.5, 300], [9, 9]]
        assert found.as_written(1) == "2.5 300"
        assert found.describe("y") == "y, 2 numbers (1.5 to 300)"
    known = ValueOutput((0.0, 0.0), (1.0, 10.0))
    assert targets_of(["5 5"], "regression", known=known).of(np.array([0])).tolist() == [[5, 0.5]]


def test_padding_of_targets_is_not_scored() -> None:
    sets = targets_of(["a|b", "b", "a"], "multilabel").batch_targets(np.array([1, 2]), 3, 9, 1)
    assert sets[:2].tolist() == [[0, 1], [1, 0]]
    assert bool(np.isnan(sets[2]).all())
    values = targets_of(["1", "3"], "regression").batch_targets(np.array([1]), 2, 9, 1)
    assert values.shape == (2, 1)
    assert values[0, 0] == 1
    assert bool(np.isnan(values[1, 0]))
    labels = targets_of(["a", "b", "c"], "classification", training=[0, 1])
    assert labels.batch_targets(ALL, 4, 9, 1).tolist() == [0, 1, -100, -100]
    tags = targets_of(["a b", "b b"], "tagging", steps=2)
    assert tags.batch_targets(np.array([0, 1]), 3, 4, 1).tolist() == [
        [-100, 0, 1, -100],
        [-100, 1, 1, -100],
        [-100] * 4,
    ]


REFUSED: dict[str, tuple[list[Any], str, list[int] | None, str]] = {
    "a word": (["1.5", "many", "2"], "regression", None, r"t\.csv, row 3: 'y' is 'many'; a value is a number"),
    "an empty value": (["1.5", " ", "2"], "regression", None, r"t\.csv, row 3: 'y' is ''; a value is a number"),
    "a word in a list": (
        [[1, 2], [1, "many"]],
        "regression",
        None,
        r"t\.csv, row 3: 'y' is '1 many'.*\n.*--task classification",
    ),
    "not finite": (
        ["1", "1e999"],
        "regression",
        None,
        r"t\.csv, row 3: 'y' is 1e999, which is out of range for a 64-bit",
    ),
    "fewer numbers": (
        ["1 2", "3 4", "5"],
        "regression",
        None,
        r"t\.csv, row 4: 1 numbers in 'y', and 2 were expected",
    ),
    "a constant": (["7", "7", "8"], "regression", [0, 1], r"t\.csv: 'y' is 7 everywhere in .*to predict"),
    "a constant of two": (["1 7", "2 7", "3 8"], "regression", [0, 1], r"'y' is 7 everywhere in the training split"),
    "one label": (["a", "a", "b"], "classification", [0, 1], r"'y' is 'a' everywhere in .*\n.*two different labels"),
    "one tag": (["a", "a", "b"], "tagging", [0, 1], r"'y' is 'a' everywhere in the training split"),
    "no label at all": (["", "", "a"], "multilabel", [0, 1], r"t\.csv: 'y' holds no label in the training split"),
    "more tags than steps": (["a", "b a", "b"], "tagging", None, r"t\.csv, row 3: 1 words and 2 tags in 'y'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_targets_are_refused(case: str) -> None:
    cells, kind, training, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        targets_of(cells, kind, training)


def test_a_run_that_knows_two_numbers_takes_no_others() -> None:
    with pytest.raises(DataError, match=r"t\.csv, row 2: 1 numbers in 'y', and 2 were expected"):
        targets_of(["5"], "regression", known=ValueOutput((0.0, 0.0), (1.0, 1.0)))


OUTPUTS: list[Output] = [
    LabelOutput(("a", "b")),
    LabelOutput(("a", "b"), each=True),
    MultilabelOutput(("a",)),
    ValueOutput((1.5, -2.0), (0.5, 3.0)),
]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.kind)
def test_an_output_is_restored_from_json(output: Output) -> None:
    assert output_from_json("y", json.loads(json.dumps(output.to_json()))) == output
    assert output.width == {"classification": 2, "tagging": 2, "multilabel": 1, "regression": 4}[output.kind]


def changed(output: Output, **facts: Any) -> dict[str, Any]:
    return {**output.to_json(), **facts}


DAMAGE: dict[str, Any] = {
    "nothing": {},
    "a mean that is none": {"kind": "regression", "mean": [float("nan")], "std": [1.0]},
    "a list": [],
    "no names": {"kind": "classification"},
    "no kind": {"names": ["a", "b"]},
    "another kind": changed(OUTPUTS[0], kind="taste"),
    "one label": changed(OUTPUTS[0], names=["a"]),
    "one tag": changed(OUTPUTS[1], names=["a"]),
    "no label of sets": changed(OUTPUTS[2], names=[]),
    "labels in a word": changed(OUTPUTS[0], names="ab"),
    "a mean in words": changed(OUTPUTS[3], mean=["many", "more"]),
    "no mean": {"kind": "regression", "std": [1.0]},
    "no numbers": changed(OUTPUTS[3], mean=[], std=[]),
    "fewer deviations": changed(OUTPUTS[3], std=[1.0]),
    "a deviation of 0": changed(OUTPUTS[3], std=[1.0, 0.0]),
    "a deviation below 0": changed(OUTPUTS[3], std=[1.0, -1.0]),
    "an endless deviation": changed(OUTPUTS[3], std=[1.0, float("inf")]),
    "a deviation that is none": changed(OUTPUTS[3], std=[1.0, float("nan")]),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_output_is_refused(case: str) -> None:
    with pytest.raises(RunError, match=r"vocabulary\.json is damaged: its description of 'price' is invalid"):
        output_from_json("price", DAMAGE[case])


# folds of groups

SIZES = (30, 17, 11, 9, 8, 8, 5, 4, 3, 2, 2, 1)


def groups() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(SIZES)), SIZES))


def test_validation_and_test_of_a_fold_are_whole_groups() -> None:
    group = groups()
    source = np.zeros(len(group), np.uint8)
    tested: list[int] = []
    for number in (1, 2, 3):
        parts = split_fold("t.csv", (number, 3), 0.1, source, group, seed=4)
        own = {name: set(group[rows].tolist()) for name, rows in parts.items()}
        assert all(own.values())
        assert not own["training"] & own["validation"]
        assert not own["test"] & (own["training"] | own["validation"])
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(group)))
        assert 25 <= len(parts["test"]) <= 42, "folds are about as large as each other"
        tested += parts["test"].tolist()
        same = split_fold("t.csv", (number, 3), 0.1, source, group, seed=4)
        assert all(np.array_equal(parts[name], same[name]) for name in parts)
    assert sorted(tested) == list(range(len(group)))


def test_validation_of_a_fold_may_be_a_table_or_rows() -> None:
    group = groups()
    source = np.concatenate([np.zeros(90, np.uint8), np.ones(10, np.uint8)])
    parts = split_fold("t.csv", (1, 3), "v.csv", source, group, seed=0)
    assert parts["validation"].tolist() == list(range(90, 100))
    assert max(parts["training"].max(), parts["test"].max()) < 90
    rows = split_fold("t.csv", (2, 4), 0.2, np.zeros(100, np.uint8), None, seed=0)
    assert [len(rows[name]) for name in ("training", "validation", "test")] == [60, 15, 25]


Cut = Callable[[], object]
FEW: dict[str, tuple[Cut, str]] = {
    "rows": (
        lambda: split_fold("t.csv", (1, 3), 0.1, np.zeros(2, np.uint8), None, 0),
        r"t\.csv holds 2 rows: too few for 3 folds\. Use fewer: --folds N",
    ),
    "groups": (
        lambda: split_fold("t.csv", (1, 3), 0.1, np.zeros(9, np.uint8), np.arange(9) % 2, 0),
        r"t\.csv holds 2 groups: too few for 3 folds",
    ),
    "groups next to a given test split": (
        lambda: split_fold("t.csv", (1, 2), 0.1, np.zeros(9, np.uint8), np.arange(9) % 2, 0),
        r"t\.csv: one group of rows .*, and 2 splits need at least one each",
    ),
}


@pytest.mark.parametrize("case", FEW)
def test_too_few_rows_for_folds_are_refused(case: str) -> None:
    cut, words = FEW[case]
    with pytest.raises(DataError, match=words):
        cut()
