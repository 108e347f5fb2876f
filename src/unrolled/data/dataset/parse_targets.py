"""Read the cells of an output column as targets. Raises DataError with the row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unrolled.data.cells.column_kinds import ONE_HOT
from unrolled.data.cells.free_tags import fold_tags, holds_hashtag
from unrolled.data.cells.label_names import find_labels, tidy_label
from unrolled.data.cells.words import given_words
from unrolled.data.cells.written_numbers import (
    NUMBER,
    cure,
    decimal_marks,
    is_number,
    is_rounded,
    rounding_note,
    shortened,
    write_number,
)
from unrolled.data.dataset.item_store import Texts
from unrolled.data.dataset.outputs import (
    DEFAULT_LABEL_SETS,
    MIN_COUNT,
    SOFTMAX,
    LabelOutput,
    LabelSetOptions,
    MultilabelOutput,
    Output,
    ValueOutput,
)
from unrolled.data.dataset.targets import (
    UNSEEN,
    LabelSetTargets,
    LabelTargets,
    Targets,
    ValueTargets,
    indices_of,
)
from unrolled.data.modalities.base import Ids
from unrolled.errors import DataError, OptionError

SEPARATORS = ("|", ";", ",")  # of several labels in a text cell; the first that any cell contains is used
BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1}  # zeros and ones of a list, as written

Place = Callable[[int], str]  # row -> its file and row number


@dataclass(frozen=True)
class CellColumn:
    """A column of N cells, stored as indices into the different ones; a list's entries end with line ends."""

    table: str  # the path, for messages
    name: str
    kinds: tuple[str, ...]
    ids: Ids  # (N,) indices into kinds
    blank: str | None = None  # the cell that means "no tag"
    takes_decimal: bool = False  # whether --decimal says how its numbers are written

    @property
    def decimal_marks(self) -> frozenset[str]:
        """The decimal marks with which --decimal can read all of its numbers."""
        return decimal_marks(self.kinds) if self.takes_decimal else frozenset()

    def named(self, name: Callable[[str], str]) -> tuple[tuple[str, ...], Ids]:
        """Turn each cell into one name: the different names, and each row's index among them."""
        names: dict[str, int] = {}
        of_cell = [names.setdefault(name(cell), len(names)) for cell in self.kinds]
        return tuple(names), np.array(of_cell, np.int64)[self.ids] if of_cell else self.ids

    def first(self, cell: str) -> int:
        """The first row that holds this cell."""
        return int(np.flatnonzero(self.ids == self.kinds.index(cell))[0])

    def split(self, words: Callable[[str], list[str]]) -> tuple[tuple[str, ...], Ids, Ids]:
        """Split each cell into entries: their names, the entries of all rows, where each row's begin (N + 1,)."""
        names: dict[str, int] = {}
        of_cell = [
            np.array([names.setdefault(one, len(names)) for one in words(cell)], np.int64) for cell in self.kinds
        ]
        counts = np.array([len(one) for one in of_cell], np.int64)[self.ids]
        whole = np.concatenate([np.zeros(0, np.int64), *(of_cell[cell] for cell in self.ids.tolist())])
        return tuple(names), whole, np.concatenate([[0], np.cumsum(counts)])


def read_targets(
    cells: CellColumn, kind: str, training: Ids, steps: Callable[[int], int], place: Place, known: Output | None,
    sets: LabelSetOptions = DEFAULT_LABEL_SETS,
) -> Targets:  # fmt: skip
    """Read the targets of a column that is not text. Its classes are those of the training split, or of a run.

    steps: row -> number of tags it needs. sets: how sets of labels are read, unless a run fixed it. Raises DataError
    with the row for a cell that does not fit the kind.
    """
    if kind == "classification":
        return read_labels(cells, training, place, known)
    if kind == "tagging":
        return read_tags(cells, training, steps, place, known)
    if kind == "multilabel":
        return read_label_sets(cells, training, place, known, sets)
    return read_values(cells, training, place, known)


