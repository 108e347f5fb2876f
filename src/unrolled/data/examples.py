"""Examples: rows of a table, each an input and its answers, cut into training, validation and test part."""

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

LISTED = 100  # of them, in a run's facts


@dataclass(frozen=True)
class Examples:
    """Rows of a table as inputs and answers. Made by `read_examples`."""

    path: Path
    form: str
    columns: Columns
    items: Texts | Arrays
    lengths: Ids  # (N,) by which rows of like length are found: bytes of a text, steps, samples
    numbers: Ids  # (N,) each row's number in its file
    tables: tuple[TableFile, ...]  # the one that was named, then those of --valid and --test
    source: NDArray[np.uint8]  # (N,) which of them a row is of
    answers: dict[str, Answered]
    parts: dict[str, Ids]  # training, validation, test -> rows
    fingerprints: dict[str, str]
    intake: Tokens | Features
    skipped: int  # rows without input or answer that were left out
    bad: tuple[str, ...]  # what was wrong with sounds and pictures that were left out
    repeated: int  # rows of validation and test part that stand in the training part too
    grown: str = ""  # characters that a table of symbols lacked, and has got
    blank: int = 0  # sounds that are silent throughout, pictures of one colour
    note: str = ""  # what a person should know of the symbols that were chosen
    split: str = "drawn at random"  # how the test split was chosen
    notes: tuple[str, ...] = ()  # what else was understood, with the options that overrule it
    drawn: tuple[int, int] | None = None  # rows of the training table that were read, and that it has

    @property
    def measured(self) -> str:
        """What to say of rows that are one of several splits: " (its test split)"."""
        split = self.tables[0].split
        return "" if split == "training" else f" (its {split} split)"

    @property
    def written(self) -> Written | None:
        """The texts to be written about the rows, where that is what is learnt."""
        return next((one for one in self.answers.values() if isinstance(one, Written)), None)

    def count(self, part: str) -> int:
        """Rows of a part."""
        return len(self.parts[part])

    def part_items(self, part: str) -> PartItems:
        """What the rows of a part are given as, in their order."""
        return PartItems(self.items, self.parts[part])

    def place(self, row: int) -> str:
        """Where a row stands: reviews.csv, row 17."""
        return self.tables[int(self.source[row])].place(int(self.numbers[row]))

    def located(self, row: int) -> tuple[str, int]:
        """The file that a row stands in, and its number there, as messages count rows."""
        table, number = self.tables[int(self.source[row])], int(self.numbers[row])
        return table.place(number).removesuffix(f", row {number:,}"), number

    def name(self, row: int) -> str:
        """A row in a few words: its text, or where it stands."""
        if isinstance(self.items, Texts):
            return self.items[row]
        return self.place(row).removeprefix(f"{self.path}/")

    def steps(self, row: int) -> int:
        """Steps of a row that an answer for each is about: its words, or its vectors."""
        item = self.items[row]
        return len(given_words(item)) if isinstance(item, str) else len(self.intake.encode(item))

    @property
    def asked_for(self) -> str:
        """What is answered, each with its kind: 'verb' (label) and 'price' (value)."""
        return " and ".join(f"'{name}' ({answered.output.kind})" for name, answered in self.answers.items())

    @property
    def description(self) -> str:
        """What was understood, in a line, with the options that overrule it."""
        whole = len(self.numbers)
        line = ""
        if self.skipped > whole:
            line = f"WARNING, {self.skipped:,} of {self.skipped + whole:,} rows left out, each with an empty cell; "
        line += f"{whole:,} rows of {self.form}: {self.columns.input} ({self.intake.read_as}) -> "
        line += "; ".join(answered.describe(name) for name, answered in self.answers.items())
        line += f" ({self.note})" if self.note else ""
        line += "; otherwise: --input --output --as --read"
        if self.drawn is not None:
            read, rows = self.drawn
            line += f"; {read:,} of {rows:,} rows are read, drawn evenly (--rows)"
        line += "".join(f"; {note}" for note in dict.fromkeys(table.note for table in self.tables) if note)
        line += "".join(f"; {one}" for one in self.notes)
        if files := sum(len(table.skipped) for table in self.tables):
            line += f"; {files:,} files of another kind left out"
        if 0 < self.skipped <= whole:
            line += f"; {self.skipped:,} rows with an empty cell left out"
        if self.blank:
            line += f"; {self.blank:,} are silent, or of one colour, throughout"
        if self.bad:
            line += f"; {len(self.bad):,} that cannot be read left out ({self.bad[0].splitlines()[0]})"
        if self.repeated:
            line += f"; {self.repeated:,} rows of validation and test stand in the training part too"
        if self.grown:
            line += f"; {len(self.grown)} characters are new to what it starts from ({shown(tuple(self.grown))})"
        return line + self._unseen()

    def _unseen(self) -> str:
        lines = ""
        for name, answered in self.answers.items():
            count, names = answered.count_unseen(np.arange(len(self.numbers)))
            if count:
                what = "steps" if answered.each else "rows"
                lines += (
                    f"; {count:,} {what} have a {name} that the training part lacks ({shown(names)}): always wrong"
                )
        return lines


@dataclass(frozen=True)
class Asked:
    """What a reading of examples is asked: the options of `unroll train`."""

    input: str | None = None
    output: str | None = None
    kind: str | None = None  # --as
    group: str | None = None
    valid: str | float | None = None
    test: str | float | None = None
    symbols: str = "auto"
    seed: int = 0
    skip_empty: bool = False
    read: str | None = None  # kind of input
    sequence: str | None = None  # column
    patches: bool = False  # pictures are read as patches, not as rows
    table: Table | None = None  # of symbols of a language model that is started from
    fold: tuple[int, int] | None = None  # (k, n): the k-th of n folds, from 1, is the test part
    options: TableOptions = USUAL  # of this table, and of those of --valid and --test
    shuffle: bool = False  # rows that stand in the order of time are drawn all the same
    rows: int | None = None  # of the training table, drawn evenly over it; None: all
    start: Known | None = None  # of a run on a table that is started from: what it settles is kept where it fits
    anew: bool = False  # its way of reading does not fit these rows


@dataclass(frozen=True)
class Known:
    """What a run knows, and other examples are read by."""

    columns: Columns
    intake: Tokens | Features
    outputs: Mapping[str, Output]

    @property
    def each(self) -> frozenset[str]:
        """The outputs that are tags."""
        return frozenset(name for name, output in self.outputs.items() if output.each)
