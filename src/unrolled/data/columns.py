"""Which columns of a table are read and which are answered, and what kind of answer that is.

In this order: as many words, or entries of a list, as the input has steps are tags; numbers with decimals, or of more
than 20 kinds, and lists of numbers, are values; other lists are any number of labels; what comes in few kinds is a
label; all else is text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.table_file import LOOKED_AT, Cell, Row, TableFile
from unrolled.data.words import join_words
from unrolled.errors import DataError, OptionError, nearest

INPUTS = ("text", "sentence", "review", "document", "content", "message", "body", "title", "name", "word", "words",
          "tokens", "form", "sound", "audio", "picture", "image", "photo", "file", "path", "filename", "input",
          "inputs", "images", "sounds", "x", "data", "features", "sequence", "series")  # fmt: skip
OUTPUTS = ("label", "labels", "target", "targets", "class", "category", "sentiment", "tags", "upos", "caption",
           "answer", "output", "value", "y")  # fmt: skip
MOST_KINDS, LEAST_ROWS = 1000, 5  # of labels; rows a kind, on average
MOST_SHOWN = 4  # columns named in a line
MOST_TAGS, TAGGED = 200, 0.99  # kinds of tags; share of rows with as many tags as words
WHOLE_NUMBERS = 20  # different whole numbers up to which they are labels
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Columns:
    """What is read, what is answered, and what says which rows belong together."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    group: str | None = None
    sequence: str | None = None  # rows alike in it are the steps of one sequence

    @property
    def input(self) -> str:
        """What is read, for a line."""
        shown = self.inputs if len(self.inputs) <= MOST_SHOWN else (*self.inputs[:2], "…", self.inputs[-1])
        return ", ".join(shown)

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is needed, the inputs first."""
        return (*self.inputs, *self.outputs, *([self.group] if self.group else []))


def choose_columns(
    table: TableFile, input_names: str | None = None, output_names: str | None = None, group: str | None = None,
    sequence: str | None = None,
) -> Columns:  # fmt: skip
    """The columns asked for, else those with names that everyone uses, else the first and the second of two; where
    the others are all numbers, these together.

    input_names, output_names: with commas between them. Raises OptionError for a column that is not there, and
    DataError where the names leave it open.
    """
    inputs, outputs = _listed(table, input_names), _listed(table, output_names)
    for option, names in (("input", inputs), ("output", outputs), ("group", (group,)), ("sequence", (sequence,))):
        for name in names:
            if name is not None and name not in table.columns:
                raise OptionError(
                    f"--{option}: {table.path} has no column '{name}'.{nearest(name, table.columns)} "
                    f"It has: {table.listed}."
                )
    if len(set(outputs)) < len(outputs) or set(inputs) & set(outputs) or len(set(inputs)) < len(inputs):
        raise OptionError("--output names each column once, and not the input's.")
    taken = {*outputs, *inputs, group, sequence}
    left = [name for name in table.columns if name not in taken]
    if not inputs:
        inputs = _find_inputs(table, left, bool(outputs))
        found = set(inputs)
        left = [name for name in left if name not in found]
    if not outputs and not left and len(inputs) > 1:  # all are numbers: the last is foreseen
        inputs, left = inputs[:-1], [inputs[-1]]
    if not outputs:
        known = [name for wanted in OUTPUTS for name in left if name.lower() == wanted]
        known = known or (left if len(left) == 1 else [])
        if not known:
            raise _undecided(table, "output")
        outputs = (known[0],)
    return Columns(inputs, outputs, group, sequence)


def _listed(table: TableFile, names: str | None) -> tuple[str, ...]:
    """Names with commas between them; one that is a column's as a whole is that column."""
    if not names:
        return ()
    return (names,) if names in table.columns else tuple(name.strip() for name in names.split(","))


def _find_inputs(table: TableFile, left: list[str], answered: bool) -> tuple[str, ...]:
    """Of the columns that are left those that are read; answered: the output is not among them."""
    known = [name for wanted in INPUTS for name in left if name.lower() == wanted]
    if not known and not table.unnamed and len(left) == (1 if answered else 2):
        known = left[:1]
    if known:
        return (known[0],)
    others = left if answered else [name for name in left if name.lower() not in OUTPUTS]
    first = [row.cells for row in islice(table.rows(others), LOOKED_AT)] if others else []
    cells = [cell for cells in first for cell in cells if cell is not None]
    if not cells or table.unnamed or not all(map(is_number, cells)):
        raise _undecided(table, "input")
    return tuple(others)