def read_labels(cells: CellColumn, training: Ids, place: Place, known: Output | None) -> LabelTargets:
    """Read one label per row. Rows of zeros with a single 1 are the labels 0, 1, 2, …, by the position of the 1."""
    hot = _by_place(cells, place, known, single=True)
    given, ids = cells.named(lambda cell: hot[cell][0] if hot else label_of(cell))
    return _among(cells, given, ids, np.arange(len(ids) + 1), training, training, known, each=False)


def label_of(cell: str) -> str:
    """Return a cell as a label; a list's entries are joined with spaces."""
    return tidy_label(" ".join(given_words(cell)) if "\n" in cell else cell)


def _by_place(cells: CellColumn, place: Place, known: Output | None, single: bool) -> dict[str, list[str]]:
    """Return the label numbers of each list of zeros and ones, by the positions of its ones; {} if the cells are not
    such lists. single: each list has one 1. Raises DataError for another row where nearly all are such lists, or
    where a run expects them."""
    found = {cell: ones for cell in cells.kinds if (ones := _binary(cell)) and (not single or sum(ones) == 1)}
    lengths = Counter(map(len, found.values()))
    usual = max(lengths, key=lambda length: lengths[length], default=0)
    fits = np.array([len(found.get(cell, ())) == usual for cell in cells.kinds], np.bool_)[cells.ids]
    numbered = isinstance(known, LabelOutput | MultilabelOutput) and all(name.isdecimal() for name in known.names)
    if not found or not (fits.all() or numbered or fits.mean() >= ONE_HOT):
        return {}
    if not fits.all():
        row = int(np.argmin(fits))
        written = shortened(" ".join(given_words(cells.kinds[int(cells.ids[row])])))
        expected = "a single 1 among zeros was" if single else "zeros and ones were"
        other = (
            "\nFor numbers: --task regression. For any number of labels, by position: --task multilabel."
            if single
            else ""
        )
        raise DataError(
            f"{place(row)}: '{cells.name}' is '{written}', where {expected} expected, as in {int(fits.sum()):,} of "
            f"{len(fits):,} rows.\nCorrect it, or leave the row out.{other if known is None else ''}"
        )
    return {cell: [str(at) for at, one in enumerate(ones) if one] for cell, ones in found.items()}


def _binary(cell: str) -> list[int]:
    """Parse a list of zeros and ones, or of true and false; [] for any other cell."""
    parts = given_words(cell) if "\n" in cell else []
    ones = [BINARY[part] for part in parts if part in BINARY]
    return ones if len(ones) == len(parts) > 1 else []


def read_tags(
    cells: CellColumn, training: Ids, steps: Callable[[int], int], place: Place, known: Output | None
) -> LabelTargets:
    """Read one label per step."""
    given, ids, starts = cells.split(lambda cell: [tidy_label(one) for one in given_words(cell)])
    for row, count in enumerate(np.diff(starts).tolist()):
        if steps(row) != count:
            raise DataError(
                f"{place(row)}: {steps(row)} words and {count} tags in '{cells.name}'; each word or step needs one.\n"
                "Separate them with spaces, or write both cells as lists."
            )
    found = LabelTargets(LabelOutput((), each=True), ids, given, ids, starts).indices(training)
    return _among(cells, given, ids, starts, found, training, known, each=True)


def _among(
    cells: CellColumn, given: tuple[str, ...], ids: Ids, starts: Ids, trained: Ids, training: Ids,
    known: Output | None, each: bool,
) -> LabelTargets:  # fmt: skip
    """Labels as indices among those of the training split, or those of a run."""
    blank = cells.blank
    if isinstance(known, LabelOutput):
        names = known.names
        blank = None if blank in names else blank  # an older run learnt it as a tag
    else:
        found = {given[label] for label in np.unique(ids[trained]).tolist()} - {blank}
        names = tuple(sorted(found, key=_in_order))
        if not names and blank is not None and blank in given:
            raise DataError(
                f"{cells.table}: '{cells.name}' is {blank} at every word of the training split: none is tagged.\n"
                "Give a file with tags in this column, or choose another: --output COLUMN"
            )
        if len(names) < 2:
            only = shortened(names[0]) if names else "nothing"
            raise DataError(
                f"{cells.table}: '{cells.name}' is '{only}' everywhere in the training split.\n"
                "Give rows with at least two different labels"
                + ("; if they are texts: --task seq2seq." if " " in only and not each else ".")
            )
    return LabelTargets(LabelOutput(names, each), _numbered(given, names, blank)[ids], given, ids, starts, blank)


