"""Atomic writing of files: a kill or a full disk leaves the old file or the new one, never half of one.

A file is written to its folder under a hidden name (`.run.json.partial-4711`), flushed to the disk, renamed over the
old one, and the folder is flushed too. `remove_partial_files` removes the temporary files of killed processes. No
file is written through a link, and only plain files are overwritten (opening.py).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from unrolled.errors import RunError, TrainingError
from unrolled.escaping import escape_json
from unrolled.opening import (
    CURE,
    LARGEST_FILE,
    check_plain_file,
    check_plain_folder,
    check_size,
    open_own,
    read_plain,
)

PUBLIC, PRIVATE = 0o666, 0o600  # readable by all, as far as the user's umask allows; readable by the owner alone
PARTIAL = ".partial-"  # in the hidden names of files that are being written
PARTIAL_NAME = re.compile(rf"\..+{re.escape(PARTIAL)}\d+")
LARGEST_JSON = 128 << 20  # bytes
MOST_VALUES = 5_000_000  # in a JSON file: as Python objects they take a hundred bytes each
BLOCK = 1 << 16  # bytes searched at once for a line end
DEEPEST = 60  # levels of nested lists and objects
CHECKSUM, CHECKSUM_DIGITS = "checksum", 32
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def temporary_file(what: str) -> IO[bytes]:
    """A temporary file without a name, which vanishes when it is closed or the process is killed. what: its
    purpose, as text. Raises TrainingError where none can be made."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise no_space_error(what, error) from None


def no_space_error(what: str, error: OSError) -> TrainingError:
    """The error for a temporary file that cannot be made or written. what: its purpose, as text."""
    where = os.environ.get("TMPDIR", "the temporary folder")
    why = error.strerror if error.errno not in (errno.ENOENT, None) else "no temporary folder is usable"
    return TrainingError(
        f"No room for {what} in {where}: {why}. Free some space, or name another folder in the variable TMPDIR."
    )


def partial_path(path: Path) -> Path:
    """The hidden temporary path in the folder of `path`, for this process."""
    return path.with_name(f".{path.name}{PARTIAL}{os.getpid()}")


def write_atomically(path: str | Path, data: bytes, mode: int = PUBLIC) -> None:
    """Writes `data` to `path` atomically: at any time, also after a kill, the file has its old content or the new.

    mode: permissions of the new file, before the umask. Raises TrainingError where the disk is full or writing fails;
    then the old content is whole and no temporary file remains. Raises RunError where `path` is not a plain file.
    """
    path = Path(path)
    partial = partial_path(path)
    with _explained(path, len(data)):
        check_plain_file(path)
        try:
            _write_new(partial, data, mode)
            os.replace(partial, path)  # noqa: PTH105 - the named points of writing are calls of os
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)  # noqa: PTH108
            raise
        sync_folder(path.parent)


def sync_folder(folder: str | Path) -> None:
    """Flushes a folder's names to the disk; does nothing on file systems that cannot, and on Windows."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_partial_files(folder: str | Path) -> list[Path]:
    """Removes the temporary files of killed processes from `folder`, and returns their paths. To be called only while
    no other process writes to the folder.

    Raises RunError where `folder` is a link: its files are not the run's.
    """
    check_plain_folder(folder)
    named = (path for path in Path(folder).iterdir() if PARTIAL_NAME.fullmatch(path.name))
    removed = sorted(path for path in named if stat.S_ISREG(path.lstat().st_mode))
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def append_line(path: str | Path, text: str, sync: bool = False, mode: int = PUBLIC) -> None:
    """Appends `text` and a line end to `path`, and with `sync` flushes it to the disk. mode: of a new file.

    Raises TrainingError where the disk is full or writing fails; then the earlier lines are whole and this one is
    absent. A kill may leave part of the line: `read_json_lines` skips it; the next `append_line` or
    `cut_incomplete_line` removes it.
    """
    data = (text + "\n").encode(errors="backslashreplace")  # for the bytes of a path that are not UTF-8: \udcff
    with _explained(Path(path), len(data)):
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)
        try:
            before = _cut_torn_line(descriptor)
            try:
                _write_all(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


def cut_incomplete_line(path: str | Path) -> None:
    """Cuts off an incomplete last line, which a kill left, before a file of lines is written. Raises TrainingError
    where that fails, RunError where `path` is not a plain file."""
    with _explained(Path(path), 0):
        descriptor = open_own(path, os.O_RDWR)
        try:
            _cut_torn_line(descriptor)
        finally:
            os.close(descriptor)


def _cut_torn_line(descriptor: int) -> int:
    """Cuts off an incomplete line after the last line end; returns the new size of the file."""
    size = end = os.fstat(descriptor).st_size
    while end:
        os.lseek(descriptor, max(0, end - BLOCK), os.SEEK_SET)
        block = os.read(descriptor, min(end, BLOCK))
        found = block.rfind(b"\n")
        if found >= 0:
            end += found + 1 - len(block)
            break
        end -= len(block)
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON for people and other programs: a float that is not finite becomes null, since JSON cannot express it."""
    return escape_json(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent))


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically (see `write_atomically`); floats that are not finite become
    null."""
    write_atomically(path, (to_json(value, indent=2) + "\n").encode())


def read_json(path: str | Path, cure: str = CURE) -> Any:
    """Reads a JSON file. Raises RunError where it is missing, unreadable or damaged. cure: advice for the message."""
    return _parse(_read_text(Path(path), cure), str(path), cure)


def with_checksum(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with a `checksum` of its other values, as in JSON: `without_checksum` checks and removes it."""
    return {**value, CHECKSUM: _checksum(json.loads(to_json(dict(value))))}


