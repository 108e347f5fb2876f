"""Which columns of a table are read and which are answered, and what kind of answer that is.

In this order: a column of lists, or of as many words as the input has, is tags; numbers with decimals, or of more
than 20 kinds, are values; what comes in few kinds is labels; all else is text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from unrolled.data.table_file import Cell, Row, TableFile
from unrolled.data.tokens import join_words
from unrolled.errors import DataError, OptionError, nearest

INPUTS = ("text", "sentence", "review", "document", "content", "message", "body", "title", "name", "word", "words",
          "tokens", "form", "input")  # fmt: skip
OUTPUTS = (
    "label",
    "labels",
    "target",
    "class",
    "category",
    "sentiment",
    "tags",
    "upos",
    "caption",
    "answer",
    "output",
)
MOST_KINDS, LEAST_ROWS = 1000, 5  # of labels; rows a kind, on average
MOST_TAGS, TAGGED = 200, 0.99  # kinds of tags; share of rows with as many tags as words
WHOLE_NUMBERS = 20  # different whole numbers up to which they are labels
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Columns:
    """What is read, what is answered, and what says which rows belong together."""

    input: str
    outputs: tuple[str, ...]
    group: str | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is needed, the input first."""
        return (self.input, *self.outputs, *([self.group] if self.group else []))


def choose_columns(
    table: TableFile, input_name: str | None = None, output_names: str | None = None, group: str | None = None
) -> Columns:
    """The columns asked for, else those with names that everyone uses, else the first and the second of two.

    output_names: with commas between them. Raises OptionError for a column that is not there, and DataError where
    the names leave it open.
    """
    outputs = tuple(name.strip() for name in output_names.split(",")) if output_names else ()
    for option, names in (("--input", (input_name,)), ("--output", outputs), ("--group", (group,))):
        for name in names:
            if name is not None and name not in table.columns:
                raise OptionError(
                    f"{option}: {table.path} has no column '{name}'.{nearest(name, table.columns)} "
                    f"It has: {', '.join(table.columns)}."
                )
    if len(set(outputs)) < len(outputs) or input_name in outputs:
        raise OptionError("--output names each column once, and not the input's.")
    left = [name for name in table.columns if name not in (*outputs, input_name, group)]
    if input_name is None:
        known = [name for wanted in INPUTS for name in left if name.lower() == wanted]
        if not known and len(left) == (1 if outputs else 2):
            known = left[:1]
        if not known:
            raise _undecided(table, "input")
        input_name = known[0]
        left.remove(input_name)
    if not outputs:
        known = [name for wanted in OUTPUTS for name in left if name.lower() == wanted]
        known = known or (left if len(left) == 1 else [])
        if not known:
            raise _undecided(table, "output")
        outputs = (known[0],)
    return Columns(input_name, outputs, group)


def _undecided(table: TableFile, which: str) -> DataError:
    known = ", ".join((INPUTS if which == "input" else OUTPUTS)[:6])
    return DataError(
        f"{table.path} has the columns {', '.join(table.columns) or 'none'}; which is the {which} is not plain.\n"
        f"Say it: --{which} COLUMN. Names that are known: {known} …"
    )


@dataclass
class Column:
    """What has been seen of an output column."""

    rows: int = 0
    lists: int = 0
    numbers: int = 0
    decimals: int = 0
    tagged: int = 0  # rows with as many words as the input's, and more than one
    kinds: Counter[str] = field(default_factory=Counter)  # up to one more than matter
    tags: set[str] = field(default_factory=set)

    def see(self, text: Cell, cell: Cell) -> None:
        """One row: the input's cell, and this column's."""
        self.rows += 1
        words = cell if isinstance(cell, list) else str(cell).split()
        self.lists += isinstance(cell, list)
        listed = isinstance(cell, list) and isinstance(text, list)
        if (len(words) > 1 or listed) and len(words) == len(text if isinstance(text, list) else str(text).split()):
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
        """tags, value, label or text."""
        if self.tagged >= TAGGED * self.rows and len(self.tags) < MOST_TAGS and self.rows:
            return "tags"
        if self.numbers == self.rows and (self.decimals or len(self.kinds) > WHOLE_NUMBERS):
            return "value"
        if len(self.kinds) <= MOST_KINDS and self.rows >= LEAST_ROWS * len(self.kinds):
            return "label"
        return "text"


def spell(cell: Cell) -> str:
    """A cell as text: as it stands in a csv."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return " ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def spell_input(cell: Cell) -> str:
    """An input's cell as text; of a list so that each word can be told from the next."""
    return join_words(cell) if isinstance(cell, list) else spell(cell)


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
    return {"input": columns.input, "outputs": list(columns.outputs), "group": columns.group}
