"""Shared by audio files and images: checks of files, memory limits for decoding, and messages of decoders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from unrolled.data.files.look import file_status
from unrolled.errors import DataError, MediaError


class Budget:
    """Bytes that threads may hold at once. A request above the budget waits until nothing else is held."""

    def __init__(self, most: int) -> None:
        self.most, self.used = most, 0
        self._changed = Condition()

    @contextmanager
    def hold(self, count: int) -> Iterator[None]:
        """Wait until there is room for `count` bytes, and hold them."""
        with self._changed:
            self._changed.wait_for(lambda: not self.used or self.used + count <= self.most)
            self.used += count
        try:
            yield
        finally:
            with self._changed:
                self.used -= count
                self._changed.notify_all()


DECODING = Budget(1 << 28)
"""Memory for decoding files, shared by all threads."""


class InFlight:
    """Limits how far items are decoded ahead of the one needed next, by a budget of bytes."""

    def __init__(self, most: int) -> None:
        self.most, self.held, self.next = most, 0, 0
        self.ended = False
        self._changed = Condition()

    def wait(self, number: int) -> None:
        """Wait until there is room, or item `number`, from 0, is the one needed next."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or self.held < self.most or number <= self.next)

    def add(self, count: int) -> None:
        """Record a decoded item of `count` bytes."""
        with self._changed:
            self.held += count

    def take(self, count: int) -> None:
        """Record that the next item, of `count` bytes, was consumed."""
        with self._changed:
            self.held, self.next = self.held - count, self.next + 1
            self._changed.notify_all()

    def end(self) -> None:
        """Release all waiting threads: no more items are needed."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()


def check_file(path: Path, kind: str) -> None:
    """Raises MediaError if `path` is not a file, or is empty. kind: "an audio file" or "an image"."""
    try:
        facts = file_status(path)
    except DataError as error:
        raise MediaError(str(error)) from None
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError(f"{path} is not a file; {kind} was expected. Give a file.")
    if not facts.st_size:
        raise MediaError(f"{path} is empty: {kind} was expected. Copy it again, or leave it out.")


def reason_of(error: Exception, path: Path) -> str:
    """The first line of a decoder's message, without the file's name and the full stop."""
    line = str(error).split("\n", 1)[0] or type(error).__name__
    for name in (repr(os.fsencode(path)), repr(str(path)), str(path)):
        line = line.replace(name, "the file")
    return line.rstrip(".").removeprefix("Error : ").strip()