def is_number(cell: Cell) -> bool:
    """Whether a cell is a number, or written as one."""
    if isinstance(cell, str):
        return NUMBER.fullmatch(cell.strip()) is not None
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _undecided(table: TableFile, which: str) -> DataError:
    known = ", ".join((INPUTS if which == "input" else OUTPUTS)[:6])
    unnamed = f" and {table.unnamed} without a name" if table.unnamed else ""
    return DataError(
        f"{table.path} has the columns {table.listed}{unnamed}; which is the {which} is not plain.\n"
        f"Say it: --{which} COLUMN. Names that are known: {known} …"
    )


@dataclass
class Column:
    """What has been seen of an output column."""

    rows: int = 0
    lists: int = 0
    numbers: int = 0
    decimals: int = 0
    listed_numbers: int = 0  # lists of numbers
    tagged: int = 0  # rows with as many entries as the input has steps, and more than one
    kinds: Counter[str] = field(default_factory=Counter)  # up to one more than matter
    tags: set[str] = field(default_factory=set)

    def see(self, steps: int | None, cell: Cell) -> None:
        """One row: how many steps its input has that could be tagged, None where it has none, and this cell."""
        self.rows += 1
        listed = isinstance(cell, list | np.ndarray)
        words = list(cell) if listed else str(cell).split()  # type: ignore[arg-type]
        self.lists += listed
        self.listed_numbers += (
            listed
            and bool(words)
            and all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in words)
        )
        if steps is not None and (len(words) > 1 or listed) and len(words) == steps:
            self.tagged += 1
            if len(self.tags) <= MOST_TAGS:
                self.tags.update(map(str, words))
        written = spell(cell)
        if isinstance(cell, float) or (NUMBER.fullmatch(written) and not written.lstrip("+-").isdecimal()):
            self.decimals += not (isinstance(cell, float) and cell.is_integer())
        self.numbers += NUMBER.fullmatch(written) is not None and not isinstance(cell, bool)
        if written in self.kinds or len(self.kinds) <= MOST_KINDS:
            self.kinds[written] += 1

    @property
    def kind(self) -> str:
        """tags, value, labels, label or text."""
        if self.tagged >= TAGGED * self.rows and len(self.tags) < MOST_TAGS and self.rows:
            return "tags"
        if self.rows and self.listed_numbers == self.rows:
            return "value"
        if self.rows and self.lists == self.rows:
            return "labels"
        if self.numbers == self.rows and (self.decimals or len(self.kinds) > WHOLE_NUMBERS):
            return "value"
        if len(self.kinds) <= MOST_KINDS and self.rows >= LEAST_ROWS * len(self.kinds):
            return "label"
        return "text"


def spell(cell: Cell) -> str:
    """A cell as text: as it stands in a csv."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, np.ndarray):
        return " ".join(map(str, entries(cell)))
    return " ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def spell_list(cell: Cell) -> str:
    """A cell as text; of a list so that each entry can be told from the next."""
    if isinstance(cell, np.ndarray):
        return join_words(entries(cell))
    return join_words(cell) if isinstance(cell, list) else spell(cell)


def entries(cell: NDArray[Any]) -> list[Any]:
    """An array's numbers in their order, whole ones as such: an npz holds its tags as numbers."""
    return [int(one) if float(one).is_integer() else one for one in cell.ravel().tolist()]


def missing(table: TableFile, columns: Sequence[str], row: Row) -> str | None:
    """The name of the first of a row's cells that is missing."""
    return next((name for name, cell in zip(columns, row.cells, strict=True) if cell is None), None)


def no_cell(table: TableFile, name: str, row: Row) -> DataError:
    """What to say of a row that lacks a cell."""
    return DataError(
        f"{table.place(row.number)}: '{name}' is empty. A row needs an input and an answer;\n"
        "fill it in, or leave such rows out with --skip-empty."
    )


def to_json(columns: Columns) -> dict[str, Any]:
    """What a run keeps of its columns."""
    return {
        "inputs": list(columns.inputs), "outputs": list(columns.outputs), "group": columns.group,
        "sequence": columns.sequence,
    }  # fmt: skip


def columns_from_json(value: dict[str, Any]) -> Columns:
    """The columns that `to_json` wrote. Raises KeyError or TypeError where they are damaged."""
    inputs = value["inputs"] if "inputs" in value else [value["input"]]  # an older run has one
    return Columns(tuple(inputs), tuple(value["outputs"]), value["group"], value.get("sequence"))
