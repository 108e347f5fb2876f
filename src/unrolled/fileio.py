"""Writing files so that a kill or a full disk leaves the old file or the new one, never half of one.

A file is written beside its place under a hidden name (`.run.json.partial-4711`), flushed to the disk, renamed
over the old one, and the folder is flushed too. What a killed process left beside is removed by `sweep`. No link is
written through, and nothing but a plain file is written over (opening.py).
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
from unrolled.escaping import harmless_json
from unrolled.opening import CURE, LARGEST, check_own, check_own_folder, check_size, open_own, read_own

PUBLIC, PRIVATE = 0o666, 0o600  # what all may read whom the user's mask lets; what its owner alone may read
PARTIAL = ".partial-"  # in the hidden names of what is being written
LEFT = re.compile(rf"\..+{re.escape(PARTIAL)}\d+")
LARGEST_JSON = 128 << 20  # bytes
MOST_VALUES = 5_000_000  # in a file of JSON: as Python's objects they take a hundred bytes each
BLOCK = 1 << 16  # bytes looked at together for the end of a line
DEEPEST = 60  # lists and objects within each other
CHECKSUM, CHECKSUM_DIGITS = "checksum", 32
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def nameless_file(what: str) -> IO[bytes]:
    """A temporary file without a name, of which nothing is left when it is closed, nor after a kill. what: it is for,
    in words. Raises TrainingError where none can be made."""
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise no_room(what, error) from None


def no_room(what: str, error: OSError) -> TrainingError:
    """The error of a temporary file that cannot be made or written. what: it is for, in words."""
    where = os.environ.get("TMPDIR", "the temporary folder")
    why = error.strerror if error.errno not in (errno.ENOENT, None) else "no folder for temporary files can be used"
    return TrainingError(
        f"No room for {what} in {where}: {why}. Free some, or name another folder in the variable TMPDIR."
    )


def partial_path(path: Path) -> Path:
    """The hidden name, beside `path`, under which this process makes it."""
    return path.with_name(f".{path.name}{PARTIAL}{os.getpid()}")


def write_whole(path: str | Path, data: bytes, mode: int = PUBLIC) -> None:
    """Writes `data` to `path`: at every moment, also after a kill, the old content stands there or the new.

    mode: who may read the new one, by the user's mask. Raises TrainingError where the disk is full or refuses; the
    old content is whole and nothing is left beside it.
    Raises RunError where something else than a plain file stands at `path`.
    """
    path = Path(path)
    partial = partial_path(path)
    with _explained(path, len(data)):
        check_own(path)
        try:
            _write_new(partial, data, mode)
            os.replace(partial, path)  # noqa: PTH105 - the named points of writing are calls of os
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)  # noqa: PTH108
            raise
        sync_folder(path.parent)


def sync_folder(folder: str | Path) -> None:
    """Flushes a folder's names to the disk; file systems that cannot do it, and Windows, are let be."""
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


def sweep(folder: str | Path) -> list[Path]:
    """Removes the files that killed writers left in `folder`, and returns them. For its only writer to call.

    Raises RunError where `folder` is a link: what stands there is not the run's.
    """
    check_own_folder(folder)
    named = (path for path in Path(folder).iterdir() if LEFT.fullmatch(path.name))
    left = sorted(path for path in named if stat.S_ISREG(path.lstat().st_mode))
    for path in left:
        path.unlink(missing_ok=True)
    return left


def append_line(path: str | Path, text: str, sync: bool = False, mode: int = PUBLIC) -> None:
    """Adds `text` and a line end to `path`, and with `sync` flushes it to the disk. mode: who may read a new file.

    Raises TrainingError where the disk is full or refuses; the lines before stay whole, and no part of this one.
    A kill may leave a part of the line: `read_json_lines` passes over it; the next `append_line`, or `mend_lines`,
    removes it.
    """
    data = (text + "\n").encode(errors="backslashreplace")  # of a path's bytes that are not UTF-8: \udcff
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


def mend_lines(path: str | Path) -> None:
    """Cuts off a last line without its end, which a kill tore, where a file of lines is opened to be written. Raises
    TrainingError where that cannot be, RunError where no plain file stands at `path`."""
    with _explained(Path(path), 0):
        descriptor = open_own(path, os.O_RDWR)
        try:
            _cut_torn_line(descriptor)
        finally:
            os.close(descriptor)


