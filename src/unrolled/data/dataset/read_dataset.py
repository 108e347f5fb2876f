"""Reads examples: opens the tables, detects the kinds of their columns, reads the rows and splits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.cells.label_names import case_note, equal_numbers_note
from unrolled.data.cells.words import given_words
from unrolled.data.dataset.alike import check_rows_differ
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.featurizer import Ids
from unrolled.data.dataset.input_kinds import check_text, detect_input
from unrolled.data.dataset.inputs import CategoryInput, InputKind, TextInput, VectorInput
from unrolled.data.dataset.item_store import SplitItems, Texts
from unrolled.data.dataset.likely_images import images_note
from unrolled.data.dataset.numeric_features import NumericFeaturizer, learn_numeric_featurizer
from unrolled.data.dataset.output_kinds import decide_kinds, drop_rows_without_target, single_text_output
from unrolled.data.dataset.outputs import Output, TextOutput
from unrolled.data.dataset.parse_targets import as_texts, read_targets
from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.dataset.reuse import has_required_steps, reuse_columns, reuse_featurizer, reuse_output
from unrolled.data.dataset.splits import split_fold, split_rows
from unrolled.data.dataset.targets import LabelSetTargets, LabelTargets, Targets, TextTargets, encode_texts, shown
from unrolled.data.dataset.text_features import (
    CategoryFeaturizer,
    TextFeaturizer,
    grow_text_featurizer,
    learn_given_words,
    learn_text_featurizer,
)
from unrolled.data.dataset.vocabulary_choice import choose_vocabulary
from unrolled.data.splits import parse_share
from unrolled.data.tables.base import InvalidCell, TableFile
from unrolled.data.tables.columns import Columns, choose_columns
from unrolled.data.tables.npz import check_one_input
from unrolled.data.tables.open import open_table
from unrolled.data.tables.row_order import address_columns, date_columns, describe_split, source_columns
from unrolled.data.tables.sequences import SequenceTable
from unrolled.data.tables.thousands import check_thousands
from unrolled.data.tables.unused_columns import check_no_splits, unused_note
from unrolled.data.vocabulary.base import Vocabulary
from unrolled.errors import DataError, OptionError, nearest

MOST_BAD = 0.1  # largest share of unreadable audio files or images
NAMED = 3  # unreadable files named in the error above that share
MOST_COMPARED = 1000  # columns searched for a name similar to a missing one
OPTION_OF = {"validation": "valid", "test": "test"}
MOST_NOTED = 2  # columns of sources with a note


def read_examples(
    path: str | Path,
    options: DatasetOptions,
    known: DatasetSchema | None = None,
    measured: bool = False,
    opened: TableFile | None = None,
) -> Examples:
    """Read the table at `path`, decide its output columns, and split it: 10% test, 10% validation, whole groups.

    known: read as that run does, with the same columns. measured: of a table with splits, read only the test split,
    or else the validation split. opened: the table, if it is open already. Raises DataError with file and row, and
    OptionError.
    """
    shares = [parse_share(name, given, 0.1) for name, given in (("valid", options.valid), ("test", options.test))]
    with advice_for(known):
        table = opened or open_table(path, options.table_options)
        if measured:
            table = table.splits.get("test") or table.splits.get("validation") or table
        others = _other_tables(table, options, shares)
        tables, columns = _open_tables(table, options, known, others)
    settled = known.featurizer if known else reuse_featurizer(tables[0], columns, options)
    taken = settled.input if settled else detect_input(tables[0], columns, options.input_type)
    cut = options.fold is not None or any(isinstance(share, float) and share > 0 for share in shares)
    reader = _reader(tables[0], columns, taken, options, known, cut)
    try:
        with advice_for(known):
            rows = _read_rows(path, tables, reader, options.skip_empty)
    except InvalidCell:
        if known is not None or settled is None:
            raise
        return read_examples(
            path, replace(options, refit_featurizer=True)
        )  # rows do not fit the run, for example other columns

    def place(row: int) -> str:
        return tables[rows.sources[row]].place(rows.numbers[row])

    if (
        settled is None
        and options.input_type is None
        and isinstance(taken, TextInput)
        and tables[0].has_mixed_columns
    ):
        check_text(tables[0], columns, rows.items, place)
        rows.forms.check(columns.input, place)
    start = known or options.start
    before: Mapping[str, Output] = start.outputs if start else {}
    fixed = before if known or options.task is None else {}
    kinds = decide_kinds(tables, rows, options.task, fixed, options.skip_empty, place)
    drop_rows_without_target(tables, rows, kinds, options.skip_empty)
    columns = replace(columns, time=_time_of(path, rows, options, columns, known))
    source = np.array(rows.sources, np.uint8)
    groups = np.array(rows.group) if columns.group else None
    if options.fold is not None:
        splits = split_fold(path, options.fold, shares[0], source, groups, options.seed)
    else:
        direction = rows.date_orders[columns.time].direction if columns.time else 0
        splits = split_rows(path, source, shares, groups, options.seed, direction)
    given = "tagging" in kinds.values()
    if given and set(kinds.values()) != {"tagging"}:
        raise OptionError(
            "Tags (one per step) and row-level outputs cannot be trained in one run.\n"
            f"Name columns of one kind: --output {next(name for name, kind in kinds.items() if kind == 'tagging')}"
        )
    training, note, grown = SplitItems(rows.items, splits["training"]), "", ""
    targets: dict[str, Targets] = {}
    if "seq2seq" in kinds.values():
        name = single_text_output(path, kinds)
        if settled is None and options.input_type is None and isinstance(taken, TextInput) and rows.few_inputs:
            taken = CategoryInput()
        texts = as_texts(rows.cells(tables[0], name))
        featurizer, targets[name], note = _learn_seq2seq(
            options, taken, training, texts, splits["training"], settled, before.get(name)
        )
    elif known:
        featurizer = known.featurizer
    elif settled is not None and has_required_steps(settled, given):
        featurizer = settled
    elif options.vocabulary is not None:
        featurizer, grown = _grow_featurizer(options.vocabulary, taken, training, given)
    else:
        featurizer = _learn_featurizer(options, taken, training, given)

    def steps(row: int) -> int:
        item = rows.items[row]
        return len(given_words(item)) if isinstance(item, str) else len(item)

    def targets_of(name: str, kind: str) -> Targets:
        def read(output: Output | None) -> Targets:
            return read_targets(rows.cells(tables[0], name), kind, splits["training"], steps, place, output)

        output = before.get(name)
        return read(output) if known else reuse_output(read, output, kind, splits["training"])

    targets |= {name: targets_of(name, kind) for name, kind in kinds.items() if kind != "seq2seq"}
    if known is None:
        check_rows_differ(path, SplitItems(rows.items, splits["training"]), taken)
    marks = np.array(rows.hashes, np.int64)
    held_out = np.concatenate([splits["validation"], splits["test"]])
    return Examples(
        path=Path(path), form=tables[0].format, columns=columns, items=rows.items, lengths=rows.items.lengths,
        numbers=np.array(rows.numbers, np.int64), tables=tuple(tables), source=source, targets=targets, splits=splits,
        fingerprints=_fingerprints(tables) | rows.fingerprints(),
        featurizer=featurizer, skipped=rows.skipped, unreadable=tuple(rows.bad),
        repeated=int(np.isin(marks[held_out], marks[splits["training"]]).sum()), new_characters=grown, note=note,
        split_method=describe_split(columns.group, columns.time, options.fold, shares),
        notes=_notes(tables[0], rows, columns, featurizer, targets, options, known, cut),
        sampled_rows=rows.drawn,
        blank=rows.blank,
    )  # fmt: skip


@contextmanager
def advice_for(known: DatasetSchema | None) -> Iterator[None]:
    """If a run is given (`known`), raise errors from within with the advice for new data of a run."""
    try:
        yield
    except InvalidCell as fault:
        raise fault if known is None else fault.for_run from None


def _other_tables(table: TableFile, options: DatasetOptions, shares: list[float | str]) -> list[TableFile]:
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


def _open_tables(
    table: TableFile, options: DatasetOptions, known: DatasetSchema | None, others: Sequence[TableFile]
) -> tuple[list[TableFile], Columns]:
    """All tables, the training split's first. With a column of sequences, each sequence becomes one row."""
    if known:
        uncut = options.fold is None and (options.valid, options.test) == (
            "none",
            "none",
        )  # without splits, groups do not matter
        columns = replace(known.columns, group=None) if uncut else known.columns
    elif options.start is not None:
        columns = reuse_columns(table, options, options.start.columns)
    else:
        if options.input is None:
            check_one_input(table)
        columns = choose_columns(table, options.input, options.output, options.group, options.sequence)
        if options.fold is None and options.valid is None and options.test is None:
            check_no_splits(table, columns)
    tables = [table, *others]
    for one in tables:
        check_columns(one, columns)
    if known is None:
        settled = reuse_featurizer(table, columns, options)
        read = options.input_type or (settled.input.kind if settled else "vectors")
        for names, kind in ((columns.inputs, read), (columns.outputs, options.task or "regression")):
            check_thousands(table, names if kind in ("vectors", "regression") else ())
    if columns.sequence:
        kept = [*columns.outputs, *([columns.group] if columns.group else [])]
        tables = _gather_sequences(tables, columns, kept, options, known)
    return tables, columns


