"""Safe opening of files in a run folder: only plain files with a single name and of limited size.

A run folder may come from anybody. A link in it could make the program read or overwrite another file, a pipe would
block forever, a device has no end. So only a regular file without a second name (hard link) is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from unrolled.errors import RunError, shell_quote

LARGEST_FILE = 16 << 30  # bytes of a file of weights or counts
CURE = "Use another run, or train again."
COPY = "Use a copy with plain files in place of links: cp -rL RUN COPY"
SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags, where the system has them: follow no link, wait for no pipe, change no line ends."""


def open_own(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """A descriptor of a plain file; with O_CREAT in `flags`, a missing file is made with this mode.

    Raises RunError where the path is a link, a file with a second name, a folder, a pipe or a device.
    Raises OSError as os.open does.
    """
    check_plain_file(path)
    try:
        descriptor = os.open(path, flags | SAFELY, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EMLINK):  # it became a link or a pipe just now
            raise _foreign(path, "a link or a pipe", CURE) from None
        raise
    try:
        _check_kind(path, os.fstat(descriptor))
    except RunError:
        os.close(descriptor)
        raise
    return descriptor


def read_plain(path: str | Path, most: int = LARGEST_FILE) -> bytes:
    """The bytes of a plain file. Raises RunError where it is not one, is larger than `most` or does not fit into
    memory; OSError as os.open does."""
    descriptor = open_own(path)
    try:
        size = check_size(path, descriptor, most)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(size)  # a limit, because the memory is allocated at once
    except MemoryError:
        raise RunError(f"{path} has {size:,} bytes, which do not fit into memory.") from None
    finally:
        os.close(descriptor)


def check_size(path: str | Path, descriptor: int, most: int) -> int:
    """The size of an open file in bytes. Raises RunError where it is above `most`."""
    size = os.fstat(descriptor).st_size
    if size > most:
        raise RunError(f"{path} is damaged: it has {size:,} bytes; at most {most:,} were expected. {CURE}")
    return size


def check_plain_file(path: str | Path) -> bool:
    """Whether the file exists. Raises RunError where it is not a plain file; OSError as os.lstat does."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    _check_kind(path, found)
    return True


def check_plain_folder(path: str | Path) -> bool:
    """Whether the folder exists. Raises RunError where it is a link or not a folder; OSError as os.lstat does."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        what, cure = ("a link", f"\n{COPY}") if stat.S_ISLNK(mode) else ("not a folder", f" {CURE}")
        raise RunError(f"{path} is {what}; a folder of the run was expected.{cure}")
    return True


def check_no_link(path: str | Path, *before: str) -> None:
    """Raises RunError where `path`, a folder to be written to, is a link; the message names its target. Links further
    up, such as one to a disk, are allowed. before: the words of the command before that name."""
    if Path(path).is_symlink():
        raise RunError(
            f"{path} is a link, and files are not written through links. Name its target:\n"
            f"{' '.join([*before, shell_quote(Path(path).resolve())])}"
        )


def check_parents(path: str | Path) -> None:
    """Raises RunError where the folder --out cannot be made because a file is among its parents."""
    for parent in reversed(Path(path).parents):
        if parent.exists() and not parent.is_dir():
            raise RunError(f"{path} cannot be made: {parent} is not a folder. Name another folder with --out.")


def _check_kind(path: str | Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _foreign(path, "a link", COPY)
    if stat.S_ISDIR(found.st_mode):
        raise _foreign(path, "a folder", CURE)
    if not stat.S_ISREG(found.st_mode):
        raise _foreign(path, "a pipe or a device", CURE)
    if found.st_nlink > 1:
        raise _foreign(path, "a hard link, a file with a second name", COPY)


def _foreign(path: str | Path, what: str, cure: str) -> RunError:
    return RunError(f"{path} is {what}; a plain file of the run was expected. Nothing was read or written.\n{cure}")
