"""Files that a command writes besides its output, such as a list of errors or a page: never over another file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from unrolled.errors import OptionError

PAGE = ".html"


def is_page(path: str) -> bool:
    """Whether a file's name is that of a page."""
    return path.lower().endswith(PAGE)


def check_new_file(option: str, path: str, advice: str = "") -> None:
    """Raises OptionError where the file exists, also as a link that leads nowhere, or cannot be written: before time
    is spent. option: the one that names it. advice: more of it for a file that exists."""
    if os.path.lexists(path):
        more = f"\n{advice}" if advice else ""
        raise OptionError(f"{option} {path} exists. Name a new file, or move this one away.{more}")
    folder = Path(path).parent
    if not folder.is_dir():
        raise OptionError(f"{option} {path} cannot be written: there is no folder {folder}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OptionError(f"{option} {path} cannot be written: no permission to write to the folder {folder}.")


def write_new_file(option: str, path: str, data: bytes) -> None:
    """Writes a new file. Raises OptionError where it exists or cannot be written; then no part of it remains."""
    try:
        with Path(path).open("xb") as file:
            try:
                file.write(data)
                file.flush()
            except OSError:
                with suppress(OSError):
                    Path(path).unlink()
                raise
    except FileExistsError:
        raise OptionError(f"{option} {path} exists. Name a new file, or move this one away.") from None
    except OSError as error:
        raise OptionError(f"{option} {path} cannot be written: {error.strerror}.") from None
