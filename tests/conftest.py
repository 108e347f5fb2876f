"""Fixtures for tests of all packages."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard() -> None:
    """Tests that run in the background, or under nohup, inherit that these signals are ignored, and pass this on
    to their child processes."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def files_are_not_synced() -> Iterator[None]:
    """Tests kill processes, not machines: what a killed process wrote is kept by the system, so that waiting for the
    disk would only take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def caches_are_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features of images are not stored in the cache folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shakespeare() -> Path:
    """Tiny Shakespeare, 1,115,394 characters: the file that UNROLLED_DATA names, or the one next to the
    repository."""
    beside = REPOSITORY.parent / "shared" / "data" / "shakespeare" / "input.txt"
    path = Path(os.environ.get("UNROLLED_DATA") or beside)
    if not path.is_file():
        pytest.skip(f"{path} is not here; UNROLLED_DATA can name another copy of it")
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets next to the repository."""
    path = REPOSITORY.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture
def unroll(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `unroll` with these arguments in this process; the result has a code, out and err."""
    from commands import CommandResult

    from unrolled.cli import main

    def call(*arguments: str | Path) -> CommandResult:
        code = main([str(argument) for argument in arguments])
        return CommandResult(code, *capsys.readouterr())

    return call


@pytest.fixture
def faked(unroll: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The same with a fake run package that trains nothing (tests/cli/fake_run.py), in an empty folder."""
    import fake_run

    for name in ("unrolled.run", "unrolled.rundir.folder"):
        monkeypatch.setitem(sys.modules, name, fake_run)
    monkeypatch.chdir(tmp_path)
    return unroll
