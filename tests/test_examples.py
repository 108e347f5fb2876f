"""The short programs in examples/ run unchanged."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_train_and_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("days.txt").write_text("".join(f"On day {n} the sun came over the hill.\n" for n in range(300)))
    runpy.run_path(str(EXAMPLES / "train_and_sample.py"))["main"]("days.txt", 20, "run")
    assert "update 20: " in capsys.readouterr().out
    assert Path("run", "model.safetensors").is_file()


def test_own_loop(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = runpy.run_path(str(EXAMPLES / "own_loop.py"))["main"](updates=100)
    assert 0 < accuracy <= 1 and "update 100: " in capsys.readouterr().out


def test_every_example_has_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"train_and_sample.py", "own_loop.py"}
