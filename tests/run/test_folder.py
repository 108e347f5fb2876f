"""A run folder is created whole, reports its damage, and has one trainer at a time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kills
import pytest
import torch
from kills import names

from unrolled.compare import find_folder
from unrolled.compare_options import CompareSettings
from unrolled.errors import RunError, TrainingError, UnrolledError
from unrolled.run import runs
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.locations import find_runs, free_path, newest
from unrolled.tasks.resolve import name_for

KILLS = Path(__file__).parents[1] / "kills.py"
FACTS = {**kills.FACTS, "score": 1.5}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs" / "a", FACTS)


def test_a_run_is_made_and_opened_again(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "text").write_text("abc")

    made = RunFolder.create(tmp_path / "new" / "runs" / "a", FACTS, fill)
    made.write_facts(score=1.4, best=float("inf"))
    found = RunFolder.open(tmp_path / "new" / "runs" / "a")
    assert found.facts == {**FACTS, "format": 5, "score": 1.4, "best": None, "checksums": {}}
    assert (found.path / "text").read_text() == "abc" and names(found.path.parent) == ["a"]
    assert made.path == found.path and found.checkpoints.is_dir()


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert RunFolder.open(RunFolder.create(tmp_path / "a", FACTS).path).facts["kind"] == "language-modeling"


def test_a_folder_is_made_below_a_missing_one_that_dots_leave_again(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "absent" / ".." / "a", FACTS)
    run.write_facts(score=1.0)
    run.release()
    assert names(tmp_path) == ["a"]
    assert RunFolder.open(tmp_path / "a").facts["score"] == 1.0


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").write_text("dear")
    with pytest.raises(RunError, match=r"a exists and is not empty. Name another with --out"):
        RunFolder.create(tmp_path / "a", FACTS)
    with pytest.raises(RunError, match=r"mine exists and is not a folder"):
        RunFolder.create(tmp_path / "a" / "mine", FACTS)
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["mine"]


def test_a_run_folder_must_not_be_a_link_but_may_be_below_one(tmp_path: Path) -> None:
    (tmp_path / "my disk").mkdir()
    (tmp_path / "out").symlink_to("my disk")
    with pytest.raises(RunError, match=r"out is a link, .*\n--out '.*/my disk'$"):
        RunFolder.create(tmp_path / "out", FACTS)
    assert names(tmp_path) == ["my disk", "out"] and names(tmp_path / "my disk") == []
    (tmp_path / "lost").symlink_to("nowhere")
    with pytest.raises(RunError, match=r"lost exists and is not a folder"):
        RunFolder.create(tmp_path / "lost", FACTS)
    RunFolder.create(tmp_path / "out" / "run", FACTS).release()
    RunFolder.create(tmp_path / "out" / "deep" / "run", FACTS).release()
    assert names(tmp_path / "my disk") == ["deep", "run"]
    opened = RunFolder.open(tmp_path / "out" / "run")
    opened.lock()
    opened.release()


def test_a_link_to_a_run_is_read_and_resuming_needs_the_run_itself(run: RunFolder, tmp_path: Path) -> None:
    run.release()
    (tmp_path / "cur").symlink_to(run.path)
    opened = RunFolder.open(tmp_path / "cur")
    assert opened.facts["kind"] == "language-modeling"
    with pytest.raises(RunError, match=rf"cur is a link, .*\nunroll resume {re.escape(str(run.path.resolve()))}$"):
        opened.lock()
    with pytest.raises(RunError, match=r"cur exists and is not empty"):
        RunFolder.create(tmp_path / "cur", FACTS)


def test_a_folder_that_fills_meanwhile_is_refused(tmp_path: Path) -> None:
    def meanwhile(_: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "theirs").write_text("dear")

    with pytest.raises(RunError, match=r"a exists and is not empty. Name another folder with --out"):
        RunFolder.create(tmp_path / "a", FACTS, meanwhile)
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["theirs"]


def test_the_folder_one_is_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"the folder you are in"):
        RunFolder.create(".", FACTS)
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"a cannot be made: .*file is not a folder\. .*--out"):
        RunFolder.create(tmp_path / "file" / "b" / "a", FACTS)
    with pytest.raises(RunError, match=r"cannot be made: File name too long"):
        RunFolder.create(tmp_path / ("a" * 300), FACTS)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), TrainingError("full"), KeyboardInterrupt()]
)
def test_a_failed_creation_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        (folder / "text").write_text("abc")
        raise error

    with pytest.raises((UnrolledError, KeyboardInterrupt)) as raised:
        RunFolder.create(tmp_path / "a", FACTS, fail)
    if isinstance(error, OSError):
        assert "a could not be made: No space left on device. Nothing was left of it" in str(raised.value)
    assert names(tmp_path) == []


def test_a_kill_at_any_point_of_creation_leaves_no_run_or_a_whole_one(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, KILLS, "birth", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12  # two folders, run.json written whole, the lock, the renaming and its flushes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "a is not a run: it has no run.json"),
        ("{", r"run.json is damaged: not JSON \(.*line 1, column 2\)"),
        ("[]", "run.json is damaged: it lacks a format or a kind"),
        ('{"format": true, "kind": "language-modeling"}', "run.json is damaged: it lacks a format or a kind"),
        ('{"format": 1}', "run.json is damaged: it lacks a format or a kind"),
        ('{"format": 6, "kind": "language-modeling"}', "made by a newer unrolled: it has format 6; this one reads 5"),
        ('{"format": 2, "kind": "language-modeling"}', "run.json is damaged: it has no checksum"),
        (
            '{"format": 2, "kind": "language-modeling", "checksum": "0"}',
            "run.json is damaged: its checksum does not match",
        ),
        (
            '{"format": 1, "kind": "language"}',
            "run.json is damaged: 'created' is missing, where a text was expected",
        ),
        (
            '{"format": 1, "kind": "classification"}',
            "holds a run of kind 'classification'; this needs one of kind 'language-modeling'",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    (tmp_path / "a").mkdir()
    if content is not None:
        (tmp_path / "a" / "run.json").write_text(content)
    with pytest.raises(RunError, match=said) as raised:
        RunFolder.open(tmp_path / "a")
    assert str(raised.value).count("\n") < 3


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a does not exist; a run is a folder made by `unroll train`"):
        RunFolder.open(tmp_path / "a")
    (tmp_path / "a").write_text("text")
    with pytest.raises(RunError, match=r"a is a file; a run is"):
        RunFolder.open(tmp_path / "a")
    with pytest.raises(RunError, match=r"cannot be read: File name too long"):
        RunFolder.open(tmp_path / ("a" * 300))


def test_runs_of_any_kind_are_opened_on_request(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "a", {**FACTS, "kind": "captioning"})
    assert RunFolder.open(tmp_path / "a", any_kind=True).facts["kind"] == "captioning"


def test_one_process_trains_a_run_at_a_time(run: RunFolder) -> None:
    script = f"from unrolled.rundir.folder import RunFolder; RunFolder.open({str(run.path)!r}).lock(); print('taken')"
    other = [sys.executable, "-c", script]
    assert run.in_training()
    run.lock()  # we hold it already
    refused = subprocess.run(other, capture_output=True, text=True)
    assert f"is being trained by process {os.getpid()}. Wait until it ends, or stop it" in refused.stderr
    with pytest.raises(RunError, match=r"is being trained by process"):
        RunFolder.open(run.path).lock()
    run.release()
    assert not run.in_training()
    assert subprocess.run(other, capture_output=True, text=True).stdout == "taken\n"
    run.lock()  # a process that has ended holds no lock


def test_taking_the_lock_removes_leftovers_of_a_kill(run: RunFolder) -> None:
    run.release()
    (run.path / ".run.json.partial-1").write_text("{")
    RunFolder.open(run.path).lock()
    assert not (run.path / ".run.json.partial-1").exists()


def test_reports_samples_and_plans_after_a_step_are_removed(run: RunFolder) -> None:
    texts = {10: "at first\n\n--- step 5\n", 20: "", 30: " then\r\n"}
    for step, text in texts.items():
        run.log.append_plan(step, {"learning_rate": step / 10})
        run.log.append_report(step, {"loss": float("nan")})
        run.log.append_sample(step, text)
    for name in ("log.jsonl", "samples.txt"):
        with (run.path / name).open("a") as torn:
            torn.write('{"step": 3' if name == "log.jsonl" else "--- step 40\n    torn")
    assert run.log.read_samples() == list(texts.items())
    run.log.cut(30)
    run.log.append_report(40, {"loss": 1.0})
    run.log.append_sample(40, "more")
    assert [report["step"] for report in run.log.read_reports()] == [10, 20, 30, 40]
    assert run.log.read_samples() == [*texts.items(), (40, "more")]
    run.log.cut(10)
    assert run.log.read_plans() == [{"step": 10, "learning_rate": 1.0}] and run.log.read_reports() == [
        {"step": 10, "loss": None}
    ]
    assert run.log.read_samples() == [(10, texts[10])]
    run.log.cut(0)
    assert [run.log.read_plans(), run.log.read_reports(), run.log.read_samples()] == [[], [], []]


def test_nothing_changes_where_nothing_is_after_the_step(run: RunFolder) -> None:
    run.log.cut(0)
    assert not (run.path / "log.jsonl").exists()
    run.log.append_report(1, {"loss": 1.0})
    before = (run.path / "log.jsonl").stat()
    run.log.cut(1)
    assert (run.path / "log.jsonl").stat().st_ino == before.st_ino


def test_tokens_and_the_model_come_back(tmp_path: Path) -> None:
    table: dict[str, Any] = {"task": "char", "tokenizer": ["", "a", "–"]}
    run = RunFolder.create(tmp_path / "a", FACTS, lambda folder: RunFolder(folder, {}).write_vocabulary(table))
    run.write_model({"weight": torch.ones(2)}, {"step": 5})
    assert run.read_vocabulary() == table
    tensors, facts = run.read_model({"weight": torch.zeros(2)})
    assert torch.equal(tensors["weight"], torch.ones(2)) and facts == {"step": 5}
    with pytest.raises(RunError, match=r"model.safetensors does not fit"):
        run.read_model({"weight": torch.zeros(3)})
    run.model.write_bytes(run.model.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"model.safetensors is damaged"):
        run.read_model()


def test_the_newest_run_is_the_one_last_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"There is no run under runs/ here. Name a run's folder, or train one"):
        newest()
    for age, name in enumerate(["a", "b", "c"]):
        path = RunFolder.create(Path("runs") / free_path(name).name, FACTS).path
        os.utime(path / "run.json", (1000 - age, 1000 - age))
    (tmp_path / "runs" / "no run").mkdir()
    (tmp_path / "runs" / ".b.partial-7").mkdir()
    (tmp_path / "runs" / ".b.partial-7" / "run.json").write_text(json.dumps(FACTS))
    assert [path.name for path in find_runs()] == ["a", "b", "c"] and newest() == Path("runs/a")
    RunFolder.open("runs/c").log.append_report(5, {"loss": 1.0})
    assert newest() == Path("runs/c")
    assert free_path("a") == Path("runs/a-2") and free_path("d") == Path("runs/d")


def test_runs_are_listed_while_a_training_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder.create(tmp_path / "runs" / "a", FACTS)
    real = RunFolder.in_training

    def finishes(folder: RunFolder) -> bool:
        assert folder.facts["status"] == "training"
        run.write_facts(status="finished")
        run.release()
        return real(folder)

    monkeypatch.setattr(RunFolder, "in_training", finishes)
    assert [listed["status"] for listed in runs(tmp_path / "runs")] == ["finished"]


def test_runs_are_listed_while_their_files_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder.create(tmp_path / "runs" / "a", FACTS)
    (run.checkpoints / "step-1.safetensors").write_bytes(b"1234")
    whole = runs(tmp_path / "runs")[0]["bytes"]
    real = os.walk

    def removes(*requested: Any, **more: Any) -> Iterator[Any]:
        for here, folders, files in real(*requested, **more):
            (run.checkpoints / "step-1.safetensors").unlink(missing_ok=True)
            yield here, folders, files

    (run.checkpoints / "step-1.safetensors").write_bytes(b"1234")
    monkeypatch.setattr(os, "walk", removes)
    assert runs(tmp_path / "runs")[0]["bytes"] == whole - 4


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\u8a9e"])
def test_the_longest_names_that_files_can_have_become_folders(letter: str, tmp_path: Path) -> None:
    name = letter * (251 // len(letter.encode()))
    (tmp_path / f"{name}.txt").write_text("abc")
    short = name_for(tmp_path / f"{name}.txt")
    assert name.startswith(short) and len(short.encode()) > 197
    RunFolder.create(free_path(short, tmp_path), FACTS).release()
    RunFolder.create(free_path(short, tmp_path), FACTS).release()
    assert {path.name for path in tmp_path.glob("*/")} == {short, f"{short}-2"}
    settings = CompareSettings(models="lstm", steps=1)
    assert find_folder(str(tmp_path / f"{name}.txt"), settings).name == short
    assert name_for(f"/a/{'b' * 200}.txt") == "b" * 200
