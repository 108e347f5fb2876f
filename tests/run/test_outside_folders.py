"""A run folder is data from outside: nothing in it leads elsewhere, and only the run's own files are removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Unroll
from kills import FACTS

from unrolled.errors import RunError
from unrolled.fileio import append_line, remove_partial_files, write_atomically
from unrolled.opening import read_plain
from unrolled.rundir.creation import remove_unfinished
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.lock import Lock
from unrolled.rundir.own_files import FILES, is_run
from unrolled.training.checkpoint import drop_older, load_newest, save_checkpoint

PRECIOUS = b"precious\n" * 100


def as_link(place: Path, precious: Path) -> None:
    place.symlink_to(precious)


def as_hard_link(place: Path, precious: Path) -> None:
    place.hardlink_to(precious)


def as_pipe(place: Path, precious: Path) -> None:
    os.mkfifo(place)


def as_folder(place: Path, precious: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").hardlink_to(precious)


FOREIGN = [as_link, as_hard_link, as_pipe, as_folder]


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "thesis.txt"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder.create(tmp_path / "run", FACTS)
    run.release()
    return run


@pytest.mark.timeout(20)  # a pipe is not waited for
@pytest.mark.parametrize("become", FOREIGN)
@pytest.mark.parametrize("name", [name for name in FILES if name != "run.json"])
def test_a_run_with_a_file_that_leads_elsewhere_is_refused(
    run: RunFolder, precious: Path, name: str, become: Callable[[Path, Path], None]
) -> None:
    (run.path / name).unlink(missing_ok=True)
    become(run.path / name, precious)
    words = rf"{name} is a .*Nothing was read or written\.\n.*(cp -rL RUN COPY|train again)"
    with pytest.raises(RunError, match=words) as raised:
        RunFolder.open(run.path)
    assert str(raised.value).count("\n") < 3
    with pytest.raises(RunError, match=words):
        run.lock()
        append_line(run.path / name, "line")
    with pytest.raises(RunError, match=words):
        write_atomically(run.path / name, b"whole")
    assert precious.read_bytes() == PRECIOUS


@pytest.mark.timeout(20)
@pytest.mark.parametrize("become", FOREIGN)
def test_run_json_that_leads_elsewhere_is_refused(
    run: RunFolder, precious: Path, become: Callable[[Path, Path], None]
) -> None:
    (run.path / "run.json").unlink()
    become(run.path / "run.json", precious)
    with pytest.raises(RunError, match=r"run.json is a "):
        RunFolder.open(run.path)
    with pytest.raises(RunError, match=r"run.json is a "):
        run.write_facts(status="stopped")
    assert precious.read_bytes() == PRECIOUS


def test_writing_follows_no_link(tmp_path: Path, precious: Path) -> None:
    planted = tmp_path / f".run.json.partial-{os.getpid()}"
    planted.symlink_to(precious)
    write_atomically(tmp_path / "run.json", b"{}")
    assert (tmp_path / "run.json").read_bytes() == b"{}" and not planted.is_symlink()
    assert precious.read_bytes() == PRECIOUS


@pytest.mark.parametrize("become", FOREIGN)
def test_a_lock_that_leads_elsewhere_is_not_taken(
    tmp_path: Path, precious: Path, become: Callable[[Path, Path], None]
) -> None:
    become(tmp_path / "lock", precious)
    lock = Lock(tmp_path)
    with pytest.raises(RunError, match=r"lock is a "):
        lock.take()
    assert not lock.held() and lock.holder() == ""
    assert precious.read_bytes() == PRECIOUS


def test_a_linked_checkpoint_folder_loses_nothing(run: RunFolder, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for step in (10, 20, 30):
        save_checkpoint(theirs, step, {"weight": torch.ones(2)}, {})
    (theirs / ".notes.partial-1").write_text("dear")
    before = sorted(path.name for path in theirs.iterdir())
    run.checkpoints.rmdir()
    run.checkpoints.symlink_to(theirs)
    attempts: list[Callable[[], Any]] = [
        lambda: save_checkpoint(run.checkpoints, 5, {"weight": torch.ones(2)}, {}),
        lambda: drop_older(run.checkpoints, 99),
        lambda: load_newest(run.checkpoints),
        lambda: remove_partial_files(run.checkpoints),
        lambda: RunFolder.open(run.path),
    ]
    for attempt in attempts:
        with pytest.raises(RunError, match=r"checkpoint is a link; a folder of the run was expected"):
            attempt()
    assert sorted(path.name for path in theirs.iterdir()) == before


def test_only_partial_runs_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "run"

    def unborn(name: str, holder: str, *files: str) -> Path:
        folder = tmp_path / name
        (folder / "checkpoint").mkdir(parents=True)
        (folder / "lock").write_text(holder)
        for file in files:
            (folder / file).write_text("dear")
        return folder

    gone = [
        unborn(".run.partial-12", " process 12\n", "run.json", "data.txt", ".plan.jsonl.partial-12"),
        tmp_path / ".run.partial-13",  # killed before it had a lock
    ]
    gone[1].mkdir()
    stay = [
        unborn(".run.partial-notes", " process 12\n"),
        unborn(".run.partial-14", " process 15\n"),
        unborn(".run.partial-16", "", "thesis.txt"),
        unborn(".run.partial-17", " process 17\n", "thesis.txt"),
        unborn(".runs.partial-12", " process 12\n"),
        tmp_path / ".run.partial-18",
        tmp_path / ".run.partial-19",
    ]
    stay[-2].symlink_to(tmp_path / ".run.partial-12")
    stay[-1].write_text("dear")
    alive = unborn(".run.partial-20", " process 20\n")
    lock = Lock(alive)
    lock.take()
    (alive / "lock").write_text(" process 20\n")
    remove_unfinished(target)
    lock.release()
    assert not any(path.exists() for path in gone)
    assert all(path.is_symlink() or path.exists() for path in [*stay, alive])
    assert (stay[3] / "thesis.txt").read_text() == "dear"


def test_a_run_is_created_next_to_what_looks_like_a_partial_run(tmp_path: Path) -> None:
    (tmp_path / ".run.partial-12").mkdir()
    (tmp_path / ".run.partial-12" / "thesis.txt").write_text("dear")
    RunFolder.create(tmp_path / "run", FACTS)
    assert (tmp_path / ".run.partial-12" / "thesis.txt").read_text() == "dear"


def test_run_json_is_read_after_the_lock_is_taken(run: RunFolder) -> None:
    opened = RunFolder.open(run.path)
    script = (
        "import sys; from unrolled.rundir.folder import RunFolder\n"
        "run = RunFolder.open(sys.argv[1]); run.lock(); run.write_facts(status='finished')"
    )
    subprocess.run([sys.executable, "-c", script, run.path], check=True)
    assert opened.facts["status"] == "training"
    opened.lock()
    assert opened.facts["status"] == "finished"
    opened.release()


def test_the_remains_of_a_run_are_not_taken_for_data(unroll: Unroll, run: RunFolder) -> None:
    run.log.append_plan(0, {})
    run.write_vocabulary({})
    assert is_run(run.path)
    (run.path / "run.json").unlink()
    assert is_run(run.path)
    for command in (["info", run.path], ["sample", run.path], ["train", run.path, "--steps", "1"]):
        prediction = unroll(*command)
        assert prediction.code == 2 and "run.json is missing" in prediction.err, prediction
    (run.path / "plan.jsonl").unlink()
    shutil.rmtree(run.checkpoints)
    assert not is_run(run.path)


@pytest.mark.parametrize("name", ["vocabulary.json", "data.txt"])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(name: str, run: RunFolder, tmp_path: Path) -> None:
    (run.path / name).touch()
    os.truncate(run.path / name, 50 << 30)  # a sparse file, which takes no room on the disk
    started = time.monotonic()
    with pytest.raises(RunError, match=r"has 53,687,091,200 bytes; at most [\d,]+ were expected"):
        run.check_file(name)
    assert time.monotonic() - started < 1


def test_a_small_file_takes_little_memory_to_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.txt"
    path.write_bytes(b"x" * 549)
    tracemalloc.start()
    try:
        assert read_plain(path) == b"x" * 549
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