def read_label_sets(
    cells: CellColumn, training: Ids, place: Place, known: Output | None, sets: LabelSetOptions
) -> LabelSetTargets:
    """Read any number of labels per row: entries of a list, or of a text with | ; or , or spaces between them. Rows
    of zeros and ones are the labels 0, 1, 2, …, by the positions of the ones. Free tags are folded, and those of few
    training rows left out."""
    free = known.free if isinstance(known, MultilabelOutput) else is_free(cells, sets)
    by_place = {} if free else _by_place(cells, place, known, single=False)
    listed = any("\n" in cell for cell in cells.kinds)
    separator = next((one for one in SEPARATORS if any(one in cell for cell in cells.kinds)), None)

    def words(cell: str) -> list[str]:
        if by_place:
            return by_place[cell]
        parts = given_words(cell) if listed or separator is None else cell.split(separator)
        return fold_tags(parts) if free else sorted({tidy_label(one) for one in parts} - {""})

    given, ids, starts = cells.split(words)
    least = (sets.min_count or MIN_COUNT) if free and known is None else 1
    counts = np.bincount(ids[indices_of(starts, training)], minlength=len(given))  # training rows of each label
    if isinstance(known, MultilabelOutput):
        output = known
    else:
        names = tuple(sorted((given[label] for label in np.flatnonzero(counts >= least).tolist()), key=_in_order))
        if not names and counts.any():
            raise rare_tags_error(cells, given, ids, starts, counts, training, least, place)
        if not names:
            raise DataError(
                f"{cells.table}: '{cells.name}' holds no label in the training split. Give rows with some."
            )
        if len(names) < 2 and sets.loss == SOFTMAX:
            raise DataError(
                f"{cells.table}: '{cells.name}' has a single label in the training split, '{shortened(names[0])}'; "
                f"--loss {SOFTMAX} compares labels.\nGive rows with other labels too, or leave --loss out."
            )
        output = MultilabelOutput(names, sets.loss, free)
    numbers = _numbered(given, output.names)
    targets = LabelSetTargets(output, numbers[ids], given, ids, starts)
    return keep_learnt(targets, least) if free else targets


def is_free(cells: CellColumn, sets: LabelSetOptions) -> bool:
    """Whether the cells hold free tags: as `--fold-tags` says, or most of them begin with #. Raises OptionError for
    `--min-count` where they do not."""
    tagged = np.array([holds_hashtag(cell) for cell in cells.kinds], np.bool_)[cells.ids]
    free = sets.fold == "yes" or (sets.fold == "auto" and 2 * int(tagged.sum()) > len(tagged))
    if sets.min_count is not None and not free:
        raise OptionError(
            f"--min-count leaves out rare free tags, and the labels of '{cells.name}' are read as they are.\n"
            "Leave it out, or add --fold-tags yes."
        )
    return free


def rare_tags_error(
    cells: CellColumn, given: Sequence[str], ids: Ids, starts: Ids, counts: Ids, training: Ids, least: int,
    place: Place,
) -> DataError:  # fmt: skip
    """The error where all tags are rare: the most frequent one, and a row that has it."""
    most = int(counts.argmax())
    row = next(row for row in training.tolist() if most in ids[starts[row] : starts[row + 1]])
    often, name = int(counts[most]), shortened(given[most])
    return DataError(
        f"{place(row)}: '{name}', the most frequent tag of '{cells.name}', is in {often:,} training row"
        f"{'s' * (often > 1)}; tags of fewer than {least:,} are left out,\nand then none of {len(given):,} is left. "
        f"Give more rows, or learn rarer tags: --min-count {often}"
    )


