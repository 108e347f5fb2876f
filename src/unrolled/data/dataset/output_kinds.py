"""Decide how each output column of a table is learnt, once all rows are read: by the option, or by its cells; and
leave out rows without a target of that kind. Ambiguous columns are refused, with the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.column_kinds import DATE, MOST_KINDS, TIME, Column, Tally
from unrolled.data.cells.times import times_error
from unrolled.data.cells.written_numbers import cure, is_missing, shortened
from unrolled.data.dataset.outputs import KIND_NAMES, Output
from unrolled.data.dataset.parse_targets import CellColumn, label_of
from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.columns import empty_cell_error
from unrolled.data.tables.file_names import check_no_outputs
from unrolled.data.tables.sequences import SequenceTable
from unrolled.data.tables.split_names import complete_splits
from unrolled.errors import DataError

Place = Callable[[int], str]  # row -> its file and row number


def decide_kinds(
    tables: Sequence[TableFile], rows: RowReader, requested: str | None, known: Mapping[str, Output],
    skip_empty: bool, place: Place,
) -> dict[str, str]:  # fmt: skip
    """Return each output's kind, one of KINDS. requested: `--task`; known: outputs of a run.
    Raises DataError."""
    kinds = {}
    for name in rows.columns:
        if name in known:
            kinds[name] = known[name].kind
        else:
            always = "seq2seq" if name == tables[0].text_column else None
            kinds[name] = requested or always or _decide(tables[0], rows, name, skip_empty, place)
        _check(tables[0], name, kinds[name])
    return kinds


def _decide(table: TableFile, rows: RowReader, name: str, skip_empty: bool, place: Place) -> str:
    path, end, column = table.path, table.ending, rows.columns[name]
    for odd in column.errors:
        if not (skip_empty and odd is column.undefined):
            raise _odd(rows.cells(table, name), column, odd, place)
    if column.labelled and len(column.counts) > MOST_KINDS:
        raise DataError(
            f"{path} has folders of more than {MOST_KINDS:,} names; up to that many are taken as labels.\n"
            "Merge folders that belong together; or, if each name is a label: --task classification."
        )
    if amount := column.amount:
        raise _odd(rows.cells(table, name), column, amount, place)
    if column.labelled and (splits := sorted(complete_splits(column.counts))):
        raise DataError(
            f"{path}: the folders {' and '.join(splits)} are named like splits, and hold no label "
            f"folders.\nPut the files into a folder for each label, train/cat/1{end}, test/cat/2{end};\n"
            "or, if these names are the labels: --task classification."
        )
    if mixed := column.mixed:
        raise DataError(
            f"{path}: '{name}' is neither mostly words nor mostly numbers: {_counted(path, mixed, place)}.\n"
            "For texts: --task seq2seq. For labels: --task classification. For numbers: correct the other cells, or\n"
            "empty them and leave those rows out with --skip-empty."
        )
    kind = column.kind
    if kind == "seq2seq" or (kind == "classification" and not column.labelled):
        check_no_outputs(path, name, list(column.counts))
    if kind == DATE:
        other = "them as numbers" if column.numeric else "their characters"
        raise DataError(
            f"{path}: '{name}' holds dates, and predicting dates is not supported yet. Write the target into a "
            f"column of\nnumbers (days until then), and name it: --output days. To learn {other} "
            f"anyway: --task {'regression' if column.numeric else 'seq2seq'}"
        )
    if kind == TIME:
        raise times_error(path, name, column.spread, "output")
    return kind


def _counted(path: Path, mixed: Mapping[str, Tally], place: Place) -> str:
    """Count the cells of each kind, and give the first row of each."""
    return ", ".join(
        f"{odd.count:,} {kind} ({place(odd.row).removeprefix(f'{path}, ')}: '{shortened(odd.cell)}')"
        for kind, odd in mixed.items()
    )


def _odd(cells: CellColumn, column: Column, odd: Tally, place: Place) -> DataError:
    """The error for a cell that is not a number, or not a list, in a column where most are."""
    message = f"{place(odd.row)}: '{cells.name}' is '{shortened(odd.cell)}'"
    if column.lists.count > column.rows / 2:
        kind = "lists of numbers" if column.kind == "regression" else "lists of names"
        return DataError(
            f"{message}, where {kind} were expected, as in the other rows.\nCorrect it, or leave the row out."
        )
    if isinstance(odd.cell, list | np.ndarray) and not column.numeric:
        single = "labels" if column.kind == "classification" else "texts"
        return DataError(
            f"{message}, a list, where single {single} were expected, as in the other rows.\n"
            "Correct it, or leave the row out."
        )
    most = column.numbers > column.rows / 2
    there = f"{column.numbers:,} of {column.rows:,} cells are numbers" if most else "cells look like numbers"
    advice = cure(odd.cell, marks=cells.decimal_marks)
    if odd is column.undefined and 2 * odd.count > column.rows:
        advice = f"{odd.count:,} of {column.rows:,} cells are undefined: write the numbers, or choose another column."
    return DataError(
        f"{message}, where {there}.\n{advice}\n"
        "If the column holds names or texts: --task classification, or --task seq2seq."
    )


def _check(table: TableFile, name: str, kind: str) -> None:
    """Raise DataError for a kind that cannot be learnt from a table, or not for each step."""
    if kind not in KIND_NAMES:
        raise DataError(
            f"{table.path}: '{name}' was requested as {kind}; the outputs of a table can be {', '.join(KIND_NAMES)}."
        )
    if kind != "tagging" and isinstance(table, SequenceTable) and name not in table.fixed:
        raise DataError(
            f"{table.path}: '{name}' changes within a sequence and was taken as {KIND_NAMES[kind]}; only tags can be "
            "predicted for each step.\nIf they are tags: --task tagging. For another column: --output COLUMN."
        )


def single_text_output(path: str | Path, kinds: Mapping[str, str]) -> str:
    """Return the text output's name. Raises DataError if it is not the only output."""
    if len(kinds) > 1:
        listed = ", ".join(f"'{name}' ({KIND_NAMES[kind]})" for name, kind in kinds.items())
        raise DataError(
            f"{path}: a text output is trained by itself, and {len(kinds)} outputs were requested: {listed}.\n"
            "Choose one with --output, and train the others separately; if there are few different texts: "
            "--task classification."
        )
    return next(iter(kinds))


def drop_rows_without_target(
    tables: Sequence[TableFile], rows: RowReader, kinds: Mapping[str, str], skip_empty: bool
) -> None:
    """Remove the rows that have no target: nan among numbers, a blank label or text. Without skip_empty, raises
    DataError for a blank cell, with the row; nan is refused by `read_values`."""
    gone: NDArray[np.bool_] = np.zeros(len(rows.numbers), np.bool_)
    for name, kind in kinds.items():
        column = rows.columns[name]
        if kind not in ("regression", "classification", "seq2seq"):
            continue
        numeric = kind == "regression" or (kind == "classification" and column.numeric)
        blank = kind in ("classification", "seq2seq")
        empty = [
            number for cell, number in rows.kinds[name].items()
            if (numeric and is_missing(cell)) or (blank and not label_of(cell))
        ]  # fmt: skip
        found = np.isin(np.array(rows.ids[name]), empty)
        if found.any() and not skip_empty and blank:
            row = int(np.flatnonzero(found)[0])
            empty_rows = int(found.sum()), len(found)
            raise empty_cell_error(tables[rows.sources[row]], name, Row(rows.numbers[row], ()), empty_rows)
        gone |= found
    if skip_empty and gone.any():
        rows.leave_out(gone)
