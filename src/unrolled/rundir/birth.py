"""How a run is born whole: where it may be, what is swept up there first, and the renaming that makes it a run."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

from unrolled.errors import RunError, command
from unrolled.fileio import PARTIAL, sweep, sync_folder
from unrolled.opening import check_no_link, check_own_folder, check_parents
from unrolled.rundir.lock import Lock, holder_name
from unrolled.rundir.own_files import FILES


def check_vacant(path: Path) -> None:
    """Raises RunError where a run cannot be made: something is there, and it is no empty folder, or a link to one,
    which a run would not take the place of."""
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


def sweep_unborn(target: Path) -> None:
    """Removes what killed processes left of runs that were to be born as `target`; who is alive holds a lock.

    Only what is a run's beyond doubt: a folder of the very name, whose lock names the process that its name has, or
    that holds nothing but a lock. Of it files are removed by name, so that what somebody put there stays.
    """
    named = re.compile(re.escape(f".{target.name}{PARTIAL}") + r"(\d+)")
    for left in target.parent.iterdir():
        match = named.fullmatch(left.name)
        if match is None or left.is_symlink() or not left.is_dir() or (lock := Lock(left)).held():
            continue
        if lock.holder() == holder_name(int(match[1])) or not {path.name for path in left.iterdir()} - {"lock"}:
            _remove(left)


def _remove(unborn: Path) -> None:
    from unrolled.training.checkpoint import remove_checkpoints

    with contextlib.suppress(OSError, RunError):  # what is not removed stays where it is
        if check_own_folder(unborn / "checkpoint"):
            remove_checkpoints(unborn / "checkpoint")
            (unborn / "checkpoint").rmdir()
        sweep(unborn)
        for name in FILES:
            (unborn / name).unlink(missing_ok=True)
        unborn.rmdir()


def rename(partial: Path, target: Path, asked: Path) -> None:
    """Gives a whole run its name. Raises RunError where that is taken meanwhile, OSError as os.rename does."""
    sync_folder(partial)
    try:
        os.rename(partial, target)  # noqa: PTH104 - the named points of writing are calls of os
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise RunError(f"{asked} exists and is not empty. Name another folder with --out.") from error
        if error.errno in (errno.EBUSY, errno.EXDEV):
            raise RunError(f"{asked} is a mount point; name a folder inside it: --out {asked}/run") from error
        raise
    sync_folder(target.parent)