def keep_learnt(targets: LabelSetTargets, least: int) -> LabelSetTargets:
    """The same without the free tags that are not learnt. least: training rows of those that are."""
    learnt = targets.ids != UNSEEN
    rare = len(np.unique(targets.all_ids[~learnt]))
    starts = np.concatenate([[0], np.cumsum(learnt)])[targets.starts]
    numbers = targets.ids[learnt]
    why = f" in fewer than {least:,} training rows" if least > 1 else ", which the run does not know,"
    uses = int((~learnt).sum())
    left_out = f"{rare:,} other tag{'s' * (rare > 1)}{why} left out ({uses:,} use{'s' * (uses > 1)})" if rare else ""
    return LabelSetTargets(targets.output, numbers, targets.output.names, numbers, starts, left_out)


def read_values(cells: CellColumn, training: Ids, place: Place, known: Output | None) -> ValueTargets:
    """Read one or several numbers per row."""
    of_cell: list[list[float]] = []
    for cell in cells.kinds:
        parts = given_words(cell)
        wrong = next((part for part in parts if not is_number(part)), None)
        if wrong is not None or not parts:
            row, written = place(cells.first(cell)), shortened(" ".join(parts))
            if wrong is not None and NUMBER.fullmatch(wrong):
                raise DataError(f"{row}: '{cells.name}' is {written}, which is out of range for a 64-bit float.")
            raise DataError(
                f"{row}: '{cells.name}' is '{written}'; a value is a number, such as 3.5 or -2e3.\n"
                f"{cure(wrong or '', known is not None, cells.decimal_marks)}"
                + ("" if known is not None else " Or, if these are names: --task classification.")
            )
        if rounded := next(filter(is_rounded, parts), None):
            message = f"{place(cells.first(cell))}: '{cells.name}' is {rounding_note(rounded)}."
            amount = "subtract the same number from all of them, or divide them, beforehand"
            raise DataError(
                f"{message}\n{amount.capitalize()}, as was done for the run's training data."
                if known is not None
                else f"{message}\nIf it is an id: --task classification. If it is an amount: {amount}."
            )
        of_cell.append([float(part) for part in parts])
        count = known.numbers if isinstance(known, ValueOutput) else len(of_cell[0])
        if len(of_cell[-1]) != count:
            raise DataError(
                f"{place(cells.first(cell))}: {len(of_cell[-1])} numbers in '{cells.name}', and {count} were "
                "expected, as in the other rows."
            )
    numbers = np.array(of_cell, np.float64).reshape(len(of_cell), -1)[cells.ids]  # (N, K)
    if isinstance(known, ValueOutput):
        return ValueTargets(known, numbers)
    low, high = numbers[training].min(0), numbers[training].max(0)
    if (low == high).any():
        raise DataError(
            f"{cells.table}: '{cells.name}' is {write_number(float(low[np.argmax(low == high)]))} everywhere in the "
            "training split. There is nothing to predict."
        )
    with np.errstate(over="ignore"):
        mean, std = numbers[training].mean(0), numbers[training].std(0)
    if not (np.isfinite(mean) & np.isfinite(std) & (std > 0)).all():
        raise DataError(
            f"{cells.table}: '{cells.name}' ranges from {low.min():g} to {high.max():g}, too wide, or too narrow, to "
            "be scaled.\nGive it in another unit, or as a logarithm."
        )
    return ValueTargets(ValueOutput(tuple(mean.tolist()), tuple(std.tolist())), numbers)


def cells_as_texts(cells: CellColumn) -> Texts:
    """Return a column as texts; a list's entries are joined with spaces."""
    written = [" ".join(given_words(cell)) if cell.endswith("\n") else cell for cell in cells.kinds]
    texts = Texts()
    for cell in cells.ids.tolist():
        texts.add(written[cell])
    return texts


def _numbered(given: Sequence[str], names: Sequence[str], blank: str | None = None) -> Ids:
    places = find_labels(given, names, UNSEEN)
    return np.array([UNSEEN if one == blank else place for one, place in zip(given, places, strict=True)], np.int64)


def _in_order(name: str) -> tuple[bool, float, str]:
    if re.fullmatch(NUMBER, name):
        return False, float(name), name
    return True, 0.0, name
