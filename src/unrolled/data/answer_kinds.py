"""What each output column of a table is learnt as, once all rows were seen: the option that was given, or what its
cells are; and which rows hold no answer of that kind. What is not plain is refused, with the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.answer_reader import label_of
from unrolled.data.column_kinds import DATE, MOST_KINDS, TIME, Column, Odd
from unrolled.data.columns import no_cell
from unrolled.data.file_names import check_no_outputs
from unrolled.data.outputs import KINDS, Output
from unrolled.data.row_reader import RowReader
from unrolled.data.sequences import SequenceTable
from unrolled.data.split_names import hold_splits
from unrolled.data.table_file import Row, TableFile
from unrolled.data.times import no_times
from unrolled.data.written_numbers import cure, is_undefined, shortened
from unrolled.errors import DataError

Place = Callable[[int], str]  # row -> where it stands


def decide_kinds(
    tables: Sequence[TableFile], rows: RowReader, asked: str | None, known: Mapping[str, Output],
    skip_empty: bool, place: Place,
) -> dict[str, str]:  # fmt: skip
    """Output -> label, labels, tags, value or text. asked: `--as`; known: outputs that a run settles. Raises
    DataError."""
    kinds = {}
    for name, column in rows.columns.items():
        if name in known:
            kinds[name] = known[name].kind
        else:
            kinds[name] = asked or _decide(tables[0], name, column, skip_empty, place)
        _check(tables[0], name, kinds[name])
    return kinds


def _decide(table: TableFile, name: str, column: Column, skip_empty: bool, place: Place) -> str:
    path, end = table.path, table.ending
    for odd in column.odd:
        if not (skip_empty and odd is column.undefined):
            raise _odd(name, column, odd, place)
    if column.labelled and len(column.kinds) > MOST_KINDS:
        raise DataError(
            f"{path} has folders of more than {MOST_KINDS:,} names, which are taken as labels up to so many.\n"
            "Put what belongs together into one folder; or, if it is meant: --as label."
        )
    if amount := column.amount:
        raise _odd(name, column, amount, place)
    if column.labelled and (splits := sorted(hold_splits(column.kinds))):
        raise DataError(
            f"{path}: the folders {' and '.join(splits)} are splits by their names, and hold no folders that are "
            f"labels.\nPut the files into a folder for each label, train/cat/1{end}, test/cat/2{end};\n"
            "or, where these names are the labels: --as label."
        )
    if mixed := column.mixed:
        raise DataError(
            f"{path}: '{name}' is neither mostly words nor mostly numbers: {_counted(path, mixed, place)}.\n"
            "Texts are meant: --as text. Labels: --as label. Numbers: correct the others, or empty their cells, and "
            "leave\nthose rows out with --skip-empty."
        )
    kind = column.kind
    if kind == "text" or (kind == "label" and not column.labelled):
        check_no_outputs(path, name, list(column.kinds))
    if kind == DATE:
        other = "them learnt as numbers" if column.numeric else "their characters learnt"
        raise DataError(
            f"{path}: '{name}' holds dates, and forecasts of them are not offered yet. Write what is asked into a "
            f"column of\nnumbers (days until then), and name it: --output days. To have {other} all "
            f"the same: --as {'value' if column.numeric else 'text'}"
        )
    if kind == TIME:
        raise no_times(path, name, column.spread, "output")
    return kind


def _counted(path: Path, mixed: Mapping[str, Odd], place: Place) -> str:
    """How many cells of each kind there are, each with its first row."""
    return ", ".join(
        f"{odd.count:,} {kind} ({place(odd.row).removeprefix(f'{path}, ')}: '{shortened(odd.cell)}')"
        for kind, odd in mixed.items()
    )


def _odd(name: str, column: Column, odd: Odd, place: Place) -> DataError:
    """What to say of a cell that is no number, or no list, where most are."""
    said = f"{place(odd.row)}: '{name}' is '{shortened(odd.cell)}'"
    if column.lists.count > column.rows / 2:
        kind = "lists of numbers" if column.kind == "value" else "lists of names"
        return DataError(
            f"{said}, where {kind} were expected, as in the other rows.\nCorrect it, or leave the row out."
        )
    if isinstance(odd.cell, list | np.ndarray) and not column.numeric:
        single = "labels" if column.kind == "label" else "texts"
        return DataError(
            f"{said}, a list, where single {single} were expected, as in the other rows.\n"
            "Correct it, or leave the row out."
        )
    most = column.numbers > column.rows / 2
    there = f"{column.numbers:,} of {column.rows:,} cells are numbers" if most else "cells look like numbers"
    advice = cure(odd.cell)
    if odd is column.undefined and 2 * odd.count > column.rows:
        advice = f"So are {odd.count:,} of {column.rows:,} cells: write the numbers, or name another column."
    return DataError(f"{said}, where {there}.\n{advice}\nIf names or texts are meant: --as label, or --as text.")


def _check(table: TableFile, name: str, kind: str) -> None:
    """Raises DataError for a kind that cannot be learnt from a table, or about a step."""
    if kind not in KINDS:
        raise DataError(
            f"{table.path}: '{name}' is asked for as {kind}; what can be learnt from a table are {', '.join(KINDS)}."
        )
    if kind != "tags" and isinstance(table, SequenceTable) and name not in table.fixed:
        raise DataError(
            f"{table.path}: '{name}' changes within a sequence and reads as {kind}; what can be answered about each "
            "step are tags.\nIf they are tags: --as tags. Another column: --output."
        )


def only_text(path: str | Path, kinds: Mapping[str, str]) -> str:
    """The output that is a text. Raises DataError where it is not the only output."""
    if len(kinds) > 1:
        said = ", ".join(f"'{name}' ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{path}: a text is written about a row by a model of its own, and {len(kinds)} outputs were asked for: "
            f"{said}.\nName one with --output, and train the others by themselves; few texts are labels: --as label."
        )
    return next(iter(kinds))


def leave_out(tables: Sequence[TableFile], rows: RowReader, kinds: Mapping[str, str], skip_empty: bool) -> None:
    """Takes out the rows whose cell says that there is no answer: nan among numbers, a label of blanks. Raises
    DataError, with the row, for a label of blanks where they are to stay; for nan whoever reads values does."""
    gone: NDArray[np.bool_] = np.zeros(len(rows.numbers), np.bool_)
    for name, kind in kinds.items():
        column = rows.columns[name]
        if kind not in ("value", "label"):
            continue
        numeric = kind == "value" or column.numeric
        empty = [
            number for cell, number in rows.kinds[name].items()
            if (numeric and is_undefined(cell)) or (kind == "label" and not label_of(cell))
        ]  # fmt: skip
        found = np.isin(np.array(rows.ids[name]), empty)
        if found.any() and not skip_empty and kind == "label":
            row = int(np.flatnonzero(found)[0])
            empty_rows = int(found.sum()), len(found)
            raise no_cell(tables[rows.sources[row]], name, Row(rows.numbers[row], ()), empty_rows)
        gone |= found
    if skip_empty and gone.any():
        rows.leave_out(gone)
