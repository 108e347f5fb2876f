"""Kills a writer at every named point of its writing, and checks what it left.

The named points are the calls of `os` that change the disk. The writer dies by SIGKILL before its n-th call; if that
is a write, after half of the bytes. Run as a script (`python tests/kills.py checkpoint FOLDER`) it prints how many
points there were. It is a process of its own, small enough to be forked for every point.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

POINTS = ("open", "write", "fsync", "replace", "rename", "unlink", "mkdir")
FACTS: dict[str, Any] = {  # of the smallest possible run on a text
    "kind": "language-modeling", "status": "training", "options": {}, "settings": {}, "scores": {}, "environment": {},
    "threads": 1,
    "data": {"path": "/poems.txt", "kept": False, "fingerprints": {}, "description": "a text"},
    "sessions": [{"minutes": None, "steps": 5, "used": 0.0}], "created": "2026-11-25T12:39:20+0000",
}  # fmt: skip


def kill_at(point: int) -> None:
    """Kills this process at the `point`-th named point from now on, counted from 1."""
    passed = 0

    def dying(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            nonlocal passed
            passed += 1
            if passed == point:
                if name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return wrapped

    for name in POINTS:
        setattr(os, name, dying(name, getattr(os, name)))


def in_fork(call: Callable[[], object], point: int | None = None) -> int:
    """Calls it in a child process, which dies at `point` if given; returns how that ended, 0 for success."""
    child = os.fork()
    if child == 0:
        try:
            if point is not None:
                kill_at(point)
            call()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def names(folder: Path) -> list[str]:
    """The contents of a folder."""
    return sorted(path.name for path in folder.iterdir())


def survive(
    folder: Path, before: Callable[[Path], None], write: Callable[[Path], None], check: Callable[[Path], None]
) -> int:
    """For every point: `before` prepares a fresh folder, a child dies in `write`, `check` inspects; returns the
    points.

    The last child survives; `check` is called for it too.
    """
    point = 0
    while True:
        point += 1
        fresh = folder / str(point)
        fresh.mkdir()
        before(fresh)
        status = in_fork(lambda fresh=fresh: write(fresh), point)  # type: ignore[misc]
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, f"point {point}: status {status}"
        check(fresh)
        if status == 0:
            return point - 1


def survive_whole(folder: Path) -> int:
    """A file keeps its old content or has the new one; the next writer removes leftovers."""
    from unrolled.fileio import remove_partial_files, write_atomically

    def check(fresh: Path) -> None:
        assert (fresh / "run.json").read_bytes() in (b"old", b"new" * 1000)
        remove_partial_files(fresh)
        assert names(fresh) == ["run.json"]

    return survive(
        folder,
        lambda fresh: write_atomically(fresh / "run.json", b"old"),
        lambda fresh: write_atomically(fresh / "run.json", b"new" * 1000),
        check,
    )


def survive_checkpoint(folder: Path) -> int:
    """A whole checkpoint is there, the old or the new one; the next save leaves exactly two."""
    import torch

    from unrolled.training.checkpoint import load_newest, save_checkpoint

    def save(fresh: Path, step: int) -> None:
        save_checkpoint(fresh, step, {"weight": torch.full((50, 3), float(step))}, {"step": step})

    def before(fresh: Path) -> None:
        save(fresh, 10)
        save(fresh, 20)

    def check(fresh: Path) -> None:
        found = load_newest(fresh)
        assert found.step in (20, 30) and found.fell_back is None
        assert found.facts == {"step": found.step} and bool((found.tensors["weight"] == found.step).all())
        save(fresh, 40)
        assert load_newest(fresh).step == 40 and len(names(fresh)) == 2

    return survive(folder, before, lambda fresh: save(fresh, 30), check)


def survive_birth(folder: Path) -> int:
    """There is no run or a whole one; it can be made after the kill, and no leftovers remain."""
    from unrolled.rundir.folder import RunFolder

    def fill(partial: Path) -> None:
        (partial / "data.txt").write_text("abc")

    def make(fresh: Path) -> None:
        RunFolder.create(fresh / "run", FACTS, fill).release()

    def check(fresh: Path) -> None:
        if not (fresh / "run").exists():
            make(fresh)
        run = RunFolder.open(fresh / "run")
        assert (
            run.facts["kind"] == "language-modeling"
            and run.has_checksums
            and (run.path / "data.txt").read_text() == "abc"
        )
        assert run.checkpoints.is_dir() and not run.in_training()
        assert names(fresh) == ["run"]

    return survive(folder, lambda fresh: None, make, check)


def survive_training(folder: Path) -> int:
    """A training that is resumed, or started again if it had no run yet, ends with the bytes of an undisturbed one.

    Processes that have computed with torch are not forked: all training is done in children.
    """
    from training_runs import TINY_TEXT_MODEL, check_same_bytes, write_text

    from unrolled.errors import RunError
    from unrolled.run import Training
    from unrolled.rundir.folder import RunFolder

    def train(fresh: Path) -> None:
        for _ in Training(folder / "text.txt", out=str(fresh / "run"), steps=6, **TINY_TEXT_MODEL):
            pass

    def go_on(fresh: Path) -> None:
        if not (fresh / "run").exists():
            train(fresh)
        elif RunFolder.open(fresh / "run").facts["status"] != "finished":
            for _ in Training.resume(fresh / "run"):
                pass
        try:
            Training.resume(fresh / "run")
        except RunError as error:
            assert "is finished" in str(error)
        check_same_bytes(folder / "run", fresh / "run")

    def check(fresh: Path) -> None:
        assert in_fork(lambda: go_on(fresh)) == 0, fresh

    write_text(folder / "text.txt")
    assert in_fork(lambda: train(folder)) == 0
    return survive(folder, lambda fresh: None, train, check)


if __name__ == "__main__":
    survivors = {
        "whole": survive_whole,
        "checkpoint": survive_checkpoint,
        "birth": survive_birth,
        "training": survive_training,
    }
    print(survivors[sys.argv[1]](Path(sys.argv[2])))
