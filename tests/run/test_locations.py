"""Trainings that start together get folders of their own, and a folder without a run is removed again."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kills import FACTS

from unrolled import train
from unrolled.errors import DataError, RunError
from unrolled.run import Training
from unrolled.rundir import locations
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.locations import free_path, give_up, unused_path

TRAIN = """
import sys, unrolled
rows = {"text": [f"film {n}" for n in range(40)], "label": [n % 2 for n in range(40)]}
sys.stdin.readline()  # all processes begin at once
run = unrolled.train(rows, output="label", task="classification", steps=2, threads=1, model="lstm", progress=False)
print(run.path)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_trainings_that_start_together_get_folders_of_their_own() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", TRAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = sorted(Path(process.communicate()[0].strip()).as_posix() for process in started)
    assert found == ["runs/data", "runs/data-2", "runs/data-3"]
    assert all(Path(path, "model.safetensors").is_file() for path in found)


def test_threads_that_choose_a_name_together_get_different_ones() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(free_path, ["a"] * 32))
    assert len(set(found)) == 32 and all(path.is_dir() for path in found)
    assert unused_path("a") == Path("runs/a-33") and not Path("runs/a-33").exists()


def test_a_claimed_folder_becomes_a_run_or_is_removed() -> None:
    path = free_path("a")
    with pytest.raises(ValueError, match="wrong"), RunFolder.prepare(path):
        raise ValueError("wrong")
    assert not Path("runs").exists()
    RunFolder.create(free_path("a"), FACTS).release()
    give_up(Path("runs/a"))
    assert Path("runs/a/run.json").is_file() and Path("runs/a").resolve() not in locations._claims


def test_a_folder_that_was_there_stays() -> None:
    Path("own").mkdir()
    with pytest.raises(ValueError, match="wrong"), RunFolder.prepare("own"):
        raise ValueError("wrong")
    give_up(Path("own"))
    assert Path("own").is_dir()


def test_a_training_that_is_refused_leaves_no_folder() -> None:
    with pytest.raises(DataError):
        train({"text": ["a", "b"], "label": ["x", "x"]}, output="label", task="classification", steps=2)
    assert not Path("runs").exists()


def test_where_no_folder_can_be_made_the_run_says_so(tmp_path: Path) -> None:
    Path("runs").write_text("a file")
    (tmp_path / "text.txt").write_text("a text with some words. " * 200)
    with pytest.raises(RunError, match="runs"):
        Training("text.txt", steps=2)
