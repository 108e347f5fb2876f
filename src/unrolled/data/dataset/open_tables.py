"""Opens the tables of all splits, and chooses their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema
from unrolled.data.dataset.reuse import reuse_columns, reuse_featurizer
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.clips import with_clips
from unrolled.data.tables.columns import Columns, choose_columns
from unrolled.data.tables.in_memory import IN_MEMORY
from unrolled.data.tables.npz import check_one_input
from unrolled.data.tables.open import open_table
from unrolled.data.tables.sequences import SequenceTable
from unrolled.data.tables.thousands import check_thousands
from unrolled.data.tables.unused_columns import check_no_folds, check_no_splits
from unrolled.errors import DataError, OptionError, nearest

MOST_COMPARED = 1000  # columns searched for a name similar to a missing one
OPTION_OF = {"validation": "valid", "test": "test"}


@contextmanager
def advice_for(known: DatasetSchema | None) -> Iterator[None]:
    """If a run is given (`known`), raise errors from within with the advice for new data of a run."""
    try:
        yield
    except InvalidCell as fault:
        raise fault if known is None else fault.for_run from None


def open_other_tables(table: TableFile, options: DatasetOptions, shares: list[float | str]) -> list[TableFile]:
    """The tables of the validation and test splits: the requested ones, or else those that came with the table, whose
    paths then replace entries of `shares`. Raises DataError, OptionError."""
    if options.fold is not None and table.splits:
        raise OptionError(
            f"--folds splits all rows again, but {table.path} has splits already: {table.note.split(';')[0]}.\n"
            "Leave --folds out, or give the training split alone."
        )
    others = []
    for place, (split, given) in enumerate((("validation", options.valid), ("test", options.test))):
        share = shares[place]
        if given is None and split in table.splits:
            others.append(table.splits[split])
            shares[place] = table.splits[split].source
        elif isinstance(share, str):
            others.append(open_table(share, options.table_options))
        if given is not None and split in table.splits:
            table.note += f"; {table.splits[split].source} is not read, because --{OPTION_OF[split]} is given"
    return others


def prepare_tables(
    table: TableFile, options: DatasetOptions, known: DatasetSchema | None, others: Sequence[TableFile]
) -> tuple[list[TableFile], Columns]:
    """All tables, the training split's first. With a column of sequences, each sequence becomes one row."""
    if known:
        is_split = options.fold is not None or (options.valid, options.test) != ("none", "none")
        columns = known.columns if is_split else replace(known.columns, group=None)
    elif options.start is not None:
        columns = reuse_columns(table, options, options.start.columns)
    else:
        if options.input is None:
            check_one_input(table)
        columns = choose_columns(table, options.input, options.output, options.group, options.sequence)
        if options.fold is None and options.valid is None and options.test is None:
            check_no_splits(table, columns)
        if options.output is None:
            check_no_folds(table, columns)
    tables = [table, *others]
    for one in tables:
        check_columns(one, columns)
    if known is None:
        settled = reuse_featurizer(table, columns, options)
        read = options.input_type or (settled.input.name if settled else "vectors")
        for names, kind in ((columns.inputs, read), (columns.outputs, options.task or "regression")):
            check_thousands(table, names if kind in ("vectors", "regression") else ())
    tables = [with_clips(one, columns) for one in tables]
    if columns.sequence:
        kept = [*columns.outputs, *([columns.group] if columns.group else [])]
        tables = gather_sequences(tables, columns, kept, options, known)
    return tables, columns


def gather_sequences(
    tables: list[TableFile], columns: Columns, kept: list[str], options: DatasetOptions, known: DatasetSchema | None
) -> list[TableFile]:
    """Tables with one row per sequence. A column that changes within a sequence of any table, or is known to hold
    tags, becomes a column of lists in all of them."""
    found = [SequenceTable.gather(one, columns.sequence or "", kept) for one in tables]
    fixed = frozenset.intersection(*(one.fixed for one in found))
    if columns.group and columns.group not in fixed:
        raise DataError(
            f"{tables[0].path}: '{columns.group}' changes within a sequence; a sequence has one group.\n"
            "Name another column: --group COLUMN"
        )
    settles = known or (options.start if options.task is None else None)
    tags = settles.each if settles else frozenset(columns.outputs if options.task == "tagging" else ())
    return [SequenceTable(one.table, one.sequence, fixed - tags) for one in found]


def check_columns(table: TableFile, columns: Columns) -> None:
    """Raises DataError if a table lacks a column."""
    there = set(table.columns)
    for name in (*columns.needed, *([columns.sequence] if columns.sequence else [])):
        if name not in there:
            near = nearest(name, table.columns[:MOST_COMPARED])
            bare = (
                "\nIts first row looks like data, but names of columns were expected there."
                if table.names_without_header
                else ""
            )
            if table.format == IN_MEMORY and set(table.columns) == {"x", "y"}:
                bare = f"\nA pair has the columns x and y. Give a dict with the names of the run: {{'{name}': …}}"
            raise DataError(f"{table.path} has no column '{name}'; it has: {table.listed}.{near}{bare}")
