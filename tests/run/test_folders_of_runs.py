"""A folder of folds, of a comparison or of runs is recognised and named by every command."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Unroll

from unrolled.errors import DataError, RunError
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.own_files import runs_held

TRACES = ("run.json", "plan.jsonl", "vocabulary.json", "model.safetensors")


def make_runs(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        for name in TRACES:
            (folder / name).write_text("{}")


@pytest.fixture
def folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_runs(*(tmp_path / "folds" / f"fold-{number}" for number in (1, 2, 3)))
    (tmp_path / "folds" / "folds.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return Path("folds")


@pytest.mark.parametrize("verb", ["info", "train", "compare"])
def test_folds_given_as_data_are_recognised(verb: str, folds: Path, unroll: Unroll) -> None:
    prediction = unroll(verb, folds)
    assert prediction.code == 2
    assert "folds holds 3 folds; `unroll runs --under folds` lists them." in prediction.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("verb", ["predict", "evaluate", "resume", "sample"])
def test_folds_given_as_a_run_are_recognised(verb: str, folds: Path, unroll: Unroll) -> None:
    prediction = unroll(verb, folds)
    assert prediction.code == 2
    told = "folds is not a run: name one in it. folds holds 3 folds; `unroll runs --under folds` lists them."
    assert told in prediction.err


def test_a_comparison_names_its_page_and_its_runs(tmp_path: Path) -> None:
    comparison = tmp_path / "my c"
    make_runs(comparison / "runs" / "lstm")
    (comparison / "compare.json").write_text("{}")
    assert "it has no page yet; `unroll runs --under" in runs_held(comparison)
    (comparison / "page.html").write_text("")
    told = f"{comparison} is a comparison: its page is {comparison}/page.html; "
    assert runs_held(comparison) == told + f"`unroll runs --under '{comparison}/runs'` lists its runs."
    with pytest.raises(RunError, match=r"is not a run: name one in it\. .* is a comparison: its page is"):
        RunFolder.open(comparison)


def test_a_comparison_on_a_task_has_only_a_page(tmp_path: Path) -> None:
    for name in ("compare.json", "results.jsonl", "page.html"):
        (tmp_path / name).write_text("")
    assert runs_held(tmp_path) == f"{tmp_path} is a comparison: its page is {tmp_path}/page.html."


def test_a_folder_of_runs_is_recognised(tmp_path: Path) -> None:
    from unrolled.run.info import info_data

    make_runs(tmp_path / "runs" / "a")
    with pytest.raises(DataError, match=r"runs holds 1 run; `unroll runs --under .*` lists it"):
        info_data(tmp_path / "runs")


def test_data_next_to_a_run_or_with_such_names_are_data(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "folds.json", "compare.json"):
        (tmp_path / name).write_text("a text " * 50)
    assert runs_held(tmp_path) == ""
    (tmp_path / "folds.json").unlink()
    make_runs(tmp_path / "run")
    assert runs_held(tmp_path) == runs_held(tmp_path / "a.txt") == runs_held(tmp_path / "gone") == ""
