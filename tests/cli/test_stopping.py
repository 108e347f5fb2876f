"""Ctrl-C and SIGTERM: the first one saves and ends, the second one ends at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_run
import pytest
from asking import Unroll

BOTH = [signal.SIGINT, signal.SIGTERM]


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
    prediction = faked("train", "text")
    assert prediction.code == 130 and prediction.err == "\nStopped.\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_ignored_stays_ignored(faked: Unroll) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert faked("train", "text").code == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
