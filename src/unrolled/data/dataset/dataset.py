"""Examples: rows of a table, each an input and its targets, split into training, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.words import given_words
from unrolled.data.dataset.item_store import Arrays, SplitItems, Texts
from unrolled.data.dataset.outputs import DEFAULT_LABEL_SETS, KIND_NAMES, LabelSetOptions, Output
from unrolled.data.dataset.targets import Targets, TextTargets, shown
from unrolled.data.files.unsupported import count_endings
from unrolled.data.modalities.base import STEP, Featurizer, Ids, StepOptions, WholeImages
from unrolled.data.tables.base import DEFAULT_OPTIONS, TableFile, TableOptions
from unrolled.data.tables.columns import Columns
from unrolled.data.vocabulary.base import Vocabulary

MOST_LISTED = 100  # errors of unreadable files in run.json
SHOWN_ERRORS = 3  # of them in the description


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
    inputs: Ids  # (N,) equal for rows with equal inputs, or with files of equal content
    targets: dict[str, Targets]
    splits: dict[str, Ids]  # training, validation, test -> rows
    fingerprints: dict[str, str]
    featurizer: Featurizer
    skipped: int  # rows left out because a cell is empty
    unreadable: tuple[str, ...]  # errors of the audio files and images that were left out, one of each file
    repeated: int  # rows of validation and test that are in the training split too
    new_characters: str = ""  # characters added to the vocabulary of the run it starts from
    unreadable_rows: int = 0  # rows that name these files
    blank: int = 0  # silent audio files, images of one colour
    note: str = ""  # note on the choice of vocabulary
    split_method: str = "drawn at random"  # how the test split was chosen
    notes: tuple[str, ...] = ()  # other notes, with the options that overrule them
    untagged: int = 0  # rows left out because none of their labels is learnt
    sampled_rows: tuple[int, int] | None = None  # rows read of the training table, and rows that it has

    @property
    def split_note(self) -> str:
        """A note on rows that are one of several splits: " (its test split)"; else empty."""
        split = self.tables[0].split
        return "" if split == "training" else f" (its {split} split)"

    @property
    def unreadable_lines(self) -> tuple[str, ...]:
        """Errors of the files that were left out, a line each."""
        return tuple(one.splitlines()[0].rstrip(".") for one in self.unreadable)

    @property
    def listed_unreadable(self) -> tuple[str, ...]:
        """The first 100 of them."""
        return self.unreadable_lines[:MOST_LISTED]

    @property
    def text_targets(self) -> TextTargets | None:
        """The text output, if there is one."""
        return next((one for one in self.targets.values() if isinstance(one, TextTargets)), None)

    def count(self, split: str) -> int:
        """Number of rows of a split."""
        return len(self.splits[split])

    def split_items(self, split: str) -> SplitItems:
        """Input items of a split's rows, in order."""
        return SplitItems(self.items, self.splits[split])

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
        return len(given_words(item)) if isinstance(item, str) else len(self.featurizer.encode(item))

    def encoded_steps(self, row: int) -> int:
        """Number of steps that a net reads of a row."""
        encoded = self.featurizer.encode(self.items[row])
        return len(encoded) if self.featurizer.axes[0] == STEP else 1

    @property
    def outputs_description(self) -> str:
        """The outputs with their kinds: 'verb' (labels) and 'price' (numbers)."""
        return " and ".join(f"'{name}' ({KIND_NAMES[target.output.kind]})" for name, target in self.targets.items())

    @property
    def description(self) -> str:
        """A summary in one line, with the options that overrule it."""
        whole = len(self.numbers)
        line = ""
        if self.skipped > whole:
            line = f"WARNING, {self.skipped:,} of {self.skipped + whole:,} rows left out, each with an empty cell; "
        line += f"{whole:,} rows of {self.form}: {self.columns.input} ({self.featurizer.step_description}) -> "
        line += "; ".join(target.describe(name) for name, target in self.targets.items())
        line += f" ({self.note})" if self.note else ""
        line += "; to change this: --input --output --task --input-type"
        if self.sampled_rows is not None:
            read, rows = self.sampled_rows
            line += f"; {read:,} of {rows:,} rows are used, spread evenly (--rows)"
        line += "".join(f"; {note}" for note in dict.fromkeys(table.note for table in self.tables) if note)
        line += "".join(f"; {one}" for one in self.notes)
        if files := [file for table in self.tables for file in table.skipped]:
            line += f"; {len(files):,} files of another kind left out ({count_endings(files)})"
        if 0 < self.skipped <= whole:
            line += f"; {self.skipped:,} rows with an empty cell left out"
        if self.untagged:
            line += f"; {self.untagged:,} row{'s' * (self.untagged > 1)} without any of these labels left out"
        if self.blank:
            modality = self.featurizer.input
            line += f"; {self.blank:,} of the {modality.noun} {_is(self.blank)} {modality.blank}"
        if self.unreadable:
            line += f"; {count_files(len(self.unreadable), 'unreadable ')} left out"
            if self.unreadable_rows > len(self.unreadable):
                line += f", with the {self.unreadable_rows:,} rows that name "
                line += "it" if len(self.unreadable) == 1 else "them"
            more = len(self.unreadable) - SHOWN_ERRORS
            listed = [*self.listed_unreadable[:SHOWN_ERRORS], *([f"and {more:,} more"] if more > 0 else [])]
            line += f" ({'; '.join(listed)})"
        if self.repeated:
            rows_are = f"row{'s' * (self.repeated > 1)} of validation and test {_is(self.repeated)}"
            line += f"; {self.repeated:,} {rows_are} in the training split too"
        if self.new_characters:
            characters = shown(tuple(self.new_characters))
            line += f"; {len(self.new_characters)} characters are new to the run it starts from ({characters})"
        return line + self._unseen()

    def _unseen(self) -> str:
        lines = ""
        for name, target in self.targets.items():
            count, names = target.count_unseen(np.arange(len(self.numbers)))
            if count:
                what = "steps" if target.each else "rows"
                lines += (
                    f"; {count:,} {what} have a '{name}' that the training split lacks ({shown(names)}): always wrong"
                )
        return lines


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def count_files(count: int, kind: str = "") -> str:
    """A number of files as text: "1 unreadable file". kind: an adjective."""
    return f"{count:,} {kind}file{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class DatasetOptions:
    """Options of `unroll train` for reading examples."""

    input: str | None = None
    output: str | None = None
    task: str | None = None  # `--task`
    group: str | None = None
    valid: str | float | None = None
    test: str | float | None = None
    tokenizer: str = "auto"
    seed: int = 0
    skip_empty: bool = False
    input_type: str | None = None  # kind of input, `--input-type`
    sequence: str | None = None  # column
    stem: str = "auto"  # `--stem`
    whole_images: WholeImages | None = None  # for the net of `--encoder`
    pretrained: Callable[[bool], WholeImages | None] | None = None
    """How images are read for a pretrained net where that suits them; given whether texts are generated. It returns
    None where options ask for another model."""
    frame_net: Callable[[], WholeImages] | None = None  # the same for the frames of videos, which need one
    vocabulary: Vocabulary | None = None  # vocabulary of the language model that training starts from
    fold: tuple[int, int] | None = None  # (k, n): the k-th of n folds, from 1, is the test split
    label_sets: LabelSetOptions = DEFAULT_LABEL_SETS  # how any number of labels are read and learnt
    table_options: TableOptions = DEFAULT_OPTIONS  # for this table, and those of --valid and --test
    shuffle: bool = False  # split at random, even if the rows are in order of time
    rows: int | None = None  # of the training table, spread evenly over it; None: all
    start: DatasetSchema | None = None  # settings of the run on a table that training starts from; kept if they fit
    refit_featurizer: bool = False  # its featurizer does not fit these rows

    def step_options(self, tagged: bool = False) -> StepOptions:
        """What these options request about steps. tagged: each step has a target."""
        return StepOptions(self.tokenizer, self.stem, self.whole_images, tagged)


@dataclass(frozen=True)
class DatasetSchema:
    """What a run fixes for reading other examples."""

    columns: Columns
    featurizer: Featurizer
    outputs: Mapping[str, Output]

    @property
    def each(self) -> frozenset[str]:
        """The outputs that are tags."""
        return frozenset(name for name, output in self.outputs.items() if output.each)
