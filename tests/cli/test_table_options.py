"""Options and decisions about a table are stored in the run and used in its evaluation: decimal commas, splits by
time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import Unroll

LINEAR = ("--model", "linear")


def commas(path: Path, factor: float) -> Path:
    """A table with semicolons and decimal commas: y is factor times x."""
    rows = [f"{n / 8};{factor * n / 8}".replace(".", ",") for n in range(80)]
    path.write_text("\n".join(["x;y", *rows]) + "\n")
    return path


def test_decimal_commas_from_training_to_evaluation(tmp_path: Path, unroll: Unroll) -> None:
    table, run = commas(tmp_path / "t.csv", 2), tmp_path / "run"
    refused = unroll("train", table, "--out", run, *LINEAR)
    assert refused.code == 2
    assert "--decimal ," in refused.err
    trained = unroll("train", table, "--decimal", ",", "--out", run, *LINEAR)
    assert trained.code == 0, trained.err
    requested = tmp_path / "q.csv"
    requested.write_text("z;x\n1;2,5\n2;10,0\n")
    result = unroll("predict", run, requested)
    assert result.code == 0, result.err
    assert [float(line.split("\t")[0]) for line in result.out.splitlines()] == pytest.approx([5, 20], abs=0.3)
    right, wrong = (unroll("evaluate", run, commas(tmp_path / f"{k}.csv", k), "--json") for k in (2, 5))
    assert (right.code, wrong.code) == (0, 0), right.err + wrong.err
    assert right.out != wrong.out


GIVEN = {
    "a cell": ("q.csv", "x;z\n0.5;\n2,5;\n", "q.csv, row 3: '2,5' where numbers were expected."),
    "a word": ("q.csv", "x;z\n0.5;\nmany;\n", "q.csv, row 3: 'many' where numbers were expected."),
    "a name twice": ("q.csv", "x;x\n0.5;1\n", "'x' is there more than once"),
    "no header": ("q.csv", "0.5;7\n2.5;8\n3.5;9\n", "Its first row looks like data"),
    "thousands": ("q.csv", "x;z\n0.5;\n1.100.567;\n", "Write it as 1100567; or use a run that was trained with --d"),
    "a list": ("q.jsonl", '{"x": [1, [2]]}\n', "q.jsonl, row 1: "),
    "a line": ("q.txt", "1,5 2,5\n", "'1,5 2,5': it is unclear whether its commas are decimal commas"),
    "semicolons": ("q.txt", "1,5; 2,5\n", "'1,5; 2,5': it is unclear whether its commas are decimal commas"),
}


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_advice_for_a_cell_that_a_run_cannot_read_fits_the_run(command: str, tmp_path: Path, unroll: Unroll) -> None:
    table, run = commas(tmp_path / "t.csv", 2), tmp_path / "run"
    table.write_text(table.read_text().replace(",", "."))
    assert unroll("train", table, "--out", run, *LINEAR).code == 0
    for name, text, words in GIVEN.values():
        if command == "evaluate":
            if not name.endswith(".csv"):
                continue
            text = "".join(f"{line};{'2.5' if n else 'y'}\n" for n, line in enumerate(text.splitlines()))
        (tmp_path / name).write_text(text)
        result = unroll(command, run, tmp_path / name)
        assert result.code == 2
        assert words in result.err
        assert len(result.err.splitlines()) <= 4, "a note that the run is read, and three lines"
        for option in ("--input-type", "--task", "--decimal .", "--no-header"):
            assert option not in result.err, result.err
    (tmp_path / "y.csv").write_text("x;y\n1.5;2,5\n")
    result = unroll("evaluate", run, tmp_path / "y.csv")
    assert result.code == 2
    assert "use a run that was trained with --decimal ," in result.err
    assert "--task" not in result.err


def test_a_run_with_decimal_commas_reads_lines_with_them(tmp_path: Path, unroll: Unroll) -> None:
    run = tmp_path / "run"
    assert unroll("train", commas(tmp_path / "t.csv", 2), "--decimal", ",", "--out", run, *LINEAR).code == 0
    result = unroll("predict", run, "--text", "2,5")
    assert result.code == 0, result.err
    assert float(result.out.split("\t")[0]) == pytest.approx(5, abs=0.3)
    (tmp_path / "q.csv").write_text("x;z\n1,5;\n2.5;\n")
    for given in (["--text", "1,5 2.5"], [tmp_path / "q.csv"]):
        result = unroll("predict", run, *given)
        assert result.code == 2 and "in the run's training data" in result.err


def test_decimal_commas_apply_to_csv_only(tmp_path: Path, unroll: Unroll) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps({"x": n, "y": n / 4}) + "\n" for n in range(40)))
    result = unroll("train", table, "--decimal", ",", "--out", tmp_path / "run", *LINEAR)
    assert result.code == 2
    assert f"--decimal applies to csv and tsv files; by its name {table} is neither. Leave it out." in result.err
    assert not (tmp_path / "run").exists()


def test_a_table_none_of_whose_labels_are_known_is_not_evaluated(tmp_path: Path, unroll: Unroll) -> None:
    def labelled(name: str, labels: tuple[str, str]) -> Path:
        rows = [f"some {('dull', 'fine')[n % 2]} words {n},{labels[n % 2]}" for n in range(40)]
        (tmp_path / name).write_text("\n".join(["text,label", *rows]) + "\n")
        return tmp_path / name

    run = tmp_path / "run"
    assert unroll("train", labelled("t.csv", ("no", "yes")), "--out", run, *LINEAR).code == 0
    assert unroll("evaluate", run, labelled("same.csv", ("no", "yes"))).code == 0
    result = unroll("evaluate", run, labelled("other.csv", ("nein", "ja")))
    assert result.code == 2
    assert "other.csv" in result.err
    assert "ja" in result.err
    assert result.out == ""


def test_a_split_by_time_is_stored_in_the_run(tmp_path: Path, unroll: Unroll) -> None:
    rows = [f"{np.datetime64('2020-01-01') + n},{n % 7},{n % 7 + n // 90 * 100}" for n in range(100)]
    table, run = tmp_path / "t.csv", tmp_path / "run"
    table.write_text("\n".join(["date,day,sales", *rows]) + "\n")
    trained = unroll("train", table, "--task", "regression", "--out", run, *LINEAR)
    assert trained.code == 0, trained.err
    assert "the last rows by 'date'" in trained.out + trained.err
    kept = json.loads((run / "run.json").read_text())
    assert "the last rows by 'date'" in json.dumps(kept)
    evaluated = unroll("evaluate", run)
    assert evaluated.code == 0, evaluated.err
    assert "sales, test: MAE 100 " in evaluated.out, "the last ten rows, which are a hundred higher"
    assert "10 rows" in evaluated.out
