"""Ctrl-C and SIGTERM: in a training the first one saves and ends, the second one ends at once, as the first one does
in commands that train nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_run
import pytest
from commands import Unroll

BOTH = [signal.SIGINT, signal.SIGTERM]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
DEAF = """
import time

for _ in range(600):
    try:
        print("importing", flush=True)
        time.sleep(60)
    except BaseException:
        pass
"""
"""A library that discards exceptions while it is imported, as parts of numpy do."""


@contextmanager
def training(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A training with one second per step, after its first step was shown."""
    with subprocess.Popen(
        [sys.executable, fake_run.__file__, *(arguments or ("train", "slow"))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "step 1" not in process.stderr.readline():
            assert process.poll() is None
        yield process


@pytest.mark.parametrize("number", BOTH)
def test_the_first_ends_tidily_and_says_how_to_go_on(number: signal.Signals, tmp_path: Path) -> None:
    with training(tmp_path) as process:
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Ending tidily" in said and "To resume: unroll resume runs/fake" in said
    assert "Traceback" not in said


def test_the_second_ends_at_once(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        while "Ending tidily" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Stopped." in said and "To resume" not in said and "Traceback" not in said


def test_before_there_is_a_training_the_first_ends_at_once(faked: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_for_long(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(fake_run, "Training", read_for_long)
    before = signal.getsignal(signal.SIGTERM)
    result = faked("train", "text")
    assert result.code == 143 and result.err == "\nStopped.\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_ignored_stays_ignored(faked: Unroll) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert faked("train", "text").code == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", CODES)
def test_a_command_that_trains_nothing_ends_with_one_line(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, fake_run.__file__, "evaluate", "run", "slow"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        assert "Evaluating" in process.stderr.readline()
        process.send_signal(number)
        said = process.communicate(timeout=5)[1]
    assert (process.returncode, said) == (CODES[number], "\nStopped.\n")


@pytest.mark.parametrize("number", CODES)
def test_a_signal_during_an_import_ends_the_command_too(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(DEAF)
    program = "from unrolled.interrupts import interruptible\nwith interruptible():\n    import deaf"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert "importing" in process.stdout.readline()
        process.send_signal(number)
        said = process.communicate(timeout=5)[1]
    assert (process.returncode, said) == (CODES[number], "\nStopped.\n")


def test_signals_are_handled_before_the_command_is_imported(tmp_path: Path) -> None:
    program = (
        "import signal, sys\n"
        "import unrolled.__main__\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'unrolled.cli':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Stop())\n"
        "sys.exit(unrolled.__main__.main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ended.returncode, ended.stderr) == (130, "\nStopped.\n")
