"""A user's whole workflow, each command in a process of its own: train, stop, resume, sample, score, evaluate,
info."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNROLL = [sys.executable, "-c", "import sys; from unrolled.cli import main; sys.exit(main())"]
TEXT = "".join(
    f"On day {n} the {('sun', 'rain', 'wind')[n % 3]} came over the hill and stayed.\n" for n in range(600)
)
SMALL = ("--hidden-size", "16", "--batch-size", "4", "--window", "32", "--threads", "1")
FIRST_CHARACTER = 2.0  # times the import of torch, from a cold start


def unroll(folder: Path, *arguments: str, code: int = 0, given: str = "") -> subprocess.CompletedProcess[str]:
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
    done = unroll(path, "train", "days.txt", "--steps", "30", *SMALL)
    assert "Test: " in done.stdout and "step 30 of 30" in done.stderr
    return path


def test_sample_is_repeatable_and_needs_no_name(folder: Path) -> None:
    requested = ("--length", "40", "--seed", "5", "--prompt", "On day ")
    first, again = (unroll(folder, "sample", *requested).stdout for _ in range(2))
    assert first == again and first.startswith("On day ")
    lines = unroll(folder, "sample", "runs/days", "--count", "2", "--length", "10", "--json").stdout.splitlines()
    assert len({json.loads(line)["text"] for line in lines}) == 2
    assert "'Ж' by" in unroll(folder, "sample", "--prompt", "Ж", "--length", "3").stderr


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


def test_a_run_is_loaded_without_torchs_compiler(folder: Path) -> None:
    program = (
        "import sys; from unrolled.run import load; from unrolled.rundir.locations import newest\n"
        "load(newest()); sys.exit('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "it was loaded, which takes a second or two"


def test_a_text_and_a_table_are_trained_on_without_torchs_compiler_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "table.csv").write_text("text,label\n" + "".join(f"a {n % 7} b,{'xy'[n % 2]}\n" for n in range(60)))
    (tmp_path / "empty").mkdir()
    program = (
        "import sys; from unrolled.run import Training\n"
        "for data in ('text.txt', 'table.csv'):\n"
        "    for _ in Training(data, steps=2, hidden_size=4, threads=1, out=f'{data}-run'): pass\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path / "empty")},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr or "it was loaded, which takes a second or two"
    assert not list((tmp_path / "empty").iterdir())


def test_the_odd_line_is_found(folder: Path) -> None:
    lines = TEXT.splitlines()[-40:]
    lines[17] = "SEGFAULT %% at 0xDEADBEEF"
    done = unroll(folder, "score", "-", "--top", "1", "--json", given="\n".join(lines))
    assert json.loads(done.stdout)["line"] == 18


def test_evaluate_info_and_runs(folder: Path) -> None:
    scores = json.loads(unroll(folder, "evaluate", "--json").stdout)
    assert scores["split"] == "test" and scores["nats"] > 0 and len(scores["nats_interval"]) == 2
    assert json.loads(unroll(folder, "info", "--json").stdout)["status"] == "finished"
    assert "different" in unroll(folder, "info", "days.txt").stdout
    assert "days.txt" in unroll(folder, "runs").stdout


def test_a_stopped_run_goes_on(folder: Path) -> None:
    command = [*UNROLL, "train", "days.txt", "--steps", "100000", *SMALL, "--out", "stopped"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("step 0"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "unroll resume stopped" in said
    done = unroll(folder, "resume", "stopped", "--steps", "5")
    assert "Test" in done.stdout


def test_standard_input_is_kept_in_the_run(folder: Path) -> None:
    unroll(folder, "train", "-", "--steps", "2", *SMALL, "--out", "piped", given=TEXT)
    assert (folder / "piped" / "data.txt").read_text(encoding="utf-8") == TEXT
    unroll(folder, "resume", "piped", "--steps", "2")
