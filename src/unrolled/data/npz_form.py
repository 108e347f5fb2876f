"""npz: arrays under names, which are the columns."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib import format as npy

from unrolled.data.array_rows import MOST_BYTES, AnyArray, read_rows
from unrolled.data.npy_header import ArrayHeader, read_header
from unrolled.data.table_file import Row, TableFile
from unrolled.errors import DataError

CLASSES = ("classes", "class_names", "label_names")  # arrays that may hold the names of numbered labels
NUMBERED = ("y", "label", "labels", "target", "targets", "class")  # columns that they can be the names of
FAULTS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError)


class NpzTable(TableFile):
    """An npz, packed or not. Arrays are unpacked when rows are read, those of the columns that are asked for.

    All arrays have a row for each example. But one: text called `classes`, of another length, names the labels that
    a column called y, label or the like has by number from 0. Nothing is unpickled.
    """

    form = "npz"

    def __init__(self, path: Path, headers: dict[str, ArrayHeader], classes: tuple[str, str] | None) -> None:
        super().__init__(path, tuple(name for name in headers if classes is None or name != classes[0]))
        self.headers, self.classes = headers, classes  # (names' array, labels' array)

    @classmethod
    def open(cls, path: Path) -> Self:
        headers: dict[str, ArrayHeader] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                unpacked = sum(member.file_size for member in members)
                if unpacked > MOST_BYTES:
                    raise DataError(
                        f"{path} unpacks to {unpacked / 1e9:,.1f} GB, and up to {MOST_BYTES / 1e9:,.1f} are held in "
                        "memory.\nSave the largest array as an .npy, which is read from where it lies."
                    )
                for member in members:
                    name = member.filename.removesuffix(".npy")
                    with archive.open(member) as file:
                        headers[name] = read_header(file, path, name, member.file_size)
        except FAULTS as error:
            raise _damaged(path, error) from None
        if not headers:
            raise DataError(f"{path} holds no arrays. Save some: numpy.savez(path, x=inputs, y=labels)")
        return cls(path, headers, _classes(path, headers))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        arrays = {name: self._load(name) for name in dict.fromkeys(columns)}
        if self.classes is not None and self.classes[1] in arrays:
            arrays[self.classes[1]] = self._name(arrays[self.classes[1]])
        yield from read_rows(self, arrays, columns)

    def _load(self, name: str) -> AnyArray:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name + ".npy") as file:
                array: AnyArray = npy.read_array(file, allow_pickle=False)
                file.read()  # to the end, where the checksum is compared
                return array
        except FAULTS as error:
            raise _damaged(self.path, error) from None

    def _name(self, numbers: AnyArray) -> AnyArray:
        if self.classes is None:
            return numbers
        names = self._load(self.classes[0])
        wrong = np.flatnonzero((numbers < 0) | (numbers >= len(names)))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{self.place(row + 1)}: '{self.classes[1]}' is {numbers[row]}, and '{self.classes[0]}' names "
                f"{len(names):,} labels, from 0."
            )
        return names[numbers]


def _classes(path: Path, headers: dict[str, ArrayHeader]) -> tuple[str, str] | None:
    """(array of names, column of numbers) where there are such. Raises DataError for other lengths that differ."""
    found = None
    counts = {name: header.shape[0] for name, header in headers.items()}
    named = [name for name in counts if name.lower() in CLASSES and headers[name].dtype.kind == "U"]
    numbered = [name for wanted in NUMBERED for name in counts if name.lower() == wanted]
    numbered = [name for name in numbered if headers[name].dtype.kind in "iu" and len(headers[name].shape) == 1]
    if len(named) == 1 and numbered and counts[named[0]] != counts[numbered[0]]:
        found = named[0], numbered[0]
        del counts[named[0]]
    (first, count), *others = counts.items()
    for name, other in others:
        if other != count:
            raise DataError(
                f"{path}: '{first}' has {count:,} rows, and '{name}' {other:,}; every array has a row for each "
                "example.\nSave what else there is in another file."
            )
    return found


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).split("\n", 1)[0].rstrip(".")
    return DataError(f"{path} is no npz that could be read: {reason}.\nIt may be truncated; copy it anew.")
