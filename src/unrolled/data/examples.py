"""Examples: rows of a table, each an input and its answers, cut into training, validation and test part."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.columns import Column, Columns, choose_columns, missing, no_cell, spell, spell_input
from unrolled.data.cuts import PARTS, share_of
from unrolled.data.store import SymbolStore
from unrolled.data.symbols import Symbols, to_bytes
from unrolled.data.tables import TableFile, open_table
from unrolled.data.tokens import Tokens, given_words, learn_given, learn_tokens
from unrolled.errors import DataError, OptionError
from unrolled.seeds import numpy_generator

Ids = NDArray[np.int64]

ANSWERS = ("label", "tags")
FEWEST = 10  # rows from which parts can be cut
TOGETHER = 1 << 20  # characters of text that are stored at once
UNSEEN = -1  # a label that the training part lacks
SHOWN = 6  # labels named in a line


class Texts:
    """Texts by number, held as UTF-8; past 64 MB in a temporary file that is mapped into memory."""

    def __init__(self) -> None:
        self._store = SymbolStore(np.dtype(np.uint8))
        self._held: list[bytes] = []
        self._waiting = 0
        self._ends = array("q", [0])
        self._symbols: Symbols | None = None

    def add(self, text: str) -> None:
        """Adds a text at the end."""
        data = to_bytes(text)
        self._ends.append(self._ends[-1] + len(data))
        self._held.append(data)
        self._waiting += len(data)
        if self._waiting >= TOGETHER:
            self._flush()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if self._symbols is None:
            self._flush()
            self._symbols = self._store.whole()
        return self._symbols[self._ends[number] : self._ends[number + 1]].tobytes().decode("utf-8", "replace")

    @property
    def lengths(self) -> Ids:
        """Bytes of each."""
        ends = np.array(self._ends, np.int64)
        return ends[1:] - ends[:-1]

    def _flush(self) -> None:
        self._store.add(np.frombuffer(b"".join(self._held), np.uint8))
        self._held, self._waiting = [], 0


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


@dataclass(frozen=True)
class Examples:
    """Rows of a table as inputs and answers. Made by `read_examples`."""

    path: Path
    form: str
    columns: Columns
    texts: Texts
    numbers: Ids  # (N,) each row's number in its file
    sources: tuple[Path, ...]  # the table, then those of --valid and --test
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
        return f"{self.sources[self.source[row]]}, row {self.numbers[row]:,}"

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


class PartTexts(Sequence[str]):
    """The texts of some rows, read when they are asked for."""

    def __init__(self, texts: Texts, rows: Ids) -> None:
        self._texts, self._rows = texts, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return PartTexts(self._texts, self._rows[place])
        return self._texts[int(self._rows[place])]


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
        parts = _fold(path, asked.fold, shares[0], source, groups, asked.seed)
    else:
        parts = _parts(path, source, shares, groups, asked.seed)
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
        sources=tuple(one.path for one in tables), source=source, answers=answers, parts=parts,
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
            where = f"{table.path}, row {rows.numbers[row]:,}"
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


def _parts(
    path: str | Path, source: NDArray[np.uint8], shares: Sequence[float | str], groups: Any, seed: int
) -> dict[str, Ids]:
    """The rows of each part: those of a file of its own, or a share of the table's, whole groups where there are."""
    own = np.flatnonzero(source == 0)
    parts: dict[str, Ids] = {}
    following = 1
    counts = {}
    for part, share in zip(PARTS[1:], shares, strict=True):
        if isinstance(share, str):
            parts[part] = np.flatnonzero(source == following)
            following += 1
            if not len(parts[part]):
                raise DataError(f"{share} holds no rows for the {part} part. Give it some, or a share: 0.1.")
        else:
            counts[part] = round(share * len(own))
    if any(counts.values()) and len(own) < FEWEST:
        raise DataError(
            f"{path} holds {len(own):,} rows: too few to cut validation and test from, which takes {FEWEST}.\n"
            "Give more rows, or name other files for them: --valid FILE --test FILE."
        )
    if groups is None:
        order, sizes = own[numpy_generator(seed, "cut").permutation(len(own))], None
    else:
        order, sizes = _by_group(path, groups[own], own, seed)
    start = 0
    for part, count in reversed(counts.items()):
        stop = start + count if sizes is None else _whole_groups(sizes, start, count)
        parts[part] = np.sort(order[start:stop])
        start = stop
    parts["training"] = np.sort(order[start:])
    if not len(parts["training"]):
        raise DataError(f"{path}: no rows are left to train on once the groups for validation and test are cut off.")
    return {name: parts[name] for name in PARTS}


def _fold(
    path: str | Path, fold: tuple[int, int], valid: float | str, source: NDArray[np.uint8], groups: Any, seed: int
) -> dict[str, Ids]:
    """One of n folds, whole groups where there are, is the test part; a share of the other rows is validation."""
    number, count = fold
    own = np.flatnonzero(source == 0)
    units = np.arange(len(own)) if groups is None else np.unique(groups[own], return_inverse=True)[1]
    sizes = np.bincount(units)
    if len(sizes) < count:
        kind = "rows" if groups is None else "groups"
        raise DataError(f"{path} holds {len(sizes):,} {kind}: too few for {count} folds. Ask for fewer: --folds N.")
    order = numpy_generator(seed, "folds").permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.zeros(len(sizes), np.int64), np.zeros(count, np.int64)
    for unit in order.tolist():  # the largest first, each to the fold that has the fewest rows
        fold_of[unit] = filled.argmin()
        filled[fold_of[unit]] += sizes[unit]
    tested = fold_of[units] == number - 1
    rest = own[~tested]
    if isinstance(valid, str):
        validation = np.flatnonzero(source == 1)
    else:
        drawn = numpy_generator(seed, "cut", number).permutation(len(rest))[: round(valid * len(rest))]
        validation, rest = np.sort(rest[drawn]), np.delete(rest, drawn)
    return {"training": rest, "validation": validation, "test": own[tested]}


def _by_group(path: str | Path, groups: NDArray[Any], rows: Ids, seed: int) -> tuple[Ids, Ids]:
    """The rows, group after group in an order drawn by seed, and where each group ends."""
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 3:
        raise DataError(f"{path}: {len(names)} groups, and training, validation and test take one each at least.")
    rank = numpy_generator(seed, "cut").permutation(len(names))
    order = np.argsort(rank[group], kind="stable")
    return rows[order], np.cumsum(np.bincount(rank[group], minlength=len(names)))


def _whole_groups(ends: Ids, start: int, count: int) -> int:
    """Where a part of about `count` rows stops, at least one group long; 0 rows for a count of 0."""
    if not count:
        return start
    later = ends[ends > start]
    return int(later[np.argmin(np.abs(later - (start + count)))])


def check_kind(kind: str | None) -> None:
    """Refuses a kind of answer that a table cannot be asked for."""
    if kind is not None and kind not in ANSWERS:
        raise OptionError(f"--as is one of language, {', '.join(ANSWERS)}; got '{kind}'.")


def iterate(part: PartTexts, size: int) -> Iterator[list[str]]:
    """The texts of a part, so many at a time."""
    for start in range(0, len(part), size):
        yield list(part[start : start + size])
