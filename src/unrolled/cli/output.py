"""All that is printed goes through here, so that nothing in it can steer a terminal, whoever it came from.

`say` writes the answer on standard output, `print_json` an object of it, and `note` what stands beside it on standard
error. A test holds the other files of this room to it.
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
from unrolled.escaping import harmless, harmless_json


class OutputLost(TrainingError):
    """Standard output takes no more: its disk is full, or its terminal is gone."""


def say(text: str = "", end: str = "\n") -> None:
    """Writes a part of the answer. Raises OutputLost where that cannot be, BrokenPipeError where nobody reads."""
    _write(harmless(text) + end)


def print_json(value: Mapping[str, Any]) -> None:
    """Writes one JSON object as a line of the answer; numbers that are not finite become null. Raises as `say`."""
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    _write(harmless_json(json.dumps(_finite(value), ensure_ascii=not unicode, allow_nan=False)) + "\n")


def note(text: str, quiet: bool = False) -> None:
    """A line to the user beside the answer, on standard error. Where that cannot be written, work goes on without."""
    if not quiet and sys.stderr is not None:
        Enduring(sys.stderr).write(harmless(text) + "\n")


class Enduring:
    """A stream that takes what its file no longer can: a full disk, a terminal that is gone. What the program does is
    not worth less for that. A pipe that nobody reads raises BrokenPipeError as ever."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes and flushes it, or lets go of the file."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError:
            let_go(self._stream)
        return len(text)

    def flush(self) -> None:
        """Nothing is left to be flushed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def let_go(stream: TextIO | None) -> None:
    """Leads a stream into nothing, what waits in it too: else the interpreter's own end would fail by it."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputLost("Standard output is closed, and the answer is written there. Leave it open, or add > FILE.")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        let_go(sys.stdout)
        raise OutputLost(f"The answer could not be written to standard output: {error.strerror}.") from None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
