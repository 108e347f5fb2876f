"""Standard input is saved in the run from the first byte on, readable by its owner alone; no copy stays elsewhere."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import DataError, TrainingError
from unrolled.run import Training
from unrolled.run.info import info_data
from unrolled.tasks.resolve import name_for

SMALL: dict[str, Any] = {"steps": 2, "hidden_size": 8, "batch_size": 2, "window": 16, "threads": 1}
TEXT = "".join(f"Line {n} says that {n * n} is the square of {n}.\n" for n in range(150)).encode()
FULL = """
import resource, signal, sys
from unrolled.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which nothing else uses."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def send(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_input_and_samples_are_readable_by_their_owner_only(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        send(TEXT, monkeypatch)
        training = Training("-", out=str(tmp_path / "run"), **SMALL)
        for _ in training:
            assert not any(path.is_file() for path in temporary.rglob("*"))
        resumed = Training.resume(tmp_path / "run", steps=2)
        for _ in resumed:
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "run" / "data.txt").read_bytes() == TEXT
    modes = {name: stat.S_IMODE((tmp_path / "run" / name).stat().st_mode)
             for name in ("data.txt", "samples.txt", "log.jsonl", "plan.jsonl")}  # fmt: skip
    assert modes == {"data.txt": 0o600, "samples.txt": 0o600, "log.jsonl": 0o600, "plan.jsonl": 0o666}


@pytest.mark.parametrize(("data", "words"), [(b"", "Standard input was empty"), (b"\xff\xfe\xfd" * 999, "input"),
                                             (b"too short", "short")])  # fmt: skip
def test_refused_input_leaves_nothing(
    data: bytes, words: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(data, monkeypatch)
    with pytest.raises(DataError, match=words) as refused:
        Training("-", out=str(tmp_path / "runs" / "a"), **SMALL)
    assert "partial" not in str(refused.value)
    assert os.listdir(tmp_path) == ["temporary"] and list(temporary.iterdir()) == []  # noqa: PTH208


@pytest.mark.slow
def test_leftovers_of_a_kill_are_removed_by_the_next_training(tmp_path: Path, temporary: Path) -> None:
    killed = ("import os, sys; from unrolled.data.files import fingerprints; real = fingerprints._read\n"
              "fingerprints._read = lambda source: os._exit(9)\n"
              "from unrolled.run import Training; Training('-', out=sys.argv[1], steps=2)")  # fmt: skip
    environment = os.environ | {"TMPDIR": str(temporary)}
    for program, code in (
        (killed, 9),
        ("import sys; from unrolled.cli import main; sys.exit(main(sys.argv[2:]))", 0),
    ):
        requested = [
            "train",
            "-",
            "--steps",
            "2",
            "--hidden-size",
            "8",
            "--threads",
            "1",
            "--out",
            str(tmp_path / "a"),
        ]
        ended = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a"), *requested], input=TEXT,
                               env=environment, capture_output=True, check=False)  # fmt: skip
        assert ended.returncode == code, ended.stderr.decode()
    assert sorted(os.listdir(tmp_path)) == ["a", "temporary"] and not list(temporary.rglob("*.txt"))  # noqa: PTH208


@pytest.mark.slow
@pytest.mark.parametrize("room", [1000, 6000])
def test_a_disk_that_fills_before_a_run_exists_gives_no_advice_to_resume(room: int, tmp_path: Path) -> None:
    requested = ["train", "-", "--steps", "2", "--hidden-size", "32", "--threads", "1", "--out", str(tmp_path / "a")]
    ended = subprocess.run([sys.executable, "-c", FULL, str(room), *requested], input=TEXT[:5000],
    capture_output=True,
                           check=False)  # fmt: skip
    said = ended.stderr.decode().splitlines()
    assert ended.returncode == 1 and "resume" not in "".join(said[-2:]), said
    assert any("File too large" in line or "the disk is full" in line for line in said)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_a_failed_read_names_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, _: Any) -> int:
            raise OSError(5, "Input/output error")

        def readable(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Broken())))
    with pytest.raises(DataError, match=r"Standard input cannot be read: Input/output error"):
        Training("-", out=str(tmp_path / "a"), **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_info_on_standard_input_leaves_nothing_if_it_is_killed(tmp_path: Path) -> None:
    killed = ("import os; from unrolled.run import info; from unrolled.tasks import resolve\n"
              "resolve._read_text = lambda kept, *_: (print(kept.read_bytes()), os._exit(9))\n"
              "info.info_data('-')")  # fmt: skip
    ended = subprocess.run([sys.executable, "-u", "-c", killed], input=TEXT, capture_output=True, check=False,
                           env=os.environ | {"TMPDIR": str(tmp_path)})  # fmt: skip
    assert ended.returncode == 9, ended.stderr.decode()
    assert ended.stdout.decode().strip() == str(TEXT)
    if Path("/proc/self/fd").is_dir():
        assert list(tmp_path.iterdir()) == []


def test_standard_input_is_described_as_the_file_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT)
    send(TEXT, monkeypatch)
    assert info_data("-") == info_data(tmp_path / "t.txt") | {"path": "-"}


def test_standard_input_is_described_where_no_file_can_be_reopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT)
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    monkeypatch.setattr("unrolled.run.info.OPEN_FILES", tmp_path / "no proc")
    send(TEXT, monkeypatch)
    assert info_data("-") == info_data(tmp_path / "t.txt") | {"path": "-"}
    assert list(aside.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    send(TEXT, monkeypatch)
    with pytest.raises(TrainingError, match="No room for standard input"):
        info_data("-")


@pytest.mark.slow
@pytest.mark.parametrize(("room", "words"), [(0, "No room for standard input"), (1000, "File too large")])
def test_no_space_for_standard_input_is_one_line(room: int, words: str, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FULL, str(room), "info", "-"], input=TEXT, capture_output=True,
                           check=False, env=os.environ | {"TMPDIR": str(tmp_path)})  # fmt: skip
    said = ended.stderr.decode()
    if room == 0 and find_spec("dill") is not None:  # torch imports it, and it wants a temporary folder at once
        words = "No usable temporary directory"
    assert ended.returncode == 1 and words in said and 1 <= said.count("\n") <= 2, said
    assert str(tmp_path) in said and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_missing_tmpdir_is_replaced_by_the_systems(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FULL, "1000000", "info", "-"], input=TEXT, capture_output=True,
                           check=False, env=os.environ | {"TMPDIR": str(tmp_path / "gone")})  # fmt: skip
    assert ended.returncode == 0 and b"characters of text" in ended.stdout, ended.stderr.decode()


def test_a_name_that_is_not_utf8_gives_a_run_that_can_be_typed(tmp_path: Path) -> None:
    assert name_for(os.fsdecode(b"/a/bad\xff name.txt")) == "bad name"
    assert name_for(os.fsdecode(b"/a/\xff.txt")) == "run"
    assert name_for("/a/caf\u00e9.txt") == "caf\u00e9"
