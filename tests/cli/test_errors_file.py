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
