"""What sounds and pictures share: whether there is a file to decode, and how a decoder's words are handed on."""

from __future__ import annotations

import stat
from pathlib import Path

from unrolled.data.text import look_at
from unrolled.errors import DataError, MediaError


def check_file(path: Path, kind: str) -> None:
    """Raises MediaError where `path` is no file, or one without a byte in it. kind: "a sound", "a picture"."""
    try:
        facts = look_at(path)
    except DataError as error:
        raise MediaError(str(error)) from None
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError(f"{path} is no file, and {kind} was expected. Give a file.")
    if not facts.st_size:
        raise MediaError(f"{path} is empty: {kind} was expected. Copy it anew, or leave it out.")


def reason_of(error: Exception, path: Path) -> str:
    """The first line of what a decoder said, without the file's name and the full stop."""
    line = str(error).split("\n", 1)[0] or type(error).__name__
    for name in (f"{str(path)!r}", str(path)):
        line = line.replace(name, "the file")
    return line.rstrip(".").removeprefix("Error : ").strip()
