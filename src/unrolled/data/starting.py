"""Training from an earlier run on a table: the columns, the featurizer and the outputs of that run are reused for the
new table. Whatever does not fit the new table is determined again from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unrolled.data.answers import Answered
from unrolled.data.columns import Columns, choose_columns
from unrolled.data.examples import Asked
from unrolled.data.features import Features
from unrolled.data.input_kinds import find_input
from unrolled.data.intake import Ids
from unrolled.data.outputs import Output
from unrolled.data.table_file import TableFile
from unrolled.data.tokens import Tokens, WordTokens
from unrolled.errors import DataError


def columns_like(table: TableFile, asked: Asked, before: Columns) -> Columns:
    """The run's columns if the table has them and no others are requested; else columns chosen from the table.
    Raises DataError, OptionError."""
    there = set(table.columns)
    inputs, outputs = _named(before.inputs, there), _named(before.outputs, there)
    sequence = asked.sequence or (before.sequence if before.sequence in there else None)
    group = asked.group or (before.group if before.group in there else None)
    if asked.input is None and asked.output is None and inputs and outputs:
        return replace(before, group=group, sequence=sequence, time=None)
    taken = set((asked.input or asked.output or "").split(","))
    inputs = asked.input or ("" if taken & set(before.inputs) else inputs)
    outputs = asked.output or ("" if taken & set(before.outputs) else outputs)
    return choose_columns(table, inputs or None, outputs or None, group, sequence)


def _named(names: tuple[str, ...], there: set[str]) -> str:
    """The columns as an option lists them; "" where one is missing, or has a comma in its name among several."""
    listable = len(names) == 1 or not any("," in name for name in names)
    return ",".join(names) if listable and there.issuperset(names) else ""


def intake_like(table: TableFile, columns: Columns, asked: Asked) -> Tokens | Features | None:
    """The run's featurizer; None where another one is requested or needed, or there is no run.

    Raises DataError as `find_input` does.
    """
    if asked.start is None or asked.anew:
        return None
    intake = asked.start.intake
    if asked.read not in (None, intake.input.kind) or (intake.kind == "patches") != asked.patches:
        return None
    if asked.read is None and columns.inputs != asked.start.columns.inputs:  # the kind of other columns may differ
        return intake if find_input(table, columns, None).kind == intake.input.kind else None
    return intake


def reads_steps(intake: Tokens | Features, given: bool) -> bool:
    """Whether the steps fit the task. given: for tags, each step must be one of the given words; else it must not."""
    return not isinstance(intake, Tokens) or (isinstance(intake, WordTokens) and intake.given) == given


def answers_like(
    read: Callable[[Output | None], Answered], before: Output | None, kind: str, training: Ids
) -> Answered:
    """The targets of a kind, read with the run's output; without it if the training rows have other targets, such as
    new labels."""
    if before is None or before.kind != kind:
        return read(None)
    try:
        found = read(before)
    except DataError:
        return read(None)
    return read(None) if found.count_unseen(training)[0] else found
