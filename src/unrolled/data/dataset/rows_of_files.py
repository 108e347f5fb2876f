"""Rows that belong together stay in one split: those of one file, such as an image with several captions, and the
clips of one video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unrolled.data.cells.column_kinds import as_text
from unrolled.data.dataset.repeated_rows import MOST_SHARED
from unrolled.data.modalities.base import Ids, Modality
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.row_order import PART, Sources, source_columns
from unrolled.errors import DataError


def is_by_file(columns: Columns, modality: Modality) -> bool:
    """Whether rows are grouped by the files that they name: the column of the group is the input's."""
    return bool(modality.endings) and columns.group in columns.inputs


def group_by_file(columns: Columns, inputs: Ids) -> Columns:
    """The columns with the input as the group, if inputs have several rows, and no other group was requested.

    inputs: (N,) equal for rows of one file.
    """
    if columns.group is not None or len(np.unique(inputs)) == len(inputs):
        return columns
    return replace(columns, group=columns.input)


def group_by_source(table: TableFile, columns: Columns) -> Columns:
    """The columns with the one that names the source of each clip as the group, if clips share sources and no other
    group was requested: clips of one original show the same place and people."""
    if columns.group is not None or columns.sequence is not None:
        return columns
    for name in source_columns(table, columns.needed):
        sources = Sources(name)
        for row in table.rows([name, columns.outputs[0]]):
            sources.see(row.cells[0], as_text(row.cells[1]))
        if sources.recur or (PART.fullmatch(name) is None and 2 <= len(sources.targets) < sources.rows):
            return replace(columns, group=name)
    return columns


def file_notes(
    path: str | Path, modality: Modality, columns: Columns, inputs: Ids, splits: Mapping[str, Ids], cut: bool,
    hashes: Sequence[int],
) -> list[str]:  # fmt: skip
    """Notes on the files of rows with texts: how they are grouped if splits are cut, and how many are in two splits.

    inputs: (N,) equal for rows of one file. hashes: (N,) equal for rows that are the same. Raises DataError if many
    files of validation, or of test, are in the training split too.
    """
    notes = []
    count = len(np.unique(inputs))
    if cut and is_by_file(columns, modality):
        notes.append(
            f"{count:,} {modality.noun} with several rows each: those of one are kept in one split, and shares count "
            f"{modality.noun} (override: --group)"
        )
    for split in ("validation", "test"):
        held_out = np.unique(inputs[splits[split]])
        shared = int(np.isin(held_out, inputs[splits["training"]]).sum())
        of = f"{shared:,} of the {len(held_out):,} {modality.noun} of the {split} split are in the training split too"
        if shared > MOST_SHARED * len(held_out):
            raise DataError(
                f"{path}: {of};\nscores would not hold for other {modality.noun}. Take their rows out of one of the "
                "tables; or leave out\n--valid, --test and --group: then all rows of one file are put into one split."
            )
        if shared:
            notes.append(of)
    notes += _between_held_out(path, modality, inputs, splits)
    if copies := len(hashes) - len(set(hashes)):
        notes.append(f"{copies:,} row{'s are' if copies > 1 else ' is'} the same as an earlier one")
    return notes


def _between_held_out(path: str | Path, modality: Modality, inputs: Ids, splits: Mapping[str, Ids]) -> list[str]:
    """A note on files that are in validation and in test, if there are any. Raises DataError if they are many."""
    judged, tested = (np.unique(inputs[splits[split]]) for split in ("validation", "test"))
    shared = len(np.intersect1d(judged, tested))
    if not shared:
        return []
    of = f"{shared:,} of the {len(tested):,} {modality.noun} of the test split are in the validation split too"
    if shared > MOST_SHARED * len(tested):
        raise DataError(
            f"{path}: {of}, on which models are selected;\nscores of the test would be too good. Take their rows out "
            "of one of the tables, or leave out --valid: then validation is a\nshare of the training rows."
        )
    return [of]