def without_checksum(value: dict[str, Any], source: str, must: bool) -> dict[str, Any]:
    """The object without its checksum. Raises RunError, naming `source`, where that does not match, or where it is
    missing and required (`must`)."""
    rest = {name: entry for name, entry in value.items() if name != CHECKSUM}
    if CHECKSUM not in value and must:
        raise RunError(f"{source} is damaged: it has no checksum. {CURE}")
    if CHECKSUM in value and value[CHECKSUM] != _checksum(rest):
        raise RunError(f"{source} is damaged: its checksum does not match. {CURE}")
    return rest


def _checksum(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:CHECKSUM_DIGITS]


def own_digest(path: str | Path) -> str:
    """The sha256 of a run's file. Raises RunError where it is not a plain file or is too large; OSError as os.open
    does."""
    descriptor = open_own(path)
    with os.fdopen(descriptor, "rb") as file:
        check_size(path, descriptor, LARGEST_JSON if Path(path).suffix == ".json" else LARGEST_FILE)
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json_lines(path: str | Path, cure: str = CURE) -> list[dict[str, Any]]:
    """Reads a file of one JSON object per line; a missing file has no lines, an incomplete last line is skipped.

    Raises RunError where another line is damaged, or the file is unreadable. cure: the advice in the message.
    """
    path = Path(path)
    try:
        if not check_plain_file(path):
            return []
    except OSError as error:
        raise _unreadable(path, error) from error
    values = []
    for number, line in enumerate(_read_text(path, cure).split("\n")[:-1], start=1):
        value = _parse(line, f"{path}, line {number},", cure)
        if not isinstance(value, dict):
            raise RunError(f"{path}, line {number}, is damaged: not a JSON object. {cure}")
        values.append(value)
    return values


def _read_text(path: Path, cure: str) -> str:
    try:
        data = read_plain(path, LARGEST_JSON)
        if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
            raise RunError(f"{path} is damaged: it has over {MOST_VALUES:,} values. {cure}")
        return data.decode()
    except FileNotFoundError:
        raise RunError(f"{path} is missing. The run is not complete. {cure}") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged: not UTF-8 at byte {error.start}. {cure}") from None


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path} cannot be read: {error.strerror}. Check its permissions.")


def _parse(text: str, where: str, cure: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        _refuse_depth(value)
        return value
    except json.JSONDecodeError as error:
        reason = f"not JSON ({error.msg}, line {error.lineno}, column {error.colno})"
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        reason = "its JSON cannot be parsed"
    raise RunError(f"{where} is damaged: {reason}. {cure}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        children = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for some in children for one in some if isinstance(one, dict | list)]
    if level:
        raise RecursionError


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)  # noqa: PTH107 - left by a killed process with this number
    descriptor = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]  # one call writes 2 GB at most


@contextlib.contextmanager
def _explained(path: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            why = "the disk is full, or a limit on the size of files is reached"
            cure = "Free some space, then try again"
        else:
            why = error.strerror or str(error)
            cure = "Check that its folder exists and is writable, then try again"
        if any(PARTIAL_NAME.fullmatch(name) for name in path.parts[:-1]):
            raise TrainingError(
                f"The run could not be created: its {path.name} ({size:,} bytes) could not be written: {why}.\n"
                f"Its folder was removed. {cure}."
            ) from error
        raise TrainingError(
            f"{path} could not be written ({size:,} bytes): {why}.\n"
            f"Earlier files are whole. {cure}; a stopped run resumes with: unroll resume"
        ) from error
