"""Ctrl-C, SIGTERM and SIGHUP end a command with one line and an exit code, also while it still imports libraries.

It imports nothing of the package, so that it can be in use before anything else is imported.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
UNHANDLED = (signal.SIG_DFL, signal.default_int_handler)
STOPPED = 130  # exit code after Ctrl-C
MESSAGE = "\nStopped."
STDERR = 2  # its file descriptor


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came. code: the exit code by which a shell knows this, 143 or 129."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """A context in which these signals end the command: they raise KeyboardInterrupt or Terminated. Signals that are
    ignored, as under nohup, or that already have a handler are unchanged."""
    before: dict[int, Any] = {}
    if current_thread() is main_thread():  # Python receives signals only there
        for number in STOPPING:
            if signal.getsignal(number) in UNHANDLED:
                before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    stop = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
    if _is_importing(frame):
        with suppress(OSError):
            os.write(STDERR, f"{MESSAGE}\n".encode())
        os._exit(exit_code(stop))
    raise stop


def exit_code(stop: BaseException) -> int:
    """The exit code of a command that ended by this exception."""
    return stop.code if isinstance(stop, Terminated) else STOPPED


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a library is being imported at this place. Some discard exceptions then, and fail later, because half
    of them is missing."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
