"""The files that rows name: each is decoded, hashed and stored once, however many rows name it."""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path
from typing import NamedTuple

from unrolled.data.files.fingerprints import digest_of

UNREADABLE = -1  # in place of a row
NO_STEPS = -1  # in place of a number of steps


class SeenFile(NamedTuple):
    """What the rows that name a file have in common."""

    row: int  # the first of them in the item store, or UNREADABLE
    mark: int  # hash of the item
    steps: int | None  # of the item that could have a target each
    digest: str  # sha256 of the file's bytes


class SeenFiles:
    """The files of the rows read so far, by path. Numbers are in arrays, because there may be millions of files."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows, self._marks, self._steps = array("q"), array("q"), array("q")
        self._digests = bytearray()  # 32 bytes each
        self._wholes: dict[str, str] = {}  # file of which rows name parts -> its digest

    def __contains__(self, path: str | None) -> bool:
        return path in self._numbers

    def __getitem__(self, path: str) -> SeenFile:
        number = self._numbers[path]
        steps, digest = self._steps[number], self._digests[32 * number : 32 * (number + 1)].hex()
        return SeenFile(self._rows[number], self._marks[number], None if steps == NO_STEPS else steps, digest)

    def add(self, path: str, row: int, mark: int, steps: int | None, file: str) -> SeenFile:
        """Record a file with what its rows have in common. Reads it again, for its digest. file: the same, or the
        file of which `path` names a part."""
        if file == path:
            return self._add(path, SeenFile(row, mark, steps, digest_of(Path(path))))
        if file not in self._wholes:
            self._wholes[file] = digest_of(Path(file))
        part = hashlib.sha256(f"{self._wholes[file]}{path.removeprefix(file)}".encode())
        return self._add(path, SeenFile(row, mark, steps, part.hexdigest()))

    def add_unreadable(self, path: str) -> None:
        """Record a file that cannot be read."""
        self._add(path, SeenFile(UNREADABLE, 0, None, bytes(32).hex()))

    def _add(self, path: str, file: SeenFile) -> SeenFile:
        self._numbers[path] = len(self._rows)
        self._rows.append(file.row)
        self._marks.append(file.mark)
        self._steps.append(NO_STEPS if file.steps is None else file.steps)
        self._digests += bytes.fromhex(file.digest)
        return file
