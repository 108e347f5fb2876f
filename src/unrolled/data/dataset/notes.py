"""Notes on how a table was understood, where something else may be meant."""

from __future__ import annotations

from collections.abc import Mapping

from unrolled.data.cells.label_names import case_note, equal_numbers_note
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema
from unrolled.data.dataset.likely_images import images_note
from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.dataset.targets import LabelSetTargets, LabelTargets, Targets, shown
from unrolled.data.modalities.base import Featurizer
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.unused_columns import unused_note

MOST_NOTED = 2  # columns of sources with a note


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
    if cut and columns.time:
        odd = rows.date_orders[columns.time].odd
        but = f" ({odd:,} without a date, or out of order)" if odd else ""
        notes.append(
            f"validation and test are the last rows by '{columns.time}'{but}; to draw them at random: --shuffle"
        )
    if cut and not columns.group:
        found_sources = [*(one.note for one in rows.shared_sources.values()), rows.name_parts.note]
        notes += [note for note in found_sources if note][:MOST_NOTED]
    return tuple(notes)


def _constant_columns(columns: Columns, featurizer: Featurizer) -> str:
    """The note on columns of numbers that are constant in the training split."""
    if not isinstance(featurizer, NumericFeaturizer) or len(columns.inputs) != len(featurizer.constant):
        return ""
    names = [name for name, same in zip(columns.inputs, featurizer.constant, strict=True) if same]
    return f"the same in every row, so of no use: {shown(names)}" if names else ""
