"""Decide which kind of output a column is, by its cells and its name. `--task` always overrules this.

In this order: Rows of zeros with a single 1: labels by number; if nearly all rows are like that, the others are
errors. As many words, or list entries, as the input has steps: tags, but in a column named label only if their
number varies. Lists of numbers: values. Other lists: any number of labels. Mostly numbers: labels if the column
is named so, or if its whole numbers fill 0 to K-1 or 1 to K with five rows each; else values. Few different cells:
labels. Dates and times: not learnt. Anything else: texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.dates import are_digit_dates, read_date
from unrolled.data.cells.label_names import exact_number
from unrolled.data.cells.times import holds_times
from unrolled.data.cells.words import join_words
from unrolled.data.cells.written_numbers import WHOLE, is_missing, is_nearly_number, is_number, unit_of

MOST_KINDS, LEAST_ROWS = 1000, 5  # different labels; rows per label
FEWEST_NAMED = 2  # rows per label, on average, below which labels that were taken by the column's name are noted
UNLIKE = 0.9  # different cells per row, above which words in such a column are texts
MOST_TAGS, TAGGED = 200, 0.99  # different tags; share of rows with as many tags as words
ONE_HOT = 0.9  # share of rows with a single 1 among zeros, from which another row is an error
LABELS = re.compile(r"(.*[\W_])?(label|class|category)|labels|classes|categories", re.IGNORECASE)
MOST_UNITS = 100  # different units of amounts that are counted
SPREAD = 100  # cells, spread evenly over a column, that are checked for dates; between half as many and all
NAMED_KINDS = {"tagging": "tags", "classification": "labels"}
DATE, TIME = "date", "time"  # recognised, but not learnt


@dataclass
class Tally:
    """Cells of one kind: their number, and the first of them."""

    count: int = 0
    row: int = -1  # index among the rows seen
    cell: Cell = None

    def see(self, row: int, cell: Cell) -> None:
        """Count one more."""
        if not self.count:
            self.row, self.cell = row, cell
        self.count += 1


@dataclass
class Column:
    """Statistics of an output column. labelled: it is a label by the table's form, such as folders; name: its own."""

    name: str = ""
    labelled: bool = False
    rows: int = 0
    lists: Tally = field(default_factory=Tally)  # lists of any kind
    valid: Tally = field(default_factory=Tally)  # numbers
    whole: int = 0  # numbers without decimals
    listed_numbers: int = 0  # lists of numbers
    binary: int = 0  # rows of zeros and ones, all of one length
    one_hot: int = 0  # of those, rows with a single 1
    length: int = 0  # of the first list
    tagged: int = 0  # rows with as many entries as the input has steps, and more than one
    steps: set[int] = field(default_factory=set)  # numbers of steps of those rows, up to two different ones
    nearly: Tally = field(default_factory=Tally)  # 3,14 and the like
    undefined: Tally = field(default_factory=Tally)  # nan and the like
    words: Tally = field(default_factory=Tally)  # neither of those, nor numbers
    amounts: dict[str, Tally] = field(default_factory=dict)  # words such as 12 kg, by unit
    listed: Tally = field(default_factory=Tally)  # lists of neither numbers nor names
    empty: Tally = field(default_factory=Tally)  # lists without an entry
    spread: list[Cell] = field(default_factory=list)  # cells that are not lists, spread evenly
    every: int = 1  # distance between them, in rows
    counts: Counter[str] = field(default_factory=Counter)  # different cells; counting stops after MOST_KINDS + 1
    tags: set[str] = field(default_factory=set)

    def add(self, steps: int | None, cell: Cell) -> None:
        """Add a row's cell. steps: of its input that could be tagged; None if there are none."""
        listed = isinstance(cell, list | np.ndarray)
        words = list(cell) if listed else str(cell).split()  # type: ignore[arg-type]
        if listed:
            self._see_list(words)
        else:
            self._see_single(cell)
        if steps is not None and (len(words) > 1 or listed) and len(words) == steps:
            self.tagged += 1
            self.steps.update([steps] if len(self.steps) < 2 else ())
            if len(self.tags) <= MOST_TAGS:
                self.tags.update(map(str, words))
        self.rows += 1
        if (written := as_text(cell)) in self.counts or len(self.counts) <= MOST_KINDS:
            self.counts[written] += 1

    def _see_list(self, row: list[Any]) -> None:
        self.length = self.length if self.lists.count else len(row)
        self.lists.see(self.rows, row)
        if len(row) == self.length and is_binary(row):
            self.binary += 1
            self.one_hot += sum(map(int, row)) == 1
        if row and all(isinstance(one, np.number) or is_number(one) for one in row) and not _holds_names(row):
            self.listed_numbers += 1
        elif not _holds_names(row):
            (self.listed if row else self.empty).see(self.rows, row)

    def _see_single(self, cell: Cell) -> None:
        if self.rows % self.every == 0:
            self.spread.append(cell)
            if len(self.spread) == SPREAD:
                self.spread, self.every = self.spread[::2], 2 * self.every
        if is_number(cell):
            self.valid.see(self.rows, cell)
            self.whole += float(cell).is_integer() and WHOLE.fullmatch(str(cell).strip()) is not None  # type: ignore[arg-type]
        elif is_missing(cell):
            self.undefined.see(self.rows, cell)
        else:
            (self.nearly if is_nearly_number(cell) else self.words).see(self.rows, cell)
            unit = unit_of(cell, spans=True)
            if unit is not None and (unit in self.amounts or len(self.amounts) < MOST_UNITS):
                self.amounts.setdefault(unit, Tally()).see(self.rows, cell)

    @property
    def numbers(self) -> int:
        """Cells that are numbers."""
        return self.valid.count

    @property
    def kind(self) -> str:
        """tags, value, labels, label, date, time or text."""
        if self._is_one_hot:
            return "classification"
        if self._has_tags and not (self._is_coincidence and self._is_named_label):
            return "tagging"
        if self.rows and self.listed_numbers > self.rows / 2:
            return "regression"
        if self.rows and self.lists.count == self.rows:
            return "multilabel"
        if self._is_named_label:
            return "classification"
        if self.numbers and self.numbers == self.rows - self.undefined.count:
            if are_digit_dates(self.spread, self.name):
                return DATE
            return "classification" if self._is_range else "regression"
        if len(self.counts) <= MOST_KINDS and self.rows >= LEAST_ROWS * len(self.counts):
            return "classification"
        looked = [cell for cell in self.spread if not is_missing(cell)]
        if holds_times(looked):
            return TIME
        return DATE if 2 * sum(read_date(cell) is not None for cell in looked) > len(looked) else "seq2seq"

    @property
    def errors(self) -> list[Tally]:
        """Cells that are errors, by their first row: other cells among numbers, lists of another kind among lists,
        lists among labels or texts."""
        found: tuple[Tally, ...] = (self.nearly, self.undefined, self.words, self.lists)
        if self.lists.count > self.rows / 2:
            kinds = {"regression": (self.listed, self.empty), "multilabel": (self.listed,), "tagging": ()}
            found = kinds.get(self.kind, (self.valid, self.nearly, self.undefined, self.words))
        elif not self.numeric:
            found = (self.lists,) if self.kind in ("classification", "seq2seq") else ()
        elif self._is_named_label:
            found = (self.undefined,)
        elif self.kind == "classification" and not self.nearly.count and not self.undefined.count:
            found = ()  # 1, 2 and many
        return sorted((one for one in found if one.count), key=lambda one: one.row)

    @property
    def numeric(self) -> bool:
        """Whether most cells are numbers, or nearly numbers."""
        return self.numbers + self.nearly.count > (self.rows - self.undefined.count) / 2

    @property
    def amount(self) -> Tally | None:
        """Numbers with one unit, in a column of mostly numbers taken as texts, or by coincidence as tags."""
        found = max(self.amounts.values(), key=lambda one: one.count, default=None)
        if found is None or not (self.kind == "seq2seq" or (self.kind == "tagging" and self._is_coincidence)):
            return None
        count = self.numbers + self.nearly.count + found.count
        return found if 2 * count > self.rows - self.undefined.count else None

    @property
    def mixed(self) -> dict[str, Tally]:
        """Numbers, words and lists of a column that would be taken as texts although most cells are not words."""
        if self.kind != "seq2seq" or self.numeric or 2 * self.words.count > self.rows - self.undefined.count:
            return {}
        both = [one for one in (self.valid, self.nearly) if one.count]
        first = min(both, key=lambda one: one.row, default=Tally())
        numbers = Tally(self.numbers + self.nearly.count, first.row, first.cell)
        found = {"numbers": numbers, "words": self.words, "lists": self.lists}
        return {name: one for name, one in found.items() if one.count}

    @property
    def note(self) -> str:
        """A note on a kind that could be another, with the option that overrules it; else empty."""
        if self.kind == "classification" and self.rows == self.one_hot:
            return "rows with a single 1 are taken as labels by number; for numbers: --task regression"
        if self.kind in ("regression", "multilabel") and self.rows == self.binary:
            if self.kind == "multilabel":
                return "rows of true and false are taken as any number of labels, by position"
            return "rows of 0 and 1 are taken as numbers; for any number of labels, by position: --task multilabel"
        called = LABELS.fullmatch(self.name) is not None
        if self.kind in ("tagging", "classification") and self._has_tags and self._is_coincidence:
            other = "classification" if self.kind == "tagging" else "tagging"
            there = "cells with as many words as the input, the same number in every row,"
            return f"{there} are taken as {NAMED_KINDS[self.kind]}; for {NAMED_KINDS[other]}: --task {other}"
        if called and self.kind in ("seq2seq", "regression") and len(self.counts) > MOST_KINDS and self._is_no_amount:
            taken = "texts" if self.kind == "seq2seq" else "amounts"
            more = f"more than {MOST_KINDS:,} different cells are taken as {taken}"
            return f"{more}, not labels; for labels: --task classification"
        if called and self.kind == "seq2seq":
            return "cells that are rarely repeated are taken as texts; for labels: --task classification"
        rarely = self.rows < FEWEST_NAMED * len(self.counts)
        if called and self.kind == "classification" and not self.numbers and rarely:
            kinds = f"{len(self.counts):,} different cells in {self.rows:,} rows"
            return f"{kinds} are taken as labels because of the column's name; for texts: --task seq2seq"
        if self.lists.count or self.labelled or not self.numbers or self.numbers < self.rows - self.undefined.count:
            return ""
        if self.kind == "classification":
            because = "" if self._is_range else " because of the column's name"
            if self.whole < self.numbers:
                numbers = "numbers, some equal but written differently,"
                return f"{numbers} are taken as labels{because}; for amounts: --task regression"
            return f"whole numbers are taken as labels{because}; for amounts: --task regression"
        if self.whole == self.numbers and len(self.counts) <= MOST_KINDS:
            return "whole numbers are taken as amounts; for labels: --task classification"
        if called and len(self.counts) <= MOST_KINDS and self.rows >= LEAST_ROWS * len(self.counts):
            return "numbers with decimals are taken as amounts; for labels: --task classification"
        return ""

    @property
    def _is_no_amount(self) -> bool:
        """Whether cells are words, or whole numbers."""
        return self.kind == "seq2seq" or self.whole == self.numbers

    @property
    def _is_one_hot(self) -> bool:
        """Whether all rows, or nearly all, are zeros with a single 1."""
        if not self.rows or self._has_tags:
            return 0 < self.one_hot == self.rows
        return self.one_hot >= ONE_HOT * self.rows

    @property
    def _has_tags(self) -> bool:
        """Whether there are as many entries as the input has steps, and few different ones."""
        return self.rows > 0 and self.tagged >= TAGGED * self.rows and len(self.tags) < MOST_TAGS

    @property
    def _is_coincidence(self) -> bool:
        """Whether entries and steps are words, equally many in each row: this may be a coincidence."""
        return len(self.steps) == 1 and not self.lists.count

    @property
    def _is_named_label(self) -> bool:
        """Whether the column is a label by its name, or by the table's form, and its cells allow it: no decimals, not
        too many different cells, not a different word in each row."""
        if len(self.counts) > MOST_KINDS or not self.rows or self.lists.count:
            return False
        if self.labelled:
            return True
        if LABELS.fullmatch(self.name) is None:
            return False
        if self.numbers + self.undefined.count == self.rows:
            return (self.whole == self.numbers or self._are_section_numbers) and len(self.counts) < self.rows
        return self.numbers < self.rows / 2 and len(self.counts) <= UNLIKE * self.rows

    @property
    def _are_section_numbers(self) -> bool:
        """Whether two of the decimals are equal as numbers, as 1.1 and 1.10: section numbers, which are names."""
        decimals = [kind for kind in self.counts if is_number(kind) and WHOLE.fullmatch(kind.strip()) is None]
        return len(set(map(exact_number, decimals))) < len(decimals)

    @property
    def _is_range(self) -> bool:
        """Whether whole numbers fill 0 to K-1 or 1 to K, with at least five rows each."""
        if self.whole < self.rows - self.undefined.count or not 2 <= len(self.counts) <= MOST_KINDS:
            return False
        counts: Counter[int] = Counter()
        for written, count in self.counts.items():
            if not is_missing(written):
                counts[int(float(written))] += count
        least, kinds = min(counts), len(counts)
        return least in (0, 1) and max(counts) == least + kinds - 1 and min(counts.values()) >= LEAST_ROWS


def is_binary(row: Sequence[Any]) -> bool:
    """Whether a list has only zeros and ones, and at least two entries."""
    return len(row) > 1 and all(isinstance(one, int | float | np.number | np.bool_) and one in (0, 1) for one in row)


def _holds_names(row: Sequence[Any]) -> bool:
    """Whether a list's entries are names: texts, true or false."""
    return bool(row) and all(isinstance(one, str | bool | np.bool_) for one in row)


def as_text(cell: Cell) -> str:
    """Return a cell as text, as it is written in a csv."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, np.ndarray):
        return " ".join(map(str, entries(cell)))
    return " ".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def list_as_text(cell: Cell) -> str:
    """Return a cell as text, in which the entries of a list stay separate."""
    if isinstance(cell, np.ndarray):
        return join_words(entries(cell))
    return join_words(cell) if isinstance(cell, list) else as_text(cell)


def entries(cell: np.ndarray[Any, Any]) -> list[Any]:
    """List an array's numbers in order, whole ones as int, because an npz holds tags as numbers."""
    return [int(one) if float(one).is_integer() else one for one in cell.ravel().tolist()]
