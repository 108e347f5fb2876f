"""Examples: rows of a table, each an input and its answers, cut into training, validation and test part."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.columns import Column, Columns, choose_columns, missing, no_cell, spell, spell_input
from unrolled.data.cuts import share_of
from unrolled.data.row_cuts import cut_fold, cut_rows
from unrolled.data.table_file import TableFile
from unrolled.data.tables import open_table
from unrolled.data.texts import PartTexts, Texts
from unrolled.data.tokens import Ids, Tokens, given_words, learn_given, learn_tokens
from unrolled.errors import DataError

ANSWERS = ("label", "tags")
UNSEEN = -1  # a label that the training part lacks
SHOWN = 6  # labels named in a line


@dataclass(frozen=True)
class Labels:
    """The answers of one output: one of a set of names each, for a row, or for each of its words."""

    names: tuple[str, ...]
    ids: Ids  # (A,) places in names, UNSEEN where the training part lacks the label
    given: tuple[str, ...]  # every name in the table
    given_ids: Ids  # (A,) places in given
    starts: Ids  # (N + 1,) where each row's answers begin
    each: bool = False  # tags: an answer a word

    def places(self, rows: Ids) -> Ids:
        """Where the answers of these rows stand, row after row."""
        if not self.each:
            return rows
        counts = self.starts[rows + 1] - self.starts[rows]
        before = np.repeat(self.starts[rows] - (np.cumsum(counts) - counts), counts)
        return before + np.arange(int(counts.sum()))

    def of(self, rows: Ids) -> Ids:
        """The answers of these rows, row after row."""
        return self.ids[self.places(rows)]

    def name(self, place: int) -> str:
        """An answer as it stands in the table; a row's label stands at the row's number."""
        return self.given[int(self.given_ids[place])]


def count_labels(labels: Labels, rows: Ids) -> list[int]:
    """How often each label is the answer in these rows."""
    ids = labels.of(rows)
    return [int(count) for count in np.bincount(ids[ids != UNSEEN], minlength=len(labels.names))]


@dataclass(frozen=True)
class Examples:
    """Rows of a table as inputs and answers. Made by `read_examples`."""

    path: Path
    form: str
    columns: Columns
    texts: Texts
    numbers: Ids  # (N,) each row's number in its file
    tables: tuple[TableFile, ...]  # the one that was named, then those of --valid and --test
    source: NDArray[np.uint8]  # (N,) which of them a row is of
    answers: dict[str, Labels]
    parts: dict[str, Ids]  # training, validation, test -> rows
    fingerprints: dict[str, str]
    tokens: Tokens
    skipped: int  # rows without input or answer that were left out
    repeated: int  # rows of validation and test part that stand in the training part too

    def count(self, part: str) -> int:
        """Rows of a part."""
        return len(self.parts[part])

    def part_texts(self, part: str) -> PartTexts:
        """The texts of a part, in the order of its rows."""
        return PartTexts(self.texts, self.parts[part])

    def place(self, row: int) -> str:
        """Where a row stands: reviews.csv, row 17."""
        return self.tables[int(self.source[row])].place(int(self.numbers[row]))

    @property
    def description(self) -> str:
        """What was understood, in a line, with the options that overrule it."""
        read = {"char": "characters", "byte": "bytes", "bpe": "word pieces", "words": "words with characters inside",
                "given": "words with characters inside"}  # fmt: skip
        answered = []
        for name, labels in self.answers.items():
            some = ", ".join(labels.names[:SHOWN]) + (", …" if len(labels.names) > SHOWN else "")
            kind = "tags, one a word" if labels.each else "labels"
            answered.append(f"{name}, one of {len(labels.names):,} {kind} ({some})")
        whole = len(self.numbers)
        line = f"{whole:,} rows of {self.form}: {self.columns.input} ({read[self.tokens.kind]}) -> "
        line += "; ".join(answered) + "; otherwise: --input --output --as"
        if files := sum(len(table.skipped) for table in self.tables):
            line += f"; {files:,} files without text left out"
        if self.skipped:
            line += f"; {self.skipped:,} rows with an empty cell left out"
        if self.repeated:
            line += f"; {self.repeated:,} rows of validation and test stand in the training part too"
        return line + self._unseen()

    def _unseen(self) -> str:
        lines = ""
        for name, labels in self.answers.items():
            rows = np.flatnonzero(labels.ids == UNSEEN)
            if len(rows):
                found = sorted({labels.name(row) for row in rows.tolist()})
                some = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
                what = "words" if labels.each else "rows"
                lines += f"; {len(rows):,} {what} have a {name} that the training part lacks ({some}): always wrong"
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
    fold: tuple[int, int] | None = None  # (k, n): the k-th of n folds, from 1, is the test part


@dataclass(frozen=True)
class Known:
    """What a run knows, and other examples are read by."""

    columns: Columns
    tokens: Tokens
    names: Mapping[str, Sequence[str]]  # of each output's labels
    each: frozenset[str] = frozenset()  # outputs that are tags


def read_examples(path: str | Path, asked: Asked, known: Known | None = None) -> Examples:
    """Reads the table at `path`, says what is answered, and cuts it: 10% test, 10% validation, whole groups.

    `known`: read as that run does; columns keep their names. Raises DataError with file and row, OptionError.
    """
    shares = [share_of(name, given, 0.1) for name, given in (("valid", asked.valid), ("test", asked.test))]
    table = open_table(path)
    columns = known.columns if known else choose_columns(table, asked.input, asked.output, asked.group)
    tables = [table, *(open_table(given) for given in shares if isinstance(given, str))]
    rows = _Rows(columns)
    for number, one in enumerate(tables):
        rows.read(one, number, asked.skip_empty)
    if not rows.numbers:
        raise DataError(f"{path} holds a header and no rows with an input and an answer. Give it some rows.")
    source = np.array(rows.sources, np.uint8)
    groups = np.array(rows.group) if columns.group else None
    if asked.fold is not None:
        parts = cut_fold(path, asked.fold, shares[0], source, groups, asked.seed)
    else:
        parts = cut_rows(path, source, shares, groups, asked.seed)
    answers = {}
    for name, column in rows.columns.items():
        kind = ("tags" if name in known.each else "label") if known else asked.kind or column.kind
        answers[name] = _labels(table, name, kind, rows, parts["training"], known.names[name] if known else None)
    learn = learn_given if any(labels.each for labels in answers.values()) else learn_tokens
    tokens = known.tokens if known else learn(asked.symbols, PartTexts(rows.texts, parts["training"]))
    marks = np.array(rows.marks, np.int64)
    others = np.concatenate([parts["validation"], parts["test"]])
    return Examples(
        path=Path(path), form=table.form, columns=columns, texts=rows.texts, numbers=np.array(rows.numbers, np.int64),
        tables=tuple(tables), source=source, answers=answers, parts=parts,
        fingerprints={str(one.path): one.fingerprint() for one in tables}, tokens=tokens, skipped=rows.skipped,
        repeated=int(np.isin(marks[others], marks[parts["training"]]).sum()),
    )  # fmt: skip


class _Rows:
    """What is gathered while tables are read, row by row."""

    def __init__(self, columns: Columns) -> None:
        self.wanted = columns
        self.texts = Texts()
        self.columns = {name: Column() for name in columns.outputs}
        self.kinds: dict[str, dict[str, int]] = {name: {} for name in columns.outputs}
        self.ids = {name: array("q") for name in columns.outputs}
        self.groups: dict[str, int] = {}
        self.group = array("q")  # places in groups
        self.numbers, self.sources = array("q"), array("B")
        self.marks = array("q")  # of whole rows
        self.skipped = 0

    def read(self, table: TableFile, source: int, skip_empty: bool) -> None:
        names = self.wanted.all
        for name in names:
            if name not in table.columns:
                raise DataError(f"{table.path} has no column '{name}'; it has: {', '.join(table.columns)}.")
        for row in table.rows(names):
            empty = missing(table, names, row)
            if empty is not None:
                if not skip_empty:
                    raise no_cell(table, empty, row)
                self.skipped += 1
                continue
            text, cells = row.cells[0], row.cells[1:]
            written = spell_input(text)
            for name, cell in zip(self.wanted.outputs, cells, strict=False):
                self.columns[name].see(text, cell)
                self.ids[name].append(self.kinds[name].setdefault(spell(cell), len(self.kinds[name])))
            if self.wanted.group:
                self.group.append(self.groups.setdefault(spell(cells[-1]), len(self.groups)))
            self.texts.add(written)
            self.numbers.append(row.number)
            self.sources.append(source)
            self.marks.append(hash((written, *map(spell, cells))))


def _labels(
    table: TableFile, name: str, kind: str, rows: _Rows, training: Ids, names: Sequence[str] | None
) -> Labels:
    """The labels of one output; those that the training part has are what can be answered."""
    kinds = rows.kinds[name]
    if kind not in ANSWERS:
        raise DataError(
            f"{table.path}: '{name}' reads as {kind} ({len(kinds):,} kinds in {len(rows.numbers):,} rows), and what "
            "can be learnt from a table so far are labels and tags.\n"
            "If they are labels: --as label. Another column: --output."
        )
    each = kind == "tags"
    given, given_ids = tuple(kinds), np.array(rows.ids[name], np.int64)
    starts = np.arange(len(given_ids) + 1)
    if each:
        given, given_ids, starts = _spread(table, name, given, given_ids, rows)
    labels = Labels((), given_ids, given, given_ids, starts, each)
    if names is None:
        trained = {given[place] for place in np.unique(labels.of(training)).tolist()}
        names = sorted(trained, key=_in_order)
        if len(names) < 2:
            raise DataError(
                f"{table.path}: '{name}' is '{names[0]}' everywhere in the training part. "
                "There is nothing to tell apart;\ngive rows of two labels or more."
            )
    number = {known: place for place, known in enumerate(names)}
    ids = np.array([number.get(one, UNSEEN) for one in given], np.int64)[given_ids]
    return Labels(tuple(names), ids, given, given_ids, starts, each)


def _spread(
    table: TableFile, name: str, cells: Sequence[str], ids: Ids, rows: _Rows
) -> tuple[tuple[str, ...], Ids, Ids]:
    """Cells of several tags as single tags: their names, the tags of all rows, and where each row's begin."""
    tags: dict[str, int] = {}
    of_cell = [np.array([tags.setdefault(tag, len(tags)) for tag in cell.split()], np.int64) for cell in cells]
    counts = np.array([len(one) for one in of_cell], np.int64)[ids]
    for row in range(len(ids)):
        words = len(given_words(rows.texts[row]))
        if words != counts[row]:
            where = table.place(rows.numbers[row])
            raise DataError(
                f"{where}: {words} words and {counts[row]} tags in '{name}'; each word has one.\n"
                "Spaces stand between them, or both cells are lists."
            )
    whole = np.concatenate([of_cell[cell] for cell in ids.tolist()])
    return tuple(tags), whole, np.concatenate([[0], np.cumsum(counts)])


def _in_order(name: str) -> tuple[bool, float, str]:
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
