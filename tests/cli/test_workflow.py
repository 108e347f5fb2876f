"""A user's whole workflow, each command once in a process of its own: train, stop, resume, sample, score, evaluate,
info, runs. A second call of the same command runs in this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import Unroll

UNROLL = [sys.executable, "-c", "import sys; from unrolled.cli import main; sys.exit(main())"]
TEXT = "".join(
    f"On day {n} the {('sun', 'rain', 'wind')[n % 3]} came over the hill and stayed.\n" for n in range(600)
)
SMALL = ("--hidden-size", "16", "--batch-size", "4", "--window", "32", "--threads", "1")
FIRST_CHARACTER = 2.0  # times the import of torch, from a cold start


def run_alone(folder: Path, *arguments: str, code: int = 0, given: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*UNROLL, *arguments], cwd=folder, capture_output=True, text=True, input=given, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and, under runs/, a run on it that is found as the newest run."""
    path = tmp_path_factory.mktemp("user")
    (path / "days.txt").write_text(TEXT)
    done = run_alone(path, "train", "days.txt", "--steps", "30", *SMALL)
    assert "Test: " in done.stdout and "step 30 of 30" in done.stderr
    return path


def test_sample_is_repeatable_and_needs_no_name(
    folder: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested = ("sample", "--length", "40", "--seed", "5", "--prompt", "On day ")
    alone = run_alone(folder, *requested).stdout
    monkeypatch.chdir(folder)
    assert unroll(*requested).out == alone and alone.startswith("On day ")
    lines = unroll("sample", "runs/days", "--count", "2", "--length", "10", "--json").out.splitlines()
    assert len({json.loads(line)["text"] for line in lines}) == 2
    assert "'Ж' by" in unroll("sample", "--prompt", "Ж", "--length", "3").err


@pytest.mark.alone
def test_the_first_character_comes_soon(folder: Path) -> None:
    """Importing torch takes most of the waiting time, one to three seconds depending on the machine: the two are
    timed in turn."""
    imports, characters = [], []
    for _ in range(3):
        started = time.monotonic()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        imports.append(time.monotonic() - started)
        started = time.monotonic()
        with subprocess.Popen([*UNROLL, "sample"], cwd=folder, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            characters.append(time.monotonic() - started)
            process.stdout.close()
            assert process.wait() == 0  # and the closed pipe ended it without a message
    assert min(characters) < FIRST_CHARACTER * min(imports)


def test_training_and_loading_need_neither_torchs_compiler_nor_its_folder(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "table.csv").write_text("text,label\n" + "".join(f"a {n % 7} b,{'xy'[n % 2]}\n" for n in range(60)))
    (tmp_path / "empty").mkdir()
    program = (
        "import sys; from unrolled.run import Training, load\n"
        "for data in ('text.txt', 'table.csv'):\n"
        "    for _ in Training(data, steps=2, hidden_size=4, threads=1, out=f'{data}-run'): pass\n"
        "    load(f'{data}-run')\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path / "empty")},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr or "it was loaded, which takes a second or two"
    assert not list((tmp_path / "empty").iterdir())


def test_score_finds_the_unusual_line(folder: Path) -> None:
    lines = TEXT.splitlines()[-40:]
    lines[17] = "SEGFAULT %% at 0xDEADBEEF"
    done = run_alone(folder, "score", "-", "--top", "1", "--json", given="\n".join(lines))
    assert json.loads(done.stdout)["line"] == 18


def test_evaluate_info_and_runs(folder: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = json.loads(run_alone(folder, "evaluate", "--json").stdout)
    assert scores["split"] == "test" and scores["nats"] > 0 and len(scores["nats_interval"]) == 2
    assert json.loads(run_alone(folder, "info", "--json").stdout)["status"] == "finished"
    assert "days.txt" in run_alone(folder, "runs").stdout
    monkeypatch.chdir(folder)
    assert "different" in unroll("info", "days.txt").out


def test_a_stopped_run_is_resumed(folder: Path) -> None:
    command = [*UNROLL, "train", "days.txt", "--steps", "100000", *SMALL, "--out", "stopped"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("step 0"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "unroll resume stopped" in said
    done = run_alone(folder, "resume", "stopped", "--steps", "5")
    assert "Test" in done.stdout


def test_standard_input_is_kept_in_the_run(folder: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "days.txt").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert unroll("train", "-", "--steps", "2", *SMALL, "--out", folder / "piped").code == 0
    assert (folder / "piped" / "data.txt").read_text(encoding="utf-8") == TEXT
    assert unroll("resume", folder / "piped", "--steps", "2").code == 0
