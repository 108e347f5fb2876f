"""Files are either whole or unchanged after a kill and on a full disk; damage is detected."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kills import names

from unrolled.errors import RunError, TrainingError
from unrolled.fileio import (
    append_line,
    cut_incomplete_line,
    read_json,
    read_json_lines,
    remove_partial_files,
    to_json,
    write_atomically,
    write_json,
)

KILLS = Path(__file__).with_name("kills.py")


def refuse(number: int) -> Any:
    def call(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def test_a_file_is_written_and_no_temporary_file_remains(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").read_bytes() == b"" and names(tmp_path) == ["a"]


def test_a_new_file_has_the_permissions_that_any_new_file_has(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    (tmp_path / "b").write_bytes(b"one")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    write_atomically(tmp_path / "a", b"one")
    monkeypatch.setattr(os, call, refuse(number))
    with pytest.raises(
        TrainingError, match=r"(?s)a could not be written \(3 bytes\): the disk is full.*unroll resume"
    ):
        write_atomically(tmp_path / "a", b"two")
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == b"one" and names(tmp_path) == ["a"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone/a could not be written .*No such file or directory"):
        write_atomically(tmp_path / "gone" / "a", b"one")
    with pytest.raises(TrainingError, match=r"gone/a could not be written"):
        append_line(tmp_path / "gone" / "a", "one")


def test_a_limit_on_the_size_of_files_leaves_the_old_files_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    append_line(tmp_path / "log", "x" * 1000)
    script = f"""
import resource, signal
from unrolled.errors import TrainingError
from unrolled.fileio import append_line, write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))
for write in (lambda: write_atomically("{tmp_path}/a", b"x" * 5000), lambda: append_line("{tmp_path}/log", "y" *
1000)):
    try:
        write()
    except TrainingError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.count("the disk is full, or a limit on the size of files is reached") == 2
    assert (tmp_path / "a").read_bytes() == b"one"
    assert (tmp_path / "log").read_text() == "x" * 1000 + "\n"
    assert names(tmp_path) == ["a", "log"]


def test_a_kill_at_any_point_of_writing_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, KILLS, "whole", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 6  # open, write, fsync, replace; the folder's open, fsync


def test_only_leftovers_are_removed(tmp_path: Path) -> None:
    for name in (".a.partial-12", "a", ".hidden", "b.partial-12"):
        (tmp_path / name).write_text("")
    assert remove_partial_files(tmp_path) == [tmp_path / ".a.partial-12"]
    assert names(tmp_path) == [".hidden", "a", "b.partial-12"]


def test_json_is_read_back_and_values_that_are_not_finite_are_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"text": "ä\u2028", "list": [1, (2.5, math.inf)], "loss": math.nan})
    assert read_json(tmp_path / "a") == {"text": "ä\u2028", "list": [1, [2.5, None]], "loss": None}
    assert to_json({"a": None}) == '{"a": null}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1,', r"a is damaged: not JSON \(.*line 1, column"),
        (b"", "a is damaged: not JSON"),
        (b'"\xff"', "a is damaged: not UTF-8 at byte 1"),
        (b"[" * 100_000, "a is damaged: its JSON cannot be parsed"),
        (b"1" * 10_000, "a is damaged: its JSON cannot be parsed"),
    ],
)
def test_damaged_json_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(RunError, match=said):
        read_json(tmp_path / "a")


def test_json_that_is_missing_or_unreadable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a is missing. The run is not complete"):
        read_json(tmp_path / "a")
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match=r"a is a folder; a plain file of the run was expected"):
        read_json(tmp_path / "a")


def test_lines_are_read_except_a_torn_last_one(tmp_path: Path) -> None:
    assert read_json_lines(tmp_path / "log") == []
    for step in (1, 2):
        append_line(tmp_path / "log", to_json({"step": step, "text": "a\u2028b\r"}), sync=step == 2)
    with (tmp_path / "log").open("a") as log:
        log.write('{"step": 3')
    assert [line["step"] for line in read_json_lines(tmp_path / "log")] == [1, 2]


@pytest.mark.parametrize(
    ("line", "said"), [("{", r"line 2, is damaged: not JSON \("), ("5", "line 2, is damaged: not a JSON object")]
)
def test_a_damaged_line_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "log").write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(RunError, match=said):
        read_json_lines(tmp_path / "log")


@pytest.mark.parametrize("torn", ["", "{", '{"step": 3, "text": "' + "x" * 200_000])
def test_a_torn_line_is_replaced_by_the_next(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    for before in ("", '{"step": 1}\n{"step": 2}\n'):
        path.write_text(before + torn)
        cut_incomplete_line(path)
        assert path.read_text() == before
        path.write_text(before + torn)
        append_line(path, to_json({"step": 4}))
        assert path.read_text() == before + '{"step": 4}\n'
        assert read_json_lines(path)[-1] == {"step": 4}