def _cut_torn_line(descriptor: int) -> int:
    """Cuts off what stands behind the last line end, a line that a kill tore; hands back the file's size then."""
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
    """JSON for people and other programs: a float that is not finite becomes null, for JSON has no word for it."""
    return harmless_json(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent))


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole (see `write_whole`); floats that are not finite become null."""
    write_whole(path, (to_json(value, indent=2) + "\n").encode())


def read_json(path: str | Path, cure: str = CURE) -> Any:
    """Reads a JSON file. Raises RunError where it is missing, cannot be read or is damaged. cure: what to do then."""
    return _parse(_read_text(Path(path), cure), str(path), cure)


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object with a `checksum` of all its other parts, as JSON has them: `unsealed` takes it off and checks it."""
    return {**value, CHECKSUM: _checksum(json.loads(to_json(dict(value))))}


def unsealed(value: dict[str, Any], source: str, must: bool) -> dict[str, Any]:
    """The object without its checksum. Raises RunError, naming `source`, where that does not match, or where there
    must be one and is none."""
    rest = {name: part for name, part in value.items() if name != CHECKSUM}
    if CHECKSUM not in value and must:
        raise RunError(f"{source} is damaged: it has no checksum. {CURE}")
    if CHECKSUM in value and value[CHECKSUM] != _checksum(rest):
        raise RunError(f"{source} is damaged: its checksum does not match. {CURE}")
    return rest


def _checksum(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:CHECKSUM_DIGITS]


def digest_own(path: str | Path) -> str:
    """The sha256 of a run's file. Raises RunError where it is no plain file, or larger than one can be; OSError as
    os.open does."""
    descriptor = open_own(path)
    with os.fdopen(descriptor, "rb") as file:
        check_size(path, descriptor, LARGEST_JSON if Path(path).suffix == ".json" else LARGEST)
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json_lines(path: str | Path, cure: str = CURE) -> list[dict[str, Any]]:
    """Reads a file of one JSON object a line; no file is no lines, and a last line without its end is passed over.

    Raises RunError where another line is damaged, or the file cannot be read. cure: what to do then.
    """
    path = Path(path)
    try:
        if not check_own(path):
            return []
    except OSError as error:
        raise _unreadable(path, error) from error
    values = []
    for number, line in enumerate(_read_text(path, cure).split("\n")[:-1], start=1):
        value = _parse(line, f"{path}, line {number},", cure)
        if not isinstance(value, dict):
            raise RunError(f"{path}, line {number}, is damaged: no JSON object. {cure}")
        values.append(value)
    return values


def _read_text(path: Path, cure: str) -> str:
    try:
        data = read_own(path, LARGEST_JSON)
        if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
            raise RunError(f"{path} is damaged: it has over {MOST_VALUES:,} values. {cure}")
        return data.decode()
    except FileNotFoundError:
        raise RunError(f"{path} is missing. The run is not complete. {cure}") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged: no UTF-8 at byte {error.start}. {cure}") from None


def _unreadable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path} cannot be read: {error.strerror}. Check its permissions.")


def _parse(text: str, where: str, cure: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        _refuse_depth(value)
        return value
    except json.JSONDecodeError as error:
        reason = f"no JSON ({error.msg}, line {error.lineno}, column {error.colno})"
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        reason = "no JSON that could be read"
    raise RunError(f"{where} is damaged: {reason}. {cure}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON's")


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        parts = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for some in parts for one in some if isinstance(one, dict | list)]
    if level:
        raise RecursionError


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)  # noqa: PTH107 - a killed process of this number left it
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
            cure = "See that its folder is there and may be written, then try again"
        if any(LEFT.fullmatch(name) for name in path.parts[:-1]):
            raise TrainingError(
                f"The run could not be made, its {path.name} ({size:,} bytes) not be written: {why}.\n"
                f"Nothing was left of it. {cure}."
            ) from error
        raise TrainingError(
            f"{path} could not be written ({size:,} bytes): {why}.\n"
            f"What was written before is whole. {cure}; a stopped run goes on with: unroll resume"
        ) from error
