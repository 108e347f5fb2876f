"""Printed output cannot control a terminal; full, closed or missing streams end in one line and the right exit
code."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import fake_run
import pytest
from commands import Unroll
from conftest import REPOSITORY

from unrolled.escaping import escape_controls, escape_json, one_line

EVIL = "a\x1b]0;x\x07\x9b31m\r\u202eb\ud800\u2028é"
SHOWN = r"a\x1b]0;x\x07\x9b31m\r\u202eb\ud800\u2028é"
IGNORING = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")  # as nohup does
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_control_characters_are_escaped_and_nothing_else() -> None:
    assert escape_controls(f"{EVIL}\tone\ntwo") == f"{SHOWN}\tone\ntwo"
    assert one_line("one\ttwo\nthree") == r"one\ttwo\nthree"
    for kept in ("שלום עולם", "مرحبا\u200cبك", "e\u0301", "👩\u200d🔬", "\u200e", "a\\x1b"):
        assert escape_controls(kept) == one_line(kept) == kept
    for number in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDFFF):
        assert (escape_controls(chr(number)) == chr(number)) == (chr(number) in "\t\n")
        assert one_line(chr(number)).isprintable()


def test_json_stays_json_of_the_same_value() -> None:
    text = escape_json(json.dumps({EVIL: [EVIL, "\n"]}, ensure_ascii=False))
    assert json.loads(text) == {EVIL: [EVIL, "\n"]}
    assert not RAW.search(text) and text.encode()


def test_all_that_is_printed_goes_through_one_file() -> None:
    source = REPOSITORY / "src" / "unrolled"
    # child.py writes to files that its parent reads
    printing = [source / "cli" / "output.py", source / "compare" / "child.py"]
    pattern = r"(?<![\w.])(?<!>>> )print\(|std(?:out|err)\.write|Console\(stderr|echo\(|, sys\.std(?:out|err)\)$"
    found = [path for path in source.rglob("*.py") if re.search(pattern, path.read_text(), re.MULTILINE)]
    assert sorted(found) == printing


@pytest.mark.parametrize("command", [("train", f"absent{EVIL}"), ("tr" + EVIL,), ("train", "text", "--" + EVIL),
                                     ("train", "text", "--minutes", EVIL)])  # fmt: skip
def test_a_refusal_escapes_what_was_typed(command: tuple[str, ...], faked: Unroll) -> None:
    result = faked(*command)
    assert result.code == 2 and len(result.err.splitlines()) <= 3
    assert not RAW.search(result.err)


def test_names_and_text_are_escaped_wherever_they_are_shown(faked: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"path": f"runs/{EVIL}\n", "data": f"/a/{EVIL}\t", "model": EVIL, "nats": 1.0, "status": EVIL}
    monkeypatch.setattr(fake_run, "runs", lambda under: [row])
    monkeypatch.setattr(fake_run.Run, "sample", lambda *_: iter([EVIL, "end"]))
    monkeypatch.setattr(fake_run.Run, "info", lambda _: {"path": EVIL, "options": {EVIL: [EVIL]}})
    monkeypatch.setattr(fake_run.Evaluation, "lines", (EVIL,))
    monkeypatch.setattr(fake_run.LanguageModelingSummary, "lines", (EVIL,))
    Path("lines.txt").write_bytes(f"odd {EVIL}".encode(errors="ignore") + b"\xff\n")
    path = EVIL.replace("\ud800", "\udcff")  # what a file name can contain
    for command in (("runs",), ("sample",), ("info", "."), ("evaluate",), ("train", f"text {path}"),
                    ("score", "runs/fake", "lines.txt")):  # fmt: skip
        result = faked(*command)
        assert result.code == 0, result.err
        assert not RAW.search(result.out + result.err), command
    listed = faked("runs").out.splitlines()
    assert len(listed) == 2 and SHOWN in listed[1]
    assert faked("sample", "--quiet").out == f"{SHOWN}end\n"
    assert json.loads(faked("sample", "--json").out)["text"] == f"{EVIL}end"


def run(*arguments: str, folder: Path, **streams: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, fake_run.__file__, *arguments]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(command, cwd=folder, timeout=60, check=False, **given)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
@pytest.mark.parametrize("command", ["sample", "train text", "train text --json", "--help", "--version", "info ."])
def test_a_full_standard_output_is_one_line_and_an_exit_code(command: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = run(*command.split(), folder=tmp_path, stdout=full)
    said = ended.stderr.decode()
    assert ended.returncode == 1, said
    assert "Traceback" not in said and "Exception" not in said
    if command != "--help":
        assert said.splitlines()[-1] == (
            "unroll: The result could not be written to standard output: No space left on device."
        )


def test_a_full_standard_error_does_not_stop_a_training(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ended = run("train", "text", folder=tmp_path, stderr=full)
    assert ended.returncode == 0 and b"Test: " in ended.stdout


@pytest.mark.parametrize("command", ["train -", "score -"])
def test_a_closed_standard_input_is_one_line(command: str, tmp_path: Path) -> None:
    program = f"import sys; from unrolled.cli import main; sys.exit(main({command.split()!r}))"
    if command != "train -":
        program = (
            f"import sys, runpy; sys.argv = ['x', *{command.split()!r}]; "
            f"runpy.run_path({fake_run.__file__!r}, run_name='__main__')"
        )
    ended = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, program], cwd=tmp_path, timeout=60,
                           capture_output=True, check=False)  # fmt: skip
    said = ended.stderr.decode()
    assert ended.returncode == 2, said
    assert "tandard input is closed" in said and "Traceback" not in said


def test_a_training_whose_terminal_is_gone_ends_tidily(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, fake_run.__file__, "train", "slow"], stdin=theirs, stdout=theirs,
                          stderr=theirs, cwd=tmp_path, start_new_session=True,
                          env=os.environ | {"TERM": "xterm"}) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"step 1" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=30) == 130


@pytest.mark.slow
def test_under_nohup_a_training_outlives_its_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*IGNORING, sys.executable, fake_run.__file__, "train", "slow"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path, start_new_session=True,
                          env=os.environ | {"TERM": "xterm"}) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while b"step 1" not in seen:
            seen += os.read(ours, 4096)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0 and b"Test: " in out


LONG = ("info", "train", "predict", "score", "compare", "runs --under", "evaluate", "sample", "resume", "")


@pytest.mark.parametrize("command", LONG)
def test_a_name_of_more_than_255_bytes_is_refused_in_one_line(command: str, unroll: Unroll) -> None:
    result = unroll(*command.split(), "x" * 300)
    assert result.code == 2
    assert "Traceback" not in result.err and 1 <= len(result.err.splitlines()) <= 3


def test_a_deleted_working_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os, sys; from unrolled.cli import main; os.rmdir({str(gone)!r}); sys.exit(main(sys.argv[1:]))"
    for command in (("train", "poems.txt"), ("info", "poems.txt"), ("runs",), ("compare", "recall", "--steps", "1")):
        ended = subprocess.run([sys.executable, "-c", program, *command], cwd=gone, timeout=60, check=False,
                               capture_output=True, text=True)  # fmt: skip
        gone.mkdir()
        assert ended.returncode == 2, ended.stderr
        assert (
            ended.stderr == "unroll: The current folder no longer exists. Change to one that does, then try again.\n"
        )
