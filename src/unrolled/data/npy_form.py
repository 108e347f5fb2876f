"""npy: one array, read from where it lies a block at a time, and its answers in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from unrolled.data.array_blocks import column_blocks, in_step, rows_at_once, stream_blocks
from unrolled.data.array_rows import AnyArray, read_rows
from unrolled.data.fingerprints import digest_of, join_digests
from unrolled.data.npy_header import ArrayHeader, read_header
from unrolled.data.table_file import Row, TableFile
from unrolled.errors import DataError

INPUTS = re.compile(r"(?<![a-z0-9])(inputs|images|data|x)(?![a-z0-9])", re.IGNORECASE)
ANSWERS = ("labels", "targets", "y")


class NpyTable(TableFile):
    """An npy, never held: columns `input` and `label`.

    The labels stand in a file beside it, whose name is found so: the word inputs, images, data or x in the name
    becomes labels, targets or y, in this order, with capitals as they were and then small ones: train_images.npy and
    train_labels.npy, X_train.npy and y_train.npy. Without one, each column of a table of two axes is a column, called
    by its number from 1.
    """

    form, mixed = "npy", False

    def __init__(self, path: Path, header: ArrayHeader, answers: Path | None) -> None:
        names = map(str, range(1, header.shape[1] + 1)) if answers is None else ("input", "label")
        super().__init__(path, tuple(names))
        self.answers = answers

    @classmethod
    def open(cls, path: Path) -> Self:
        header = _look(path)
        names = answer_names(path.name)
        answers = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
        if answers is not None:
            labels = _look(answers)
            if len(labels.shape) > 2 and not labels.is_plain:
                raise DataError(
                    f"{answers} holds an array of {len(labels.shape)} axes; the labels of {path.name} were expected, "
                    "one a row, or K numbers a row.\nSave it with one axis or two: labels.reshape(len(labels), -1)"
                )
            if labels.shape[:1] != header.shape[:1]:
                raise DataError(
                    f"{path} has {header.shape[0]:,} rows, and {answers.name} beside it {labels.shape[0]:,}; each "
                    "row has one label."
                )
        elif len(header.shape) != 2:
            beside = f"none of {', '.join(names)} stands beside it" if names else "its name says of no file of labels"
            raise DataError(
                f"{path} holds an array of {len(header.shape)} axes, and {beside}.\n"
                "Save it and its labels as x.npy and y.npy, or both as one .npz: numpy.savez(path, x=…, y=…)"
            )
        return cls(path, header, answers)

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        yield from read_rows(self, self._blocks(columns), columns)

    def _blocks(self, columns: Sequence[str]) -> Iterator[Mapping[str, AnyArray]]:
        paths = {"input": self.path} if self.answers is None else {"input": self.path, "label": self.answers}
        with ExitStack() as stack:
            files = {name: stack.enter_context(path.open("rb")) for name, path in paths.items()}
            headers = {
                name: read_header(file, paths[name], paths[name].stem, paths[name].stat().st_size)
                for name, file in files.items()
            }
            rows = rows_at_once({name: (header.shape, header.dtype) for name, header in headers.items()})
            blocks = {name: _array_blocks(files[name], paths[name], header, rows) for name, header in headers.items()}
            for block in in_step(blocks):
                if self.answers is None:
                    yield {name: block["input"][:, int(name) - 1] for name in columns}
                else:
                    yield block

    def fingerprint(self) -> str:
        if self.answers is None:
            return super().fingerprint()
        return join_digests(self.path.parent, {path: digest_of(path) for path in (self.path, self.answers)})


def answer_names(name: str) -> list[str]:
    """Names of files that may hold the answers to the inputs in a file of this name, the likeliest first."""
    names: dict[str, None] = {}
    for answers in ANSWERS:
        for found in INPUTS.finditer(name):
            word = found.group()
            cased = answers.upper() if word.isupper() else answers.title() if word.istitle() else answers
            names |= dict.fromkeys(name[: found.start()] + one + name[found.end() :] for one in (cased, answers))
    return list(names)


def _look(path: Path) -> ArrayHeader:
    with path.open("rb") as file:
        header = read_header(file, path, path.stem, path.stat().st_size)
    if not header.bytes:
        raise DataError(f"{path} holds an array of shape {header.shape}: no rows. Give it some.")
    return header


def _array_blocks(file: IO[bytes], path: Path, header: ArrayHeader, rows: int) -> Iterator[AnyArray]:
    if header.fortran:
        return column_blocks(file, path, header.shape, header.dtype, rows, header.start)
    return stream_blocks(file, path, header.shape, header.dtype, rows)
