"""Examples: rows of a table, each an input and its targets, split into training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.answers import Answered, Written, shown
from unrolled.data.columns import Columns
from unrolled.data.features import Features
from unrolled.data.intake import Ids
from unrolled.data.items import Arrays, PartItems, Texts
from unrolled.data.outputs import Output
from unrolled.data.symbols import Table
from unrolled.data.table_file import USUAL, TableFile, TableOptions
from unrolled.data.tokens import Tokens
from unrolled.data.words import given_words

LISTED = 100  # notes in run.json


@dataclass(frozen=True)
class Examples:
    """Rows of a table as inputs and targets. Made by `read_examples`."""

    path: Path
    form: str
    columns: Columns
    items: Texts | Arrays
    lengths: Ids  # (N,) for grouping rows by length: bytes of a text, steps, samples
    numbers: Ids  # (N,) each row's number in its file
    tables: tuple[TableFile, ...]  # the main one, then those of --valid and --test
    source: NDArray[np.uint8]  # (N,) index of a row's table
    answers: dict[str, Answered]
    parts: dict[str, Ids]  # training, validation, test -> rows
    fingerprints: dict[str, str]
    intake: Tokens | Features
    skipped: int  # rows left out because a cell is empty
    bad: tuple[str, ...]  # errors of the audio files and images that were left out
    repeated: int  # rows of validation and test that are in the training split too
    grown: str = ""  # characters added to the vocabulary of the run it starts from
    blank: int = 0  # silent audio files, images of one colour
    note: str = ""  # note on the choice of vocabulary
    split: str = "drawn at random"  # how the test split was chosen
    notes: tuple[str, ...] = ()  # other notes, with the options that overrule them
    drawn: tuple[int, int] | None = None  # rows read of the training table, and rows that it has

    @property
    def measured(self) -> str:
        """A note on rows that are one of several splits: " (its test split)"; else empty."""
        split = self.tables[0].split
        return "" if split == "training" else f" (its {split} split)"

    @property
    def written(self) -> Written | None:
        """The text output, if there is one."""
        return next((one for one in self.answers.values() if isinstance(one, Written)), None)

    def count(self, part: str) -> int:
        """Number of rows of a split."""
        return len(self.parts[part])

    def part_items(self, part: str) -> PartItems:
        """Input items of a split's rows, in order."""
        return PartItems(self.items, self.parts[part])

    def place(self, row: int) -> str:
        """A row's file and number: reviews.csv, row 17."""
        return self.tables[int(self.source[row])].place(int(self.numbers[row]))

    def located(self, row: int) -> tuple[str, int]:
        """A row's file, and its number there, as in messages."""
        table, number = self.tables[int(self.source[row])], int(self.numbers[row])
        return table.place(number).removesuffix(f", row {number:,}"), number

    def name(self, row: int) -> str:
        """A row's text, or its file and number."""
        if isinstance(self.items, Texts):
            return self.items[row]
        return self.place(row).removeprefix(f"{self.path}/")

    def steps(self, row: int) -> int:
        """Number of a row's steps that can be tagged: its words, or its vectors."""
        item = self.items[row]
        return len(given_words(item)) if isinstance(item, str) else len(self.intake.encode(item))

    @property
    def asked_for(self) -> str:
        """The outputs with their kinds: 'verb' (label) and 'price' (value)."""
        return " and ".join(f"'{name}' ({answered.output.kind})" for name, answered in self.answers.items())

    @property
    def description(self) -> str:
        """A summary in one line, with the options that overrule it."""
        whole = len(self.numbers)
        line = ""
        if self.skipped > whole:
            line = f"WARNING, {self.skipped:,} of {self.skipped + whole:,} rows left out, each with an empty cell; "
        line += f"{whole:,} rows of {self.form}: {self.columns.input} ({self.intake.read_as}) -> "
        line += "; ".join(answered.describe(name) for name, answered in self.answers.items())
        line += f" ({self.note})" if self.note else ""
        line += "; to change this: --input --output --task --input-type"
        if self.drawn is not None:
            read, rows = self.drawn
            line += f"; {read:,} of {rows:,} rows are used, spread evenly (--rows)"
        line += "".join(f"; {note}" for note in dict.fromkeys(table.note for table in self.tables) if note)
        line += "".join(f"; {one}" for one in self.notes)
        if files := sum(len(table.skipped) for table in self.tables):
            line += f"; {files:,} files of another kind left out"
        if 0 < self.skipped <= whole:
            line += f"; {self.skipped:,} rows with an empty cell left out"
        if self.blank:
            line += f"; {self.blank:,} are silent, or of one colour"
        if self.bad:
            line += f"; {len(self.bad):,} unreadable files left out ({self.bad[0].splitlines()[0]})"
        if self.repeated:
            line += f"; {self.repeated:,} rows of validation and test are in the training split too"
        if self.grown:
            line += f"; {len(self.grown)} characters are new to the run it starts from ({shown(tuple(self.grown))})"
        return line + self._unseen()

    def _unseen(self) -> str:
        lines = ""
        for name, answered in self.answers.items():
            count, names = answered.count_unseen(np.arange(len(self.numbers)))
            if count:
                what = "steps" if answered.each else "rows"
                lines += (
                    f"; {count:,} {what} have a '{name}' that the training split lacks ({shown(names)}): always wrong"
                )
        return lines


@dataclass(frozen=True)
class Asked:
    """Options of `unroll train` for reading examples."""

    input: str | None = None
    output: str | None = None
    kind: str | None = None  # `--task`
    group: str | None = None
    valid: str | float | None = None
    test: str | float | None = None
    symbols: str = "auto"
    seed: int = 0
    skip_empty: bool = False
    read: str | None = None  # kind of input, `--input-type`
    sequence: str | None = None  # column
    patches: bool = False  # read images as patches instead of rows
    table: Table | None = None  # vocabulary of the language model that training starts from
    fold: tuple[int, int] | None = None  # (k, n): the k-th of n folds, from 1, is the test split
    options: TableOptions = USUAL  # for this table, and those of --valid and --test
    shuffle: bool = False  # split at random, even if the rows are in order of time
    rows: int | None = None  # of the training table, spread evenly over it; None: all
    start: Known | None = None  # settings of the run on a table that training starts from; kept if they fit
    anew: bool = False  # its featurizer does not fit these rows


@dataclass(frozen=True)
class Known:
    """What a run fixes for reading other examples."""

    columns: Columns
    intake: Tokens | Features
    outputs: Mapping[str, Output]

    @property
    def each(self) -> frozenset[str]:
        """The outputs that are tags."""
        return frozenset(name for name, output in self.outputs.items() if output.each)
