"""One training process per run: a lock that is released when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from filelock import lock_descriptor

from unrolled.errors import RunError
from unrolled.opening import check_no_link, open_own

PATIENCE = 0.2  # seconds: a call of `held` takes the lock for an instant
NAMED_AT = 1  # the first byte of the holder's name: on Windows the locked byte, 0, cannot be read
LONGEST_NAME = 100  # bytes


class Lock:
    """The lock of the run in `folder`: the file `lock`, which names its holder. It survives a renaming of the folder,
    except on Windows, where a folder with an open file is not renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Acquires the lock until `release` or exit.

        Raises RunError where another process holds it, it is not a plain file, or the folder cannot be written or
        locked.
        """
        if self._descriptor is not None:
            return
        check_no_link(self.folder, "unroll resume")
        try:
            descriptor = open_own(self.folder / "lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be written: {error.strerror}. Use a writable copy of it."
            ) from error
        try:
            patience = time.monotonic() + PATIENCE
            while not self._try(descriptor):
                if time.monotonic() > patience:
                    holder = _read_name(descriptor) or "another process"
                    raise RunError(f"{self.folder} is being trained by {holder}. Wait until it ends, or stop it.")
                time.sleep(PATIENCE / 10)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full disk the name is missing
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, b" " * NAMED_AT + holder_name(os.getpid()).encode() + b"\n")

    def release(self) -> None:
        """Releases the lock, if this object holds it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def held(self) -> bool:
        """Whether any process, this one included, holds the lock now."""
        try:
            descriptor = open_own(self.folder / "lock")
        except (OSError, RunError):
            return False
        try:
            return not self._try(descriptor)
        finally:
            os.close(descriptor)

    def holder(self) -> str:
        """The last holder, from the file: "process 4711"; "" where it is unknown."""
        try:
            descriptor = open_own(self.folder / "lock")
        except (OSError, RunError):
            return ""
        try:
            return _read_name(descriptor)
        finally:
            os.close(descriptor)

    def _try(self, descriptor: int) -> bool:
        try:
            return lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be locked: {error.strerror}. Train on a local disk, with --out."
            ) from error


def holder_name(process: int) -> str:
    """The name of a holder in the lock file."""
    return f"process {process}"


def _read_name(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        os.lseek(descriptor, NAMED_AT, os.SEEK_SET)
        return os.read(descriptor, LONGEST_NAME).decode(errors="replace").strip()
    return ""
