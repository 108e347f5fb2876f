"""Helpers that run the command, for its tests."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import unrolled


class CommandResult(NamedTuple):
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str


Unroll = Callable[..., CommandResult]


def run_command(*arguments: str | Path) -> CommandResult:
    """Runs `unroll` with these arguments in this process. For fixtures that several tests share; a test itself has
    the fixture `unroll`."""
    from unrolled.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return CommandResult(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def check_refused(result: CommandResult, *words: str, notes: tuple[str, ...] = ()) -> None:
    """Checks that a command was refused: exit code 2, no output, and one to three lines that have all these words.

    notes: endings of the lines that may stand in front of the refusal, such as those about reading."""
    lines = [line for line in result.err.splitlines() if line.startswith("unroll:") or not line.endswith(notes)]
    assert result.code == 2, result.err
    assert result.out == ""
    assert 1 <= len(lines) <= 3, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word.lower() in result.err.lower(), f"{word!r} is not said: {result.err}"


@contextlib.contextmanager
def leaving_no_files(folder: Path) -> Iterator[None]:
    """Checks that what is done in the block neither adds nor removes a file below this folder."""
    before = sorted(folder.rglob("*"))
    yield
    assert sorted(folder.rglob("*")) == before


def opened(path: str | Path) -> Any:
    """A run whose task-specific attributes a test may read: all that it has besides its methods."""
    return unrolled.load(path)


def docs_script(name: str) -> Any:
    """A script under docs/, as a module."""
    path = Path(__file__).resolve().parent.parent / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
