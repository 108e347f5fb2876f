"""Detect changes of a text by its sha256, and save standard input, which can be read only once."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from unrolled.data.files.look import (
    BYTES_AT_ONCE,
    TextFile,
    detect_encoding,
    file_status,
    list_files,
    open_text_file,
    read_bytes,
)
from unrolled.errors import DataError, TrainingError

LEFT_FREE = 1 << 28  # bytes of a disk that standard input leaves free


def fingerprint(path: str | Path) -> str:
    """Return the sha256 of a file's bytes, or of the names and digests of a folder's files that are not binary."""
    path = Path(path)
    if not stat.S_ISDIR(file_status(path).st_mode):
        return digest_of(path)
    kept = [file for file in list_files(path) if detect_encoding(file) not in ("empty", "binary")]
    return join_digests(path, {file: digest_of(file) for file in kept})


def digest_of(path: Path) -> str:
    """Return the sha256 of one file's bytes."""
    digest = hashlib.sha256()
    for block in read_bytes(TextFile(path, path.name, file_status(path).st_size, "")):
        digest.update(block)
    return digest.hexdigest()


def join_digests(folder: Path, digests: dict[Path, str]) -> str:
    """Combine the names and sha256 of a folder's files into one sha256."""
    lines = (f"{path.relative_to(folder).as_posix()}\0{digests[path]}\n" for path in sorted(digests))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def keep_standard_input(destination: str | Path, source: BinaryIO | None = None, any_bytes: bool = False) -> int:
    """Copy standard input to a file, chunk by chunk, so that it can be read again; return the number of bytes.

    Only the owner can read the file (0600), and it is synced to disk. Raises DataError if the input is empty, cannot
    be read, or does not end before the disk is nearly full, and, after its first chunk, if it is no text (unless
    `any_bytes`); TrainingError if the file cannot be written.
    """
    if source is None and sys.stdin is None:
        raise DataError("Standard input is closed. Send some text: cat poems.txt | unroll train -")
    source, destination = sys.stdin.buffer if source is None else source, Path(destination)
    count, folder = 0, destination.resolve().parent  # reported instead of the file, which may have no name
    try:
        with open(destination, "wb", opener=_own) as kept:
            while block := _read(source):
                if not count and not any_bytes:
                    _check_text(destination, block)
                disk = kept.fileno() if hasattr(os, "statvfs") else folder
                if shutil.disk_usage(disk).free < LEFT_FREE + len(block):
                    raise DataError(
                        f"Standard input has not ended after {count:,} bytes, and the disk at {folder} "
                        "is nearly full.\nDoes it ever end? Use a file, or send less: head -c 1G | unroll train -"
                    )
                count += kept.write(block)
            kept.flush()
            os.fsync(kept.fileno())
    except OSError as error:
        raise TrainingError(
            f"Standard input could not be saved in {folder}: {error.strerror}.\n"
            "Free some space, then send it again; nothing was trained."
        ) from None
    if not count:
        raise DataError("Standard input was empty. Send some text: cat poems.txt | unroll train -")
    return count


def _check_text(destination: Path, block: bytes) -> None:
    """Write the first block of standard input, and raise DataError if it is no text."""
    destination.write_bytes(block)
    try:
        open_text_file(destination, destination.name, any_bytes=False)
    except DataError as error:
        raise DataError(str(error).replace(str(destination), "Standard input")) from None


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(BYTES_AT_ONCE)
    except OSError as error:
        raise DataError(f"Standard input cannot be read: {error.strerror}. Send some text, or name a file.") from None
