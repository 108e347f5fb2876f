"""What a run on a table, which another training starts from, settles of the new table: which columns are read and
predicted, how a row is read, and what an output can be. Whatever does not fit is found out anew."""

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
    """The run's columns where the table has them, unless others were asked for; else those that are chosen anew.
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
    """Columns as an option names them; "" where one is missing, or cannot be named beside others."""
    apart = len(names) == 1 or not any("," in name for name in names)
    return ",".join(names) if apart and there.issuperset(names) else ""


def intake_like(table: TableFile, columns: Columns, asked: Asked) -> Tokens | Features | None:
    """How the run reads a row; None where another way is asked for, or needed, or there is no run.

    Raises DataError as `find_input` does.
    """
    if asked.start is None or asked.anew:
        return None
    intake = asked.start.intake
    if asked.read not in (None, intake.input.kind) or (intake.kind == "patches") != asked.patches:
        return None
    if asked.read is None and columns.inputs != asked.start.columns.inputs:  # other columns may be of another kind
        return intake if find_input(table, columns, None).kind == intake.input.kind else None
    return intake


def reads_steps(intake: Tokens | Features, given: bool) -> bool:
    """Whether steps are what they have to be: words as they are given, where each has a tag, and else not so."""
    return not isinstance(intake, Tokens) or (isinstance(intake, WordTokens) and intake.given) == given


def answers_like(
    read: Callable[[Output | None], Answered], before: Output | None, kind: str, training: Ids
) -> Answered:
    """Answers of a kind, read as those of the run's output; anew where the training rows have others, such as new
    labels."""
    if before is None or before.kind != kind:
        return read(None)
    try:
        found = read(before)
    except DataError:
        return read(None)
    return read(None) if found.count_unseen(training)[0] else found