def _reader(
    table: TableFile,
    columns: Columns,
    taken: InputKind,
    options: DatasetOptions,
    known: DatasetSchema | None,
    cut: bool,
) -> RowReader:
    """The reader of the rows. If they are split, it also scans columns that may hold dates or sources of rows."""
    used = [*columns.needed, *([columns.sequence] if columns.sequence else [])]
    clocks, sources, addresses = list[str](), list[str](), list[str]()
    if cut and not columns.sequence:
        if known is None:
            numbers = set(columns.inputs) if len(columns.inputs) > 1 else ()  # an id of the source may be among them
            clocks = date_columns(table, used)
            addresses = address_columns(table, used)
            sources = source_columns(table, [name for name in used if name not in numbers])
        elif columns.time in table.columns:
            clocks = [columns.time] if columns.time else []
    others = [one for one in sources if one not in clocks and one not in addresses]
    return RowReader(columns, taken, table.label_column, clocks, others, options.rows, addresses)


def _time_of(
    path: str | Path, rows: RowReader, options: DatasetOptions, columns: Columns, known: DatasetSchema | None
) -> str | None:
    """The column of dates by which the last rows become the test split: if rows are in its order, and no other way of
    splitting was requested. Raises OptionError for `--shuffle` if rows are drawn at random anyway."""
    ordered = next((name for name, clock in rows.date_orders.items() if clock.direction), None)
    if options.shuffle and known is None and (ordered is None or columns.group or options.fold):
        raise OptionError(
            f"--shuffle is for rows in the order of a column of dates; the rows of {path} are drawn at random "
            "already.\nLeave it out."
        )
    return None if options.shuffle or columns.group or options.fold else ordered


