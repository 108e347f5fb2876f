"""Notes on how a table was understood, where something else may be meant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unrolled.data.cells.dates import holds_years, is_year_name
from unrolled.data.cells.label_names import case_note, equal_numbers_note
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema
from unrolled.data.dataset.likely_images import images_note
from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.dataset.rows_of_files import is_by_file
from unrolled.data.dataset.targets import LabelSetTargets, LabelTargets, Targets, shown
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns, typed_columns
from unrolled.data.tables.unused_columns import unused_note

MOST_NOTED = 2  # columns of sources with a note
LOOKED_ROWS = 1000  # rows, spread evenly, by which the order of years is determined


def notes_on(
    table: TableFile, rows: RowReader, columns: Columns, featurizer: Featurizer,
    targets: Mapping[str, Targets], options: DatasetOptions, known: DatasetSchema | None, cut: bool,
) -> tuple[str, ...]:  # fmt: skip
    """Notes on how the table was understood, where something else may be meant."""
    notes = []
    for name, target in targets.items():
        decided = known or options.task or (options.start and name in options.start.outputs)
        if not decided and (why := rows.columns[name].note):
            notes.append(f"{name}: {why}")
        if isinstance(target, LabelTargets | LabelSetTargets):
            found = (case_note(target.facts()), equal_numbers_note(target.facts()))
            notes += [f"{name}: {note}" for note in found if note]
    if known is None and options.input is None and (unread := unused_note(table, columns)):
        notes.append(unread)
    if known is None and (constant := _constant_columns(columns, featurizer)):
        notes.append(constant)
    if isinstance(rows.modality, VectorInput) and known is None and options.input_type is None:
        notes += filter(None, [images_note(table, columns.inputs)])
    if known is None and cut and not (columns.time or columns.group or options.fold):
        notes += filter(None, [_years_note(rows, columns)])
    if cut and columns.time:
        odd = rows.date_orders[columns.time].odd
        but = f" ({odd:,} without a date, or out of order)" if odd else ""
        notes.append(
            f"validation and test are the last rows by '{columns.time}'{but}; to draw them at random: --shuffle"
        )
    if cut and (not columns.group or is_by_file(columns, rows.modality)):
        found_sources = [*(one.note for one in rows.shared_sources.values()), rows.name_parts.note]
        notes += [note for note in found_sources if note][:MOST_NOTED]
    return tuple(notes)


def _constant_columns(columns: Columns, featurizer: Featurizer) -> str:
    """The note on columns of numbers that are constant in the training split."""
    if not isinstance(featurizer, NumericFeaturizer) or len(columns.inputs) != len(featurizer.constant):
        return ""
    names = [name for name, same in zip(columns.inputs, featurizer.constant, strict=True) if same]
    return f"the same in every row, so of no use: {shown(names)}" if names else ""


def _years_note(rows: RowReader, columns: Columns) -> str:
    """The note on an input of years by which the rows are ordered, while splits are drawn at random: the score then
    says how well years between known ones are predicted, not later ones."""
    name = next((name for name in columns.inputs if is_year_name(name)), None)
    if name is None or not isinstance(rows.modality, VectorInput):
        return ""
    looked = np.linspace(0, len(rows.items) - 1, min(len(rows.items), LOOKED_ROWS)).astype(int).tolist()
    items = [np.ravel(rows.items[row]) for row in looked]
    if any(len(item) != len(columns.inputs) for item in items):
        return ""
    years = [float(item[columns.inputs.index(name)]) for item in items]
    directions = set(np.sign(np.diff(years)).tolist()) - {0.0}
    if len(directions) != 1 or not holds_years(years, name):
        return ""
    others = [other for other in columns.inputs if other != name]
    advice = "put these into a separate file: --test FILE"
    if others:
        advice = f"leave it out of the inputs: {typed_columns(others, columns.outputs)}"
    return (
        f"'{name}' is read as a number, and validation and test are drawn at random, although the rows are in its "
        f"order; to test on the last rows, as for a forecast, {advice}"
    )
