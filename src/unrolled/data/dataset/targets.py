"""Targets of a table's rows, one object per output: as numbers for training, and as they are written in the table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.written_numbers import shortened, write_number
from unrolled.data.dataset.item_store import Texts
from unrolled.data.dataset.outputs import LONGEST_TEXT, LabelOutput, MultilabelOutput, Output, TextOutput, ValueOutput
from unrolled.data.modalities.base import Ids
from unrolled.data.vocabulary.base import EOS, TokenIds, Vocabulary
from unrolled.data.vocabulary.store import TokenStore

NO_TARGET = -100  # label where there is no target; a number is NaN there
LONGEST_SHOWN = 60  # characters of a name in a message
UNSEEN = -1  # a label that the training split lacks
LISTED = 6  # labels listed in one line
CHUNK = 1 << 12  # texts whose tokens are stored at once


class Targets(ABC):
    """Targets of all rows of one output. A subclass is final."""

    output: Output

    @property
    def each(self) -> bool:
        """Whether there is a target for each step of a row."""
        return self.output.each

    def indices(self, rows: Ids) -> Ids:
        """Indices of the targets of these rows, row after row."""
        return rows

    @abstractmethod
    def of(self, rows: Ids) -> NDArray[Any]:
        """Targets of these rows, row after row: (A,) or (A, K)."""

    @abstractmethod
    def batch_targets(self, rows: Ids, size: int, steps: int, lead: int) -> NDArray[Any]:
        """Targets of a batch of `size` rows: (B,) or (B, K), or (B, T) of tags, whose first is at step `lead`; rows
        past the given ones have none."""

    @abstractmethod
    def as_written(self, place: int) -> str:
        """A target as it is written in the table."""

    @abstractmethod
    def describe(self, name: str) -> str:
        """The output in a few words."""

    @abstractmethod
    def facts(self) -> Any:
        """Statistics of the targets of all rows, for run.json."""

    def has_targets(self, rows: Ids) -> NDArray[np.bool_]:
        """(R,) which of these rows can be learnt from and scored at all."""
        return np.ones(len(rows), np.bool_)

    def count_unseen(self, rows: Ids) -> tuple[int, list[str]]:
        """Count the targets of these rows that the training split lacks, which are never predicted; their names."""
        return 0, []


@dataclass(frozen=True)
class LabelTargets(Targets):
    """One of a set of names per row, or per step of a row."""

    output: LabelOutput
    ids: Ids  # (A,) indices into the output's names, UNSEEN where the training split lacks the label
    all_names: tuple[str, ...]  # every name in the table
    all_ids: Ids  # (A,) indices into all_names
    starts: Ids  # (N + 1,) where each row's targets begin
    blank: str | None = None  # the cell that means "no target": _ in CoNLL-U

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        return self.output.names

    def indices(self, rows: Ids) -> Ids:
        return indices_of(self.starts, rows) if self.each else rows

    def of(self, rows: Ids) -> Ids:
        return self.ids[self.indices(rows)]

    def batch_targets(self, rows: Ids, size: int, steps: int, lead: int) -> Ids:
        if not self.each:
            targets = np.full(size, NO_TARGET, np.int64)
            targets[: len(rows)] = np.where(self.ids[rows] < 0, NO_TARGET, self.ids[rows])
            return targets
        targets = np.full((size, steps), NO_TARGET, np.int64)
        for place, row in enumerate(rows.tolist()):
            tags = self.ids[self.starts[row] : self.starts[row + 1]][: steps - lead]
            targets[place, lead : lead + len(tags)] = np.where(tags < 0, NO_TARGET, tags)
        return targets

    def as_written(self, place: int) -> str:
        return self.all_names[int(self.all_ids[place])]

    def describe(self, name: str) -> str:
        kind = "tags, one per step" if self.each else "labels"
        lacking = len(self.count_unseen(np.arange(len(self.starts) - 1))[1])
        there = f", of which the training split has {len(self.names):,}" if lacking else ""
        return f"{name}, one of {len(self.names) + lacking:,} {kind} ({shown(self.names)}){there}"

    def facts(self) -> dict[str, int]:
        return count_names(self.all_names, self.all_ids)

    def has_target(self, rows: Ids) -> NDArray[np.bool_]:
        """(A,) which entries of these rows are targets: _ in CoNLL-U is none."""
        due: NDArray[np.bool_] = np.ones(len(self.all_names), np.bool_)
        if self.blank in self.all_names:
            due[self.all_names.index(self.blank)] = False
        return due[self.all_ids[self.indices(rows)]]

    def count_unseen(self, rows: Ids) -> tuple[int, list[str]]:
        places = self.indices(rows)
        found = places[(self.ids[places] == UNSEEN) & self.has_target(rows)]
        return len(found), sorted({self.all_names[place] for place in self.all_ids[found].tolist()})


@dataclass(frozen=True)
class LabelSetTargets(Targets):
    """Any number of labels per row."""

    output: MultilabelOutput
    ids: Ids  # (A,) labels of all rows, row after row, UNSEEN where the training split lacks one
    all_names: tuple[str, ...]  # every name in the table
    all_ids: Ids  # (A,)
    starts: Ids  # (N + 1,) where each row's labels begin
    left_out: str = ""  # free tags that are not learnt, in a few words

    def of(self, rows: Ids) -> NDArray[np.float64]:
        there = np.zeros((len(rows), len(self.output.names)))
        for place, row in enumerate(rows.tolist()):
            ids = self.ids[self.starts[row] : self.starts[row + 1]]
            there[place, ids[ids >= 0]] = 1.0
        return there

    def batch_targets(self, rows: Ids, size: int, steps: int, lead: int) -> NDArray[np.float32]:
        return pad_rows(self.of(rows), size)

    def as_written(self, place: int) -> str:
        return ", ".join(self.all_names[label] for label in self.all_ids[self.starts[place] : self.starts[place + 1]])

    def describe(self, name: str) -> str:
        what = "tags" if self.output.free else "labels"
        line = f"{name}, any of {len(self.output.names):,} {what} ({shown(self.output.names)})"
        return f"{line}; {self.left_out}" if self.left_out else line

    def has_targets(self, rows: Ids) -> NDArray[np.bool_]:
        if not self.output.needs_label:
            return super().has_targets(rows)
        learnt = np.concatenate([[0], np.cumsum(self.ids != UNSEEN)])
        known: NDArray[np.bool_] = learnt[self.starts[rows + 1]] > learnt[self.starts[rows]]
        return known

    def facts(self) -> dict[str, int]:
        return count_names(self.all_names, self.all_ids)

    def count_unseen(self, rows: Ids) -> tuple[int, list[str]]:
        found = np.flatnonzero(self.ids == UNSEEN)
        of_row = np.searchsorted(self.starts, found, side="right") - 1
        found, of_row = found[there := np.isin(of_row, rows)], of_row[there]
        return len(np.unique(of_row)), sorted({self.all_names[place] for place in self.all_ids[found].tolist()})


@dataclass(frozen=True)
class ValueTargets(Targets):
    """One or several numbers per row."""

    output: ValueOutput
    numbers: NDArray[np.float64]  # (N, K) as in the table

    def of(self, rows: Ids) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = (self.numbers[rows] - np.array(self.output.mean)) / self.output.std
        return scaled

    def batch_targets(self, rows: Ids, size: int, steps: int, lead: int) -> NDArray[np.float32]:
        return pad_rows(self.of(rows), size)

    def as_written(self, place: int) -> str:
        return " ".join(map(write_number, self.numbers[place].tolist()))

    def describe(self, name: str) -> str:
        several = "a number" if self.output.numbers == 1 else f"{self.output.numbers} numbers"
        low, high = (write_number(float(end), self.numbers.std()) for end in (self.numbers.min(), self.numbers.max()))
        return f"{name}, {several} ({low} to {high})"

    def facts(self) -> dict[str, Any]:
        return {
            "numbers": self.output.numbers,
            "min": self.numbers.min(0).tolist(),
            "max": self.numbers.max(0).tolist(),
        }


@dataclass(frozen=True)
class TextTargets(Targets):
    """A text for each row. Its targets are tokens: those of each text, and an EOS token after them."""

    output: TextOutput
    texts: Texts  # (N,) as in the table
    ids: TokenIds  # (A,) of all texts, row after row: see `encode_texts`
    starts: Ids  # (N + 1,) where each row's tokens begin

    def tokens(self, row: int) -> TokenIds:
        """A row's text as tokens with EOS, or its first 1,000 tokens."""
        return self.ids[self.starts[row] : self.starts[row + 1]]

    def of(self, rows: Ids) -> Ids:
        return self.ids[indices_of(self.starts, rows)].astype(np.int64)

    def batch_targets(self, rows: Ids, size: int, steps: int, lead: int) -> Ids:
        """(B, T) with zeros past a text's end; steps and lead describe the input and are ignored."""
        lengths = self.target_lengths(rows, size)
        targets = np.zeros((size, int(lengths.max(initial=0))), np.int64)
        targets[np.arange(targets.shape[1]) < lengths[:, None]] = self.of(rows)
        return targets

    def target_lengths(self, rows: Ids, size: int) -> Ids:
        """(B,) number of target tokens of each row in the result of `batch_targets`."""
        lengths = np.zeros(size, np.int64)
        lengths[: len(rows)] = self.starts[rows + 1] - self.starts[rows]
        return lengths

    def characters(self, rows: Ids) -> int:
        """Count the characters of these rows' texts; the end of each text counts as one."""
        return sum(1 + len(self.texts[row]) for row in rows.tolist())

    def as_written(self, place: int) -> str:
        return self.texts[place]

    def describe(self, name: str) -> str:
        return f"{name}, texts of up to {self.output.longest:,} {TOKEN_NAMES[self.output.vocabulary.kind]}"

    def facts(self) -> dict[str, Any]:
        table, lengths = self.output.vocabulary, self.texts.lengths
        return {
            "tokenizer": table.kind,
            "vocabulary_size": table.size,
            "longest": self.output.longest,
            "bytes_per_text": float(lengths.mean()),
        }


