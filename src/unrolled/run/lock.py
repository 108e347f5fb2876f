"""One trainer a run: a lock that ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from unrolled.errors import RunError

PATIENCE = 0.2  # seconds: who only asks `held` has the lock for an instant


class Lock:
    """The lock of the run in `folder`: the file `lock`, which names its holder. It lasts through a renaming."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Takes it until `release` or this process's end.

        Raises RunError where another holds it, or the folder cannot be written or locked.
        """
        if self._descriptor is not None:
            return
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RunError(f"{self.folder} cannot be written: {error.strerror}. Train on a copy that can.") from error
        try:
            patience = time.monotonic() + PATIENCE
            while not self._try(descriptor):
                if time.monotonic() > patience:
                    holder = os.read(descriptor, 100).decode(errors="replace").strip() or "another process"
                    raise RunError(f"{self.folder} is being trained by {holder}. Wait until it ends, or stop it.")
                time.sleep(PATIENCE / 10)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full disk the holder goes unnamed
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives it back, where it was taken."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def held(self) -> bool:
        """Whether some process, this one too, holds it now."""
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            return not self._try(descriptor)
        finally:
            os.close(descriptor)

    def _try(self, descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise RunError(
                f"{self.folder} cannot be locked: {error.strerror}. Train on a local disk, with --out."
            ) from error
        return True
