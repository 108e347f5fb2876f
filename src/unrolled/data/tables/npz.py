"""npz: its named arrays are the columns; x_train, y_train, x_test and the like are columns of splits."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.lib import format as npy

from unrolled.data.cells.written_numbers import shortened
from unrolled.data.splits import SPLITS
from unrolled.data.tables.array_blocks import check_packed, join_blocks, rows_at_once, stream_blocks
from unrolled.data.tables.arrays import MOST_BYTES, AnyArray, flat, read_array_rows
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.columns import INPUTS
from unrolled.data.tables.npy_header import ArrayHeader, read_header
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError

CLASSES = ("classes", "class_names", "label_names")  # arrays that may hold the names of numbered labels
NUMBERED = ("y", "label", "labels", "target", "targets", "class")  # columns of numbers that such names may belong to
MOST_HELD = 1 << 29  # bytes of an array in Fortran order, which is unpacked whole
SPLIT_FIRST = re.compile(rf"(?P<split>{'|'.join(SPLIT_WORDS)})[_-](?P<column>.+)", re.IGNORECASE)
CAMEL = re.compile("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # word boundaries: trainX, XTest
SPLIT_LAST = re.compile(rf"(?P<column>.+)[_-](?P<split>{'|'.join(SPLIT_WORDS)})", re.IGNORECASE)
UNPACKING_ERRORS = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError,
    KeyError,  # an array that is missing
    ValueError,  # an array of objects, or a damaged one
    NotImplementedError,  # another compression
    RuntimeError,  # encrypted
)  # fmt: skip
"""Errors of zipfile and numpy for a file that is damaged, or no npz."""


class NpzTable(TableFile):
    """An npz file, compressed or not. Arrays are unpacked while rows are read, only for the requested columns, and in
    blocks.

    All arrays have one row per example, with one exception: a text array called `classes` of another length holds the
    names for the labels 0, 1, … in a column called y, label or the like. Nothing is unpickled.
    """

    format, has_mixed_columns = "npz", False

    def __init__(
        self, path: Path, headers: dict[str, ArrayHeader], classes: tuple[str, str] | None,
        members: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """headers: of the arrays, by column; members: column -> array, if this is one of several splits."""
        super().__init__(path, tuple(name for name in headers if classes is None or name != classes[0]))
        self.headers, self.classes = headers, classes  # (names' array, labels' array)
        self.members = dict(members or {name: name for name in headers})
        self.comes_in_splits = members is not None

    @classmethod
    def open(cls, path: Path) -> Self:
        headers: dict[str, ArrayHeader] = {}
        with _opened(path) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > MOST_BYTES:
                raise DataError(
                    f"{path} unpacks to {unpacked / 1e9:,.1f} GB; the limit is {MOST_BYTES / 1e9:,.1f} GB.\n"
                    "Save the largest array as an .npy, which is read in blocks without unpacking."
                )
            check_packed(path, path.stat().st_size, unpacked)
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    headers[name] = read_header(file, path, name, member.file_size)
                _check_order(path, name, headers[name])
        if not headers:
            raise DataError(f"{path} holds no arrays. Save some: numpy.savez(path, x=inputs, y=labels)")
        return cls._of_splits(path, headers) or cls(path, headers, _classes(path, headers))

    @classmethod
    def _of_splits(cls, path: Path, headers: dict[str, ArrayHeader]) -> Self | None:
        """The table of x_train and y_train, with x_test and y_test as a split of it; None for other names."""
        splits, names = splits_of_arrays(headers)
        _check_twice(path, headers)
        if not splits:
            return None
        tables = {}
        for split, members in splits.items():
            of_split = {column: headers[member] for column, member in (members | names).items()}
            tables[split] = cls(path, of_split, _classes(path, of_split), members | names)
            tables[split].split, tables[split].arrays = split, ", ".join(members.values())
        table = tables.pop("training")
        training = ", ".join(splits["training"].values())
        others = "; ".join(f"{split}: {', '.join(splits[split].values())}" for split in tables)
        table.splits = tables
        table.note = f"the splits are arrays (training: {training}; {others}; override: --valid --test)"
        return table

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        yield from read_array_rows(self, self._blocks(dict.fromkeys(columns)), columns)

    def _blocks(self, columns: Mapping[str, None]) -> Iterator[Mapping[str, AnyArray]]:
        """These columns in blocks of rows."""
        rows = rows_at_once({name: (self.headers[name].shape, self.headers[name].dtype) for name in columns})
        names_of, label = self.classes if self.classes is not None else ("", "")
        names = self._load(names_of) if label in columns else None
        first = 1
        with _opened(self.path) as archive, ExitStack() as stack:
            files = {name: stack.enter_context(archive.open(f"{self.members[name]}.npy")) for name in columns}
            for block in join_blocks({name: self._array_blocks(name, file, rows) for name, file in files.items()}):
                if names is not None:
                    block[label] = self._name(flat(block[label]), names, first)
                yield block
                first += max(map(len, block.values()))
            for file in files.values():
                file.read()  # at the end the checksum is checked

    def _array_blocks(self, name: str, file: IO[bytes], rows: int) -> Iterator[AnyArray]:
        header = self.headers[name]
        if header.fortran:
            whole = npy.read_array(file, allow_pickle=False)
            yield from (whole[start : start + rows] for start in range(0, len(whole), rows))
            return
        file.read(header.start)
        yield from stream_blocks(file, self.path, header.shape, header.dtype, rows)

    def _load(self, name: str) -> AnyArray:
        with _opened(self.path) as archive, archive.open(f"{self.members[name]}.npy") as file:
            array: AnyArray = npy.read_array(file, allow_pickle=False)
            file.read()  # at the end the checksum is checked
            return array

    def _name(self, numbers: AnyArray, names: AnyArray, first: int) -> AnyArray:
        """The names of the labels of some rows; first: the number of the first of these rows."""
        names_of, label = self.classes or ("", "")
        wrong = np.flatnonzero((numbers < 0) | (numbers >= len(names)))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(
                f"{self.place(first + row)}: '{label}' is {numbers[row]}, but '{names_of}' has names for "
                f"{len(names):,} labels, from 0."
            )
        return names[numbers]

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes; for a file with splits, combined with the split's name."""
        digest = super().fingerprint()
        return hashlib.sha256(f"{digest} {self.split}".encode()).hexdigest() if self.comes_in_splits else digest