def _notes(
    table: TableFile, rows: RowReader, columns: Columns, featurizer: TextFeaturizer | NumericFeaturizer,
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
    if isinstance(rows.input_kind, VectorInput) and known is None and options.input_type is None:
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


def _constant_columns(columns: Columns, featurizer: TextFeaturizer | NumericFeaturizer) -> str:
    """The note on columns of numbers that are constant in the training split."""
    if not isinstance(featurizer, NumericFeaturizer) or len(columns.inputs) != len(featurizer.constant):
        return ""
    names = [name for name, same in zip(columns.inputs, featurizer.constant, strict=True) if same]
    return f"the same in every row, so of no use: {shown(names)}" if names else ""


def _read_rows(path: str | Path, tables: Sequence[TableFile], rows: RowReader, skip_empty: bool) -> RowReader:
    """`rows`, after reading all tables. Raises DataError if there are no rows, or too many cannot be read."""
    for number, one in enumerate(tables):
        rows.read(one, number, skip_empty)
    bad, count = rows.bad, len(rows.bad) + len(rows.numbers)
    if not rows.numbers:
        raise DataError(
            bad[0] if bad else
            f"{path} holds a header, but no rows with an input and a target. Add some rows."
        )  # fmt: skip
    if len(bad) > MOST_BAD * count:
        more = f"\nand {len(bad) - NAMED:,} more." if len(bad) > NAMED else ""
        raise DataError(
            f"{path}: {len(bad):,} of {count:,} cannot be read:\n"
            + "\n".join(one.splitlines()[0] for one in bad[:NAMED])
            + f"{more}\nUp to {MOST_BAD:.0%} would be left out. Repair these files, or leave their rows out."
        )
    return rows


def _gather_sequences(
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
            raise DataError(f"{table.path} has no column '{name}'; it has: {table.listed}.{near}{bare}")


def _fingerprints(tables: Sequence[TableFile]) -> dict[str, str]:
    """path -> sha256; a second split of one path gets a key of its own."""
    found: dict[str, str] = {}
    for one in tables:
        mark = one.fingerprint()
        key = str(one.path) if found.get(str(one.path), mark) == mark else f"{one.path} ({len(found)})"
        found[key] = mark
    return found


def _learn_seq2seq(
    options: DatasetOptions, taken: InputKind, training: Any, texts: Texts, rows: Ids,
    settled: TextFeaturizer | NumericFeaturizer | None, before: Output | None,
) -> tuple[TextFeaturizer | NumericFeaturizer, TextTargets, str]:  # fmt: skip
    """The featurizer of the inputs, the target texts, and a note; taken from a run if one settles them.

    training: the inputs of the training split. texts: the targets of all rows. rows: the training split."""
    if settled is not None and isinstance(before, TextOutput):
        return settled, TextTargets(before, texts, *encode_texts(before.vocabulary, texts)), ""
    read = training if settled is None and isinstance(taken, TextInput) else None
    own: Any = SplitItems(texts, rows)
    chosen = choose_vocabulary(options.tokenizer, read, own)
    ids, starts = encode_texts(chosen.vocabulary, texts)
    output = TextOutput(chosen.vocabulary, int((starts[rows + 1] - starts[rows]).max()))
    written = TextTargets(output, texts, ids, starts)
    if settled is not None:
        return settled, written, chosen.note
    if isinstance(taken, CategoryInput):
        return CategoryFeaturizer.learn(training), written, chosen.note
    featurizer = (
        learn_numeric_featurizer(taken, training, options.patches) if chosen.tokens is None else chosen.tokens
    )
    return featurizer, written, chosen.note


def _learn_featurizer(
    options: DatasetOptions, taken: InputKind, training: Any, given: bool
) -> TextFeaturizer | NumericFeaturizer:
    if isinstance(taken, TextInput):
        return (learn_given_words if given else learn_text_featurizer)(options.tokenizer, training)
    if isinstance(taken, CategoryInput) and not given:
        return CategoryFeaturizer.learn(training)
    if options.tokenizer != "auto":
        raise OptionError(f"--tokenizer is for texts, but the input is of kind {taken.kind}. Leave it out.")
    if given and not isinstance(taken, VectorInput):
        raise OptionError(f"Tags need words or vectors as steps, but the input is of kind {taken.kind}.")
    return learn_numeric_featurizer(taken, training, options.patches)


def _grow_featurizer(table: Vocabulary, taken: InputKind, training: Any, given: bool) -> tuple[TextFeaturizer, str]:
    """The featurizer of a run that starts from a language model."""
    if not isinstance(taken, TextInput) or given:
        found = "tags, one per step" if given else f"an input of kind {taken.kind}"
        raise OptionError(
            f"--init-from a language model predicts from whole texts, but the data has {found}. Leave it out."
        )
    return grow_text_featurizer(table, training)
