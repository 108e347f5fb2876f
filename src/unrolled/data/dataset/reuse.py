"""Training from an earlier run on a table: the columns, the featurizer and the outputs of that run are reused for the
new table. Whatever does not fit the new table is determined again from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.detect_input import detect_input
from unrolled.data.dataset.outputs import MultilabelOutput, Output
from unrolled.data.dataset.targets import Targets
from unrolled.data.modalities.base import Featurizer, Ids
from unrolled.data.modalities.text import TextFeaturizer, WordFeaturizer
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns, choose_columns
from unrolled.errors import DataError


def reuse_columns(table: TableFile, options: DatasetOptions, before: Columns) -> Columns:
    """The run's columns if the table has them and no others are requested; else columns chosen from the table.
    Raises DataError, OptionError."""
    there = set(table.columns)
    inputs, outputs = _named(before.inputs, there), _named(before.outputs, there)
    sequence = options.sequence or (before.sequence if before.sequence in there else None)
    kept = before.group in there.difference(before.inputs)  # rows of one file are grouped again where they need it
    group = options.group or (before.group if kept else None)
    if options.input is None and options.output is None and inputs and outputs:
        return replace(before, group=group, sequence=sequence, time=None)
    taken = set((options.input or options.output or "").split(","))
    inputs = options.input or ("" if taken & set(before.inputs) else inputs)
    outputs = options.output or ("" if taken & set(before.outputs) else outputs)
    return choose_columns(table, inputs or None, outputs or None, group, sequence)


def _named(names: tuple[str, ...], there: set[str]) -> str:
    """The columns as an option lists them; "" where one is missing, or has a comma in its name among several."""
    listable = len(names) == 1 or not any("," in name for name in names)
    return ",".join(names) if listable and there.issuperset(names) else ""


def reuse_featurizer(table: TableFile, columns: Columns, options: DatasetOptions) -> Featurizer | None:
    """The run's featurizer; None where another one is requested or needed, or there is no run.

    Raises DataError as `detect_input` does.
    """
    if options.start is None or options.refit_featurizer:
        return None
    featurizer = options.start.featurizer
    if options.input_type not in (None, featurizer.input.name) or not featurizer.fits(options.step_options()):
        return None
    if (
        options.input_type is None and columns.inputs != options.start.columns.inputs
    ):  # the kind of other columns may differ
        return (
            featurizer
            if detect_input(table, columns, None, options.whole_images).name == featurizer.input.name
            else None
        )
    return featurizer


def has_required_steps(featurizer: Featurizer, given: bool) -> bool:
    """Whether the steps fit the task. given: for tags, each step must be one of the given words; else it must not."""
    if featurizer.places:  # they are attended to, for generated texts alone
        return False
    return (
        not isinstance(featurizer, TextFeaturizer)
        or (isinstance(featurizer, WordFeaturizer) and featurizer.given) == given
    )


def reuse_output(
    read: Callable[[Output | None], Targets], before: Output | None, kind: str, training: Ids
) -> Targets:
    """The targets of a kind, read with the run's output; without it if the training rows have other targets, such as
    new labels."""
    if before is None or before.kind != kind:
        return read(None)
    if isinstance(before, MultilabelOutput):
        fresh = read(None)
        now = fresh.output
        if not isinstance(now, MultilabelOutput) or (now.loss, now.free) != (before.loss, before.free):
            return fresh
        if now.free:  # tags that the run does not know would be left out
            return read(before) if set(now.names) <= set(before.names) else fresh
    try:
        found = read(before)
    except DataError:
        return read(None)
    return read(None) if found.count_unseen(training)[0] else found
