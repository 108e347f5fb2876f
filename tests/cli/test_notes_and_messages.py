"""`evaluate` on a table that is read as a text; messages about invalid threads, folders and tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Unroll

from unrolled.compare import Comparison
from unrolled.compare_options import CompareSettings
from unrolled.errors import OptionError, RunError
from unrolled.options import TrainOptions
from unrolled.run import RowPrediction, Training
from unrolled.run.cross_validation import Folds

TABLE = "text\tlabel\n" + "".join(f"word {n % 7} here\t{'ab'[n % 2]}\n" for n in range(60))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("as_text")
    (folder / "text.txt").write_text("the cat sat on the mat. " * 60)
    (folder / "table.tsv").write_text(TABLE)
    (folder / "table.txt").write_text(TABLE)
    of_column: dict[str, Any] = {"task": "language-modeling", "input": "text"}
    for data, options in (("text.txt", {}), ("table.tsv", of_column)):
        out = str(folder / f"run-{data}")
        for _ in Training(
            folder / data, model="lstm", steps=1, hidden_size=4, batch_size=4, threads=1, out=out, **options
        ):
            pass
    return folder


def test_a_table_that_is_read_as_plain_text_has_a_note(folder: Path, unroll: Unroll) -> None:
    run, table = folder / "run-text.txt", folder / "table.tsv"
    told = unroll("evaluate", run, table, "--quiet", "--threads", "1").out
    assert told.startswith(f"{table} (a table, read as plain text: its header and its separators are scored too")
    facts = json.loads(unroll("evaluate", run, table, "--json", "--threads", "1").out)
    assert facts["split"] == str(table) and facts["note"].startswith("a table, read as plain text")
    assert "(it looks like a table" in unroll("evaluate", run, folder / "table.txt", "--quiet", "--threads", "1").out


def test_a_text_and_a_column_are_evaluated_without_a_note(folder: Path, unroll: Unroll) -> None:
    for data in ("text.txt", "table.tsv"):
        requested = ("evaluate", folder / f"run-{data}", folder / data, "--threads", "1")
        assert unroll(*requested, "--quiet").out.startswith(f"{folder / data}: ")
        assert "note" not in json.loads(unroll(*requested, "--json").out)


def test_zero_threads_are_refused_by_the_option(folder: Path, unroll: Unroll) -> None:
    result = unroll("evaluate", folder / "run-text.txt", "--threads", "0")
    assert result.code == 2 and result.err == "unroll: --threads is a whole number of at least 1; got 0.\n"


def test_a_run_folder_below_a_file_is_refused(folder: Path, unroll: Unroll) -> None:
    out = str(folder / "text.txt" / "b" / "c")
    told = r"c cannot be made: .*text\.txt is not a folder\. Name another folder with --out"
    result = unroll("train", folder / "text.txt", "--steps", "1", "--threads", "1", "--quiet", "--out", out)
    assert result.code == 2 and "text.txt is not a folder" in result.err
    with pytest.raises(RunError, match=told):
        Comparison(folder / "text.txt", CompareSettings(models="lstm", steps=1, out=out))
    with pytest.raises(RunError, match=told):
        Folds(folder / "table.tsv", TrainOptions(folds=2, out=out), "table")


def test_a_prediction_without_tags_says_so() -> None:
    with pytest.raises(OptionError, match=r"Unknown output of tags 'label'\. There are none\."):
        RowPrediction("a text", labels={"label": [("a", 1.0)]}).best_tags("label")
