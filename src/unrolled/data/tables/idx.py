"""The idx format of MNIST: a short header, then big-endian numbers, often gzipped (yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np

from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.tables.array_blocks import check_packed, check_row_size, join_blocks, rows_at_once, stream_blocks
from unrolled.data.tables.arrays import MOST_BYTES, AnyArray, read_array_rows
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.split_names import SPLIT_WORDS
from unrolled.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
NAME = re.compile(r"(^|[-._])idx(\d+(-[a-z]+)?)?(\.gz)?$", re.IGNORECASE)
IMAGES = re.compile(r"images(?:([-._])idx\d+)?", re.IGNORECASE)
TEST_WORD = "t10k"  # of MNIST's test split
SPLIT_WORD = re.compile(rf"(?<![a-z0-9])({TEST_WORD}|{'|'.join(SPLIT_WORDS)})(?![a-z0-9])", re.IGNORECASE)


class IdxHeader(NamedTuple):
    """Shape and dtype, as a file's header states them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def start(self) -> int:
        """Offset of the values in bytes."""
        return 4 + 4 * len(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the values in bytes."""
        return prod(self.shape) * self.dtype.itemsize


class IdxTable(TableFile):
    """Images from one file and their labels from another in the same folder, each gzipped or not.

    train-images-idx3-ubyte.gz goes with train-labels-idx1-ubyte.gz. The columns are `image` and `label`, or `input`
    and `label` where each row is a flat list of numbers.
    """

    format, has_mixed_columns = "idx", False

    def __init__(self, path: Path, labels: Path, axes: int) -> None:
        super().__init__(path, ("image" if axes > 2 else "input", "label"))
        self.labels = labels

    @classmethod
    def open(cls, path: Path) -> Self:
        header = read_header(path)
        if len(header.shape) < 2:
            raise DataError(
                f"{path} has one axis, as a file of labels has. Give the file of images; its labels are found by "
                "name:\ntrain-images-idx3-ubyte.gz with train-labels-idx1-ubyte.gz"
            )
        names = label_names(path.name)
        labels = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
        if labels is None:
            expected = " or ".join(names) or "the same name with 'labels' in place of 'images'"
            raise DataError(f"{path} has no file of labels in the same folder; expected: {expected}. Put it there.")
        found = read_header(labels)
        if len(found.shape) != 1 or found.shape[0] != header.shape[0]:
            raise DataError(
                f"{path} holds {header.shape[0]:,} rows, but {labels.name} has the shape {found.shape}; one label "
                "per row was expected."
            )
        return cls(path, labels, len(header.shape))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        yield from read_array_rows(self, self._blocks(columns), columns)

    def _blocks(self, columns: Sequence[str]) -> Iterator[Mapping[str, AnyArray]]:
        paths = dict(zip(self.columns, (self.path, self.labels), strict=True))
        headers = {name: read_header(paths[name]) for name in dict.fromkeys(columns)}
        rows = rows_at_once({name: (header.shape, header.dtype) for name, header in headers.items()})
        yield from join_blocks({name: read_idx(paths[name], rows) for name in headers})

    def fingerprint(self) -> str:
        return join_digests(self.path.parent, {path: digest_of(path) for path in (self.path, self.labels)})


def find_idx(folder: Path) -> list[Path]:
    """The idx files of images in a folder that also holds their labels."""
    if not folder.is_dir():
        return []
    names = {path.name for path in folder.iterdir() if is_idx(path.name)}
    return sorted(folder / name for name in names if names & set(label_names(name)))


def open_idx_folder(folder: Path, files: Sequence[Path]) -> IdxTable:
    """The table of a folder of idx files with MNIST's names: train-images and train-labels, and as the test split
    t10k-images and t10k-labels. files: from `find_idx`. Raises DataError for ambiguous names."""
    of_split: dict[str, Path] = {}
    for path in files:
        split = _split_of(path.name)
        if of_split.setdefault(split, path) != path:
            raise DataError(
                f"{folder} holds {of_split[split].name} and {path.name}; both are the {split} split by "
                "their names.\nGive one of them: its labels are found by its name."
            )
    if "training" not in of_split:
        raise DataError(
            f"{folder} holds {', '.join(path.name for path in files)}, and no train-images. Give one file."
        )
    tables = {split: IdxTable.open(path) for split, path in of_split.items()}
    for split, one in tables.items():
        one.split = split
    table = tables.pop("training")
    if tables:
        names = ", ".join(one.path.name for one in (table, *tables.values()))
        table.splits, table.note = tables, f"the splits are the files {names} (override: --valid --test)"
    return table


def _split_of(name: str) -> str:
    """The split that a file of images is by its name."""
    word = SPLIT_WORD.search(name)
    if word is None:
        return "training"
    return (SPLIT_WORDS | {TEST_WORD: "test"})[word[0].lower()]


def is_idx(name: str) -> bool:
    """Whether a file has the name of an idx file: train-images-idx3-ubyte, train-images.idx3-ubyte.gz, digits.idx."""
    return NAME.search(name) is not None


def label_names(name: str) -> list[str]:
    """Names of files that may hold the labels for a file of images with this name, the likeliest first."""
    found = IMAGES.search(name)
    if found is None:
        return []
    names = [IMAGES.sub(f"labels{found[1]}idx1", name)] if found[1] else []
    names += [re.sub("images", "labels", name, flags=re.IGNORECASE)]
    names += [one.removesuffix(".gz") if one.endswith(".gz") else one + ".gz" for one in names]
    return list(dict.fromkeys(names))


def read_header(path: Path) -> IdxHeader:
    """The header of an idx file. Raises DataError if it is not one, or holds more than the limit in memory."""
    try:
        with _open(path) as file:
            return _header(path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None


def read_idx(path: Path, rows: int) -> Iterator[AnyArray]:
    """The numbers of an idx file, gzipped or not, in blocks of `rows`.

    Unpacks at most the bytes that the header promises, and one more. Raises DataError for more bytes or fewer.
    """
    try:
        with _open(path) as file:
            header = _header(path, file)
            yield from stream_blocks(file, path, header.shape, header.dtype, rows)
            more = bool(file.read(1))  # for gzip, this also checks the checksum
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None
    if more:
        raise DataError(
            f"{path} is damaged: its header promises {header.bytes:,} bytes of numbers, and it holds more.\n"
            "Copy it again."
        )


def _open(path: Path) -> BinaryIO:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, file: BinaryIO) -> IdxHeader:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not magic[3]:
        raise DataError(
            f"{path} is not an idx file: its first bytes are {magic.hex(' ') or 'missing'}; 00 00, a type from 08 "
            "to 0e and the number of axes were expected.\nCopy it again, or rename it if it has another format."
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path} is truncated: it ends within its header. Copy it again.")
    header = IdxHeader(tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(TYPES[magic[2]]))
    if header.bytes > MOST_BYTES:
        raise DataError(
            f"{path} holds {header.bytes / 1e9:,.1f} GB of numbers by its header; the limit is "
            f"{MOST_BYTES / 1e9:,.1f} GB.\nIf its header is not damaged, cut it into several files."
        )
    if not header.bytes:
        raise DataError(f"{path} holds no numbers: its shape is {header.shape}. Add some rows.")
    check_row_size(path, path.name, header.shape, header.dtype)
    if path.suffix.lower() == ".gz":
        check_packed(path, path.stat().st_size, header.bytes)
    return header


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).split("\n", 1)[0].rstrip(".")
    return DataError(f"{path} could not be unpacked: {reason}.\nIt is truncated or damaged; copy it again.")