TOKEN_NAMES = {"char": "characters", "byte": "bytes", "word": "words", "bpe": "subwords"}
"""Plural of a token's name, by kind of vocabulary."""


def encode_texts(table: Vocabulary, texts: Texts) -> tuple[TokenIds, Ids]:
    """Encode N texts as tokens (A,), each with EOS, or its first 1,000; also return where each begins (N + 1,).
    Tokens past 64 MB are kept in a temporary file that is mapped into memory."""
    store, eos, lengths = TokenStore(table.dtype), np.array([EOS], table.dtype), [0]
    for first in range(0, len(texts), CHUNK):
        some = [table.encode(texts[row]) for row in range(first, min(first + CHUNK, len(texts)))]
        some = [np.concatenate([text[:LONGEST_TEXT], eos])[:LONGEST_TEXT] for text in some]
        store.add(np.concatenate(some))
        lengths += map(len, some)
    return store.as_array(), np.cumsum(lengths)


def indices_of(starts: Ids, rows: Ids) -> Ids:
    """Indices of the entries of these rows, row after row: row r has starts[r] to starts[r + 1] - 1."""
    counts = starts[rows + 1] - starts[rows]
    before = np.repeat(starts[rows] - (np.cumsum(counts) - counts), counts)
    return before + np.arange(int(counts.sum()))


def pad_rows(targets: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Pad numbers (R, K) to `size` rows with NaN."""
    whole = np.full((size, targets.shape[1]), np.nan, np.float32)
    whole[: len(targets)] = targets
    return whole


def shown(names: Sequence[str]) -> str:
    """List the first names, for one line; long ones are cut."""
    return ", ".join(shortened(name, LONGEST_SHOWN) for name in names[:LISTED]) + (
        ", …" if len(names) > LISTED else ""
    )


def count_names(names: Sequence[str], ids: Ids) -> dict[str, int]:
    """Count how often each name occurs in the table."""
    return dict(zip(names, np.bincount(ids, minlength=len(names)).tolist(), strict=True))


def count_labels(labels: LabelTargets, rows: Ids) -> list[int]:
    """Count how often each label is the target in these rows."""
    ids = labels.of(rows)
    return [int(count) for count in np.bincount(ids[ids != UNSEEN], minlength=len(labels.names))]
