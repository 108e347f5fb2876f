"""`evaluate --errors`, `info` and `--folds` on a table with unusual names and cells."""

from __future__ import annotations

import csv
from pathlib import Path

from commands import Unroll


def test_rows_are_numbers_formulas_are_texts_and_names_are_as_they_are(tmp_path: Path, unroll: Unroll) -> None:
    table = tmp_path / "my inspections.csv"
    rows = [("=2+5 good", "food_safety") if n % 2 else ("bad water", "water_supply") for n in range(60)]
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    run = tmp_path / "run"
    trained = unroll("train", table, "--model", "linear", "--out", run)
    assert trained.code == 0
    assert "Validation: linear" in trained.err and "Baseline" not in trained.err
    assert f"see what a net adds: unroll train '{table}'" in trained.out
    with (tmp_path / "other.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *[("=2+5 good", "water_supply")] * 1200])
    assert unroll("evaluate", run, tmp_path / "other.csv", "--errors", tmp_path / "wrong.csv").code == 0
    with (tmp_path / "wrong.csv").open(newline="") as file:
        wrong = list(csv.DictReader(file))
    assert sorted(int(one["row"]) for one in wrong) == list(range(2, 1202))
    assert {one["file"] for one in wrong} == {str(tmp_path / "other.csv")}
    assert {one["text"] for one in wrong} == {"'=2+5 good"}
    told = unroll("info", run).out
    assert "food_safety" in told and "water_supply" in told
    assert "food safety" not in told
    assert "sessions:\n  1:\n    minutes  10\n    used     0\n" in told
    assert not told.endswith("\n\n")


def test_all_rows_of_a_table_of_numbers_are_listed(tmp_path: Path, unroll: Unroll) -> None:
    for name in ("numbers", "labels"):
        table = tmp_path / f"{name}.csv"
        rows = [(("bad", "good")[n % 2], f"{n / 7:.3f}" if name == "numbers" else "ab"[n % 2]) for n in range(120)]
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("text", "y"), *rows])
        assert unroll("train", table, "--model", "linear", "--out", tmp_path / name).code == 0
    numbers, labels = (
        unroll("evaluate", tmp_path / name, tmp_path / f"{name}.csv", "--errors", tmp_path / f"{name} errors.csv")
        for name in ("numbers", "labels")
    )
    assert f"120 rows are in {tmp_path}/numbers errors.csv, the largest error first." in numbers.err
    assert f"There are no wrong predictions; {tmp_path}/labels errors.csv has only a heading." in labels.err


def test_each_fold_is_numbered(tmp_path: Path, unroll: Unroll) -> None:
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("text", "label"), *[(f"good {n}" if n % 2 else f"bad {n}", "ab"[n % 2]) for n in range(120)]]
        )
    result = unroll("train", table, "--model", "linear", "--folds", "2", "--out", tmp_path / "folds")
    assert result.code == 0
    assert [line for line in result.out.splitlines() if line.startswith("Fold ")] == [
        "Fold 1 of 2:",
        "Fold 2 of 2:",
    ]
    assert "label, fold 2: " in result.out
    assert result.err.endswith(f"To list its runs: unroll runs --under {tmp_path}/folds\n")
