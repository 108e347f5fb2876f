"""All printing goes through here, so that no printed text can steer a terminal.

`say` writes results to standard output, `print_json` writes one JSON object of them, and `note` writes messages to
standard error. A test checks that the other files of this package print in no other way.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from unrolled.errors import TrainingError
from unrolled.escaping import escape_controls, escape_json


class OutputLost(TrainingError):
    """Standard output cannot be written: its disk is full, or its terminal is gone."""


def say(text: str = "", end: str = "\n") -> None:
    """Writes text to standard output. Raises OutputLost where that fails, BrokenPipeError for a closed pipe."""
    _write(escape_controls(text) + end)


def print_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object as a line of output; numbers that are not finite become null. Raises as `say`."""
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    _write(escape_json(json.dumps(_finite(value), ensure_ascii=not unicode, allow_nan=False)) + "\n")


def note(text: str, quiet: bool = False) -> None:
    """Writes a line to standard error. Where that cannot be written, the work goes on without it."""
    if not quiet and sys.stderr is not None:
        TolerantStream(sys.stderr).write(escape_controls(text) + "\n")


class TolerantStream:
    """A stream that discards output where its file fails (a full disk, a terminal that is gone); the work goes
    on. A closed pipe raises BrokenPipeError as usual."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes and flushes the text; where that fails, the stream is redirected to nowhere."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError:
            redirect_to_null(self._stream)
        return len(text)

    def flush(self) -> None:
        """Does nothing: `write` flushes."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redirect_to_null(stream: TextIO | None) -> None:
    """Redirects a stream and its buffer to os.devnull: otherwise the interpreter would fail at exit."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputLost("Standard output is closed, and the result is written there. Leave it open, or add > FILE.")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        redirect_to_null(sys.stdout)
        raise OutputLost(f"The result could not be written to standard output: {error.strerror}.") from None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
