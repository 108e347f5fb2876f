"""npy: one array, read in blocks without loading it whole, with its labels in a second file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from unrolled.data.files.fingerprints import digest_of, join_digests
from unrolled.data.tables.array_blocks import column_blocks, join_blocks, rows_at_once, stream_blocks
from unrolled.data.tables.arrays import AnyArray, read_array_rows
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.npy_header import ArrayHeader, read_header
from unrolled.errors import DataError

INPUTS = re.compile(r"(?<![a-z0-9])(inputs|images|data|x)(?![a-z0-9])", re.IGNORECASE)
LABELS = ("labels", "targets", "y")
CASES = ((str.isupper, str.upper), (str.istitle, str.title))  # of a word, and how another is written alike


class NpyTable(TableFile):
    """An npy file, never loaded whole, with the columns `input` and `label`.

    The labels are in a second file in the same folder. In its name, labels, targets or y (in this order) replaces the
    word inputs, images, data or x, first in the original case, then in lower case: train_images.npy and
    train_labels.npy, X_train.npy and y_train.npy. Without such a file, an array of two axes is a table whose columns
    are numbered from 1.
    """

    format, has_mixed_columns = "npy", False

    def __init__(self, path: Path, header: ArrayHeader, labels: Path | None) -> None:
        names = map(str, range(1, header.shape[1] + 1)) if labels is None else ("input", "label")
        super().__init__(path, tuple(names))
        self.labels = labels

    @classmethod
    def open(cls, path: Path) -> Self:
        header = _header_of(path)
        names = label_file_names(path.name)
        labels = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
        if labels is not None:
            found = _header_of(labels)
            if len(found.shape) > 2 and not found.is_plain:
                raise DataError(
                    f"{labels} holds an array of {len(found.shape)} axes; the labels of {path.name} were expected, "
                    "one per row, or K numbers per row.\n"
                    "Save it with one axis or two: labels.reshape(len(labels), -1)"
                )
            if found.shape[:1] != header.shape[:1]:
                raise DataError(
                    f"{path} has {header.shape[0]:,} rows, but {labels.name} has {found.shape[0]:,}; one label per "
                    "row was expected."
                )
        elif len(header.shape) != 2:
            missing = f"its folder holds none of {', '.join(names)}" if names else "no file of labels fits its name"
            raise DataError(
                f"{path} holds an array of {len(header.shape)} axes, and {missing}.\n"
                "Save it and its labels as x.npy and y.npy, or both as one .npz: numpy.savez(path, x=…, y=…)"
            )
        return cls(path, header, labels)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        yield from read_array_rows(self, self._blocks(columns), columns)

    def _blocks(self, columns: Sequence[str]) -> Iterator[Mapping[str, AnyArray]]:
        paths = {"input": self.path} if self.labels is None else {"input": self.path, "label": self.labels}
        with ExitStack() as stack:
            files = {name: stack.enter_context(path.open("rb")) for name, path in paths.items()}
            headers = {
                name: read_header(file, paths[name], paths[name].stem, paths[name].stat().st_size)
                for name, file in files.items()
            }
            rows = rows_at_once({name: (header.shape, header.dtype) for name, header in headers.items()})
            blocks = {name: _array_blocks(files[name], paths[name], header, rows) for name, header in headers.items()}
            for block in join_blocks(blocks):
                if self.labels is None:
                    yield {name: block["input"][:, int(name) - 1] for name in columns}
                else:
                    yield block

    def fingerprint(self) -> str:
        if self.labels is None:
            return super().fingerprint()
        return join_digests(self.path.parent, {path: digest_of(path) for path in (self.path, self.labels)})


def label_file_names(name: str) -> list[str]:
    """Names of files that may hold the labels for the inputs in a file of this name, the likeliest first."""
    names: dict[str, None] = {}
    for labels in LABELS:
        for found in INPUTS.finditer(name):
            word = found.group()
            cased = next((like for has, like in CASES if has(word)), str.lower)(labels)
            names |= dict.fromkeys(name[: found.start()] + one + name[found.end() :] for one in (cased, labels))
    return list(names)


def _header_of(path: Path) -> ArrayHeader:
    with path.open("rb") as file:
        header = read_header(file, path, path.stem, path.stat().st_size)
    if not header.bytes:
        raise DataError(f"{path} holds an array of shape {header.shape}: no rows. Add some.")
    return header


def _array_blocks(file: IO[bytes], path: Path, header: ArrayHeader, rows: int) -> Iterator[AnyArray]:
    if header.fortran:
        return column_blocks(file, path, header.shape, header.dtype, rows, header.start)
    return stream_blocks(file, path, header.shape, header.dtype, rows)