def splits_of_arrays(headers: Mapping[str, ArrayHeader]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """For arrays called x_train, y_train, x_test, …: split -> column -> array, and the arrays of class names, which
    all splits share. Empty if the names denote no splits, or if a split lacks a column of the training split."""
    found: dict[str, dict[str, str]] = {}
    names = {name: name for name, header in headers.items() if name.lower() in CLASSES and header.dtype.kind == "U"}
    for name in headers:
        if name in names:
            continue
        parted = _split_and_column(name)
        if parted is None:
            return {}, {}
        found.setdefault(SPLIT_WORDS[parted["split"].lower()], {})[parted["column"]] = name
    training = found.get("training", {})
    if len(found) < 2 or any(set(training) != set(columns) for columns in found.values()):
        return {}, {}
    return {split: found[split] for split in SPLITS if split in found}, names


def check_one_input(table: TableFile) -> None:
    """Raises DataError for an npz in which two arrays could be the input, such as x_test and test_images."""
    if not isinstance(table, NpzTable):
        return
    wide = [name for name, header in table.headers.items() if len(header.shape) > 1 and header.dtype.kind in "biuf"]
    found = [name for name in wide if name.lower() in INPUTS]
    if len(found) > 1:
        arrays = " and ".join(f"'{table.members[name]}'" for name in found)
        raise DataError(
            f"{table.path}: {arrays} could each be the input. Name one: --input {found[0]}\n"
            "To use them together, save them as one array: numpy.concatenate"
        )


def _check_twice(path: Path, headers: Mapping[str, ArrayHeader]) -> None:
    """Raises DataError if two arrays have the names of one column in one split: x_test and test_x."""
    seen: dict[tuple[str, str], str] = {}
    for name in headers:
        parted = _split_and_column(name)
        key = (SPLIT_WORDS[parted["split"].lower()], parted["column"]) if parted else ("", name)
        if (other := seen.setdefault(key, name)) != name:
            raise DataError(
                f"{path}: by their names, '{other}' and '{name}' are both '{key[1]}' of the {key[0]} split.\n"
                "Remove or rename one of them."
            )


def _split_and_column(name: str) -> re.Match[str] | None:
    """The parts of an array's name that name its split and its column: x_train, train-images, testX."""
    written = CAMEL.sub("_", name)
    return SPLIT_FIRST.fullmatch(written) or SPLIT_LAST.fullmatch(written)


def _check_order(path: Path, name: str, header: ArrayHeader) -> None:
    if header.fortran and header.bytes > MOST_HELD:
        raise DataError(
            f"{path}: '{name}' is in Fortran order and takes {header.bytes / 1e9:,.1f} GB; the limit is "
            f"{MOST_HELD / 1e9:,.1f} GB.\nSave it in C order: numpy.ascontiguousarray({name})"
        )


def _classes(path: Path, headers: dict[str, ArrayHeader]) -> tuple[str, str] | None:
    """(array of class names, column of numbers), if there are such. Raises DataError for other unequal lengths."""
    found = None
    counts = {name: header.shape[0] for name, header in headers.items()}
    named = [name for name in counts if name.lower() in CLASSES and headers[name].dtype.kind == "U"]
    numbered = [name for wanted in NUMBERED for name in counts if name.lower() == wanted]
    numbered = [name for name in numbered if headers[name].dtype.kind in "iu" and headers[name].is_plain]
    if len(named) == 1 and numbered and counts[named[0]] != counts[numbered[0]]:
        found = named[0], numbered[0]
        del counts[named[0]]
    (first, count), *others = counts.items()
    for name, other in others:
        if other != count:
            raise DataError(
                f"{path}: '{first}' has {count:,} rows, but '{name}' has {other:,}; every array needs one row per "
                "example.\nSave other arrays in another file."
            )
    return found


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The opened file. Raises DataError where it turns out to be damaged, also while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UNPACKING_ERRORS as error:
        reason = shortened(str(error).split("\n", 1)[0].rstrip("."), 200)  # it may quote a very long name
        raise DataError(f"{path} cannot be read as an npz: {reason}.\nIt may be truncated; copy it again.") from None
