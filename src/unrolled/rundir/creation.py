"""The atomic creation of a run folder: checks of its place, cleaning up, and the renaming that makes it a run."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

from unrolled.errors import RunError, command
from unrolled.fileio import PARTIAL, remove_partial_files, sync_folder
from unrolled.opening import check_no_link, check_parents, check_plain_folder
from unrolled.rundir.lock import Lock, holder_name
from unrolled.rundir.own_files import FILES


def check_has_name(path: Path) -> None:
    """Raises RunError for the root of the file system, which has no name and is no run's folder."""
    if not path.resolve().name:
        raise RunError(f"{path} is the root of the file system. Name a folder below it: --out {path / 'run'}")


def check_free(path: Path) -> None:
    """Raises RunError unless `path` is a free name or an empty folder that is not a link."""
    check_parents(path)
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise RunError(f"{path} exists and is not a folder. Name another with --out.")
    if path.resolve() == Path.cwd():
        raise RunError(f"{path} is the folder you are in; a run makes its own. Name one inside it: --out {path}/run")
    if any(path.iterdir()):
        raise RunError(
            f"{path} exists and is not empty. Name another with --out, or go on: {command('resume', path)}"
        )
    check_no_link(path, "--out")


def remove_unfinished(target: Path) -> None:
    """Removes the unfinished folders that killed processes left for `target`; a live process holds the lock.

    A folder is removed only if it is certainly unrolled's: it has the right name, and its lock names the process in
    that name, or it holds nothing but a lock. Files are removed by name, so that other files stay.
    """
    named = re.compile(re.escape(f".{target.name}{PARTIAL}") + r"(\d+)")
    for left in target.parent.iterdir():
        match = named.fullmatch(left.name)
        if match is None or left.is_symlink() or not left.is_dir() or (lock := Lock(left)).held():
            continue
        if lock.holder() == holder_name(int(match[1])) or not {path.name for path in left.iterdir()} - {"lock"}:
            _remove(left)


def _remove(partial: Path) -> None:
    from unrolled.training.checkpoint import remove_checkpoints

    with contextlib.suppress(OSError, RunError):  # files that cannot be removed stay
        if check_plain_folder(partial / "checkpoint"):
            remove_checkpoints(partial / "checkpoint")
            (partial / "checkpoint").rmdir()
        remove_partial_files(partial)
        for name in FILES:
            (partial / name).unlink(missing_ok=True)
        partial.rmdir()


def rename(partial: Path, target: Path, path: Path) -> None:
    """Gives a complete run its name. path: `target` as it was typed, for messages.

    Raises RunError where the name was taken meanwhile, OSError as os.rename does.
    """
    sync_folder(partial)
    if os.name == "nt" and target.is_dir():  # Windows does not replace an empty folder
        with contextlib.suppress(OSError):
            target.rmdir()
    try:
        os.rename(partial, target)  # noqa: PTH104 - the named points of writing are calls of os
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise RunError(f"{path} exists and is not empty. Name another folder with --out.") from error
        if error.errno in (errno.EBUSY, errno.EXDEV):
            raise RunError(f"{path} is a mount point; name a folder inside it: --out {path}/run") from error
        raise
    sync_folder(target.parent)
