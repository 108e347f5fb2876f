"""The one way in which files of a run folder are opened: plain files alone, of one name, no larger than they can be.

A run folder may come from anybody. A link in it would have another file read or overwritten, a pipe would be waited
for without end, a device has no end. So what is opened here is a regular file that has this name alone.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from unrolled.errors import RunError, typed

LARGEST = 16 << 30  # bytes of a file of weights or counts
CURE = "Use another run, or train again."
COPY = "Use a copy, which has plain files in place of links: cp -rL RUN COPY"
SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Flags, where the system has them: no link is followed, no pipe is waited for, no line end is changed."""


def open_own(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """A descriptor of a plain file; with O_CREAT in `flags` it is made, with this mode, where there is none.

    Raises RunError where something else has the name: a link, a file with a second name, a folder, a pipe, a device.
    Raises OSError as os.open does.
    """
    check_own(path)
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


def read_own(path: str | Path, most: int = LARGEST) -> bytes:
    """The bytes of a plain file. Raises RunError where it is none, is larger than `most` or does not fit into memory;
    OSError as os.open does."""
    descriptor = open_own(path)
    try:
        size = check_size(path, descriptor, most)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(size)  # no more: as much memory as is asked for is taken at once
    except MemoryError:
        raise RunError(f"{path} has {size:,} bytes, and that much memory is not there.") from None
    finally:
        os.close(descriptor)


def check_size(path: str | Path, descriptor: int, most: int) -> int:
    """The bytes of a file that is open. Raises RunError where they are more than `most`."""
    size = os.fstat(descriptor).st_size
    if size > most:
        raise RunError(f"{path} is damaged: it has {size:,} bytes, and {most:,} at most were expected. {CURE}")
    return size


def check_own(path: str | Path) -> bool:
    """Whether there is a file of this name. Raises RunError where it is no plain file; OSError as os.lstat does."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    _check_kind(path, found)
    return True


def check_own_folder(path: str | Path) -> bool:
    """Whether there is a folder of this name. Raises RunError where it is a link or no folder; OSError likewise."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(mode):
        what, cure = ("a link", f"\n{COPY}") if stat.S_ISLNK(mode) else ("no folder", f" {CURE}")
        raise RunError(f"{path} is {what}, and a run has a folder of its own there.{cure}")
    return True


def check_no_link(path: str | Path, *before: str) -> None:
    """Raises RunError where `path`, a folder that is to be written in, is a link: then the folder that it leads to is
    to be named. A link further up, to a disk say, is let be. before: what is typed in front of that name."""
    if Path(path).is_symlink():
        raise RunError(
            f"{path} is a link, and nothing is written through one. Name the folder that it leads to:\n"
            f"{' '.join([*before, typed(Path(path).resolve())])}"
        )


def check_parents(path: str | Path) -> None:
    """Raises RunError where a folder that is to be made, --out, could not be: what is to be above it is a file."""
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
        raise _foreign(path, "a hard link, a file that has another name too", COPY)


def _foreign(path: str | Path, what: str, cure: str) -> RunError:
    return RunError(
        f"{path} is {what}; a run has a plain file of its own there. Nothing was read or written.\n{cure}"
    )
