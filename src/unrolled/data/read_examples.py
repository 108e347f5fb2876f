"""Reads examples: opens the tables, detects the kinds of their columns, reads the rows and splits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.alike import check_unlike
from unrolled.data.answer_kinds import decide_kinds, leave_out, only_text
from unrolled.data.answer_reader import as_texts, read_answers
from unrolled.data.answers import Answered, Labels, LabelSets, Written, encode_texts, shown
from unrolled.data.columns import Columns, choose_columns
from unrolled.data.cuts import share_of
from unrolled.data.examples import Asked, Examples, Known
from unrolled.data.features import Features, learn_features
from unrolled.data.input_kinds import check_text, find_input
from unrolled.data.inputs import InputKind, LabelInput, TextInput, VectorInput
from unrolled.data.intake import Ids
from unrolled.data.items import PartItems, Texts
from unrolled.data.label_names import differ_as_written, differ_by_case
from unrolled.data.likely_pictures import say_pictures
from unrolled.data.npz_form import check_one_input
from unrolled.data.outputs import Output, TextOutput
from unrolled.data.row_cuts import cut_fold, cut_rows
from unrolled.data.row_order import address_columns, clock_columns, source_columns, split_words
from unrolled.data.row_reader import RowReader
from unrolled.data.sequences import SequenceTable
from unrolled.data.spelling import learn_spelling
from unrolled.data.starting import answers_like, columns_like, intake_like, reads_steps
from unrolled.data.symbols import Table
from unrolled.data.table_file import TableFile, Unfit
from unrolled.data.tables import open_table
from unrolled.data.thousands import check_thousands
from unrolled.data.tokens import LabelTokens, Tokens, grow_tokens, learn_given, learn_tokens
from unrolled.data.unread import check_no_splits, unread_note
from unrolled.data.words import given_words
from unrolled.errors import DataError, OptionError, nearest

MOST_BAD = 0.1  # largest share of unreadable audio files or images
NAMED = 3  # unreadable files named in the error above that share
MOST_COMPARED = 1000  # columns searched for a name similar to a missing one
OPTION_OF = {"validation": "valid", "test": "test"}
MOST_NOTED = 2  # columns of sources with a note


def read_examples(
    path: str | Path,
    asked: Asked,
    known: Known | None = None,
    measured: bool = False,
    opened: TableFile | None = None,
) -> Examples:
    """Read the table at `path`, decide its output columns, and split it: 10% test, 10% validation, whole groups.

    known: read as that run does, with the same columns. measured: of a table with splits, read only the test split,
    or else the validation split. opened: the table, if it is open already. Raises DataError with file and row, and
    OptionError.
    """
    shares = [share_of(name, given, 0.1) for name, given in (("valid", asked.valid), ("test", asked.test))]
    with advice_for(known):
        table = opened or open_table(path, asked.options)
        if measured:
            table = table.splits.get("test") or table.splits.get("validation") or table
        others = _other_tables(table, asked, shares)
        tables, columns = _open_tables(table, asked, known, others)
    settled = known.intake if known else intake_like(tables[0], columns, asked)
    taken = settled.input if settled else find_input(tables[0], columns, asked.read)
    cut = asked.fold is not None or any(isinstance(share, float) and share > 0 for share in shares)
    reader = _reader(tables[0], columns, taken, asked, known, cut)
    try:
        with advice_for(known):
            rows = _read_rows(path, tables, reader, asked.skip_empty)
    except Unfit:
        if known is not None or settled is None:
            raise
        return read_examples(path, replace(asked, anew=True))  # rows do not fit the run, for example other columns

    def place(row: int) -> str:
        return tables[rows.sources[row]].place(rows.numbers[row])

    if settled is None and asked.read is None and isinstance(taken, TextInput) and tables[0].mixed:
        check_text(tables[0], columns, rows.items, place)
        rows.forms.check(columns.input, place)
    start = known or asked.start
    before: Mapping[str, Output] = start.outputs if start else {}
    fixed = before if known or asked.kind is None else {}
    kinds = decide_kinds(tables, rows, asked.kind, fixed, asked.skip_empty, place)
    leave_out(tables, rows, kinds, asked.skip_empty)
    columns = replace(columns, time=_time_of(path, rows, asked, columns, known))
    source = np.array(rows.sources, np.uint8)
    groups = np.array(rows.group) if columns.group else None
    if asked.fold is not None:
        parts = cut_fold(path, asked.fold, shares[0], source, groups, asked.seed)
    else:
        direction = rows.clocks[columns.time].direction if columns.time else 0
        parts = cut_rows(path, source, shares, groups, asked.seed, direction)
    given = "tags" in kinds.values()
    if given and set(kinds.values()) != {"tags"}:
        raise OptionError(
            "Tags (one per step) and row-level outputs cannot be trained in one run.\n"
            f"Name columns of one kind: --output {next(name for name, kind in kinds.items() if kind == 'tags')}"
        )
    training, note, grown = PartItems(rows.items, parts["training"]), "", ""
    answers: dict[str, Answered] = {}
    if "text" in kinds.values():
        name = only_text(path, kinds)
        if settled is None and asked.read is None and isinstance(taken, TextInput) and rows.few_inputs:
            taken = LabelInput()
        texts = as_texts(rows.cells(tables[0], name))
        intake, answers[name], note = _learn_seq2seq(
            asked, taken, training, texts, parts["training"], settled, before.get(name)
        )
    elif known:
        intake = known.intake
    elif settled is not None and reads_steps(settled, given):
        intake = settled
    elif asked.table is not None:
        intake, grown = _grow_featurizer(asked.table, taken, training, given)
    else:
        intake = _learn_featurizer(asked, taken, training, given)

    def steps(row: int) -> int:
        item = rows.items[row]
        return len(given_words(item)) if isinstance(item, str) else len(item)

    def answers_of(name: str, kind: str) -> Answered:
        def read(output: Output | None) -> Answered:
            return read_answers(rows.cells(tables[0], name), kind, parts["training"], steps, place, output)

        output = before.get(name)
        return read(output) if known else answers_like(read, output, kind, parts["training"])

    answers |= {name: answers_of(name, kind) for name, kind in kinds.items() if kind != "text"}
    if known is None:
        check_unlike(path, PartItems(rows.items, parts["training"]), taken)
    marks = np.array(rows.marks, np.int64)
    held_out = np.concatenate([parts["validation"], parts["test"]])
    return Examples(
        path=Path(path), form=tables[0].form, columns=columns, items=rows.items, lengths=rows.items.lengths,
        numbers=np.array(rows.numbers, np.int64), tables=tuple(tables), source=source, answers=answers, parts=parts,
        fingerprints=_fingerprints(tables) | rows.fingerprints(),
        intake=intake, skipped=rows.skipped, bad=tuple(rows.bad),
        repeated=int(np.isin(marks[held_out], marks[parts["training"]]).sum()), grown=grown, note=note,
        split=split_words(columns.group, columns.time, asked.fold, shares),
        notes=_notes(tables[0], rows, columns, intake, answers, asked, known, cut),
        drawn=rows.drawn,
        blank=rows.blank,
    )  # fmt: skip


@contextmanager
def advice_for(known: Known | None) -> Iterator[None]:
    """If a run is given (`known`), raise errors from within with the advice for new data of a run."""
    try:
        yield
    except Unfit as fault:
        raise fault if known is None else fault.for_run from None


def _other_tables(table: TableFile, asked: Asked, shares: list[float | str]) -> list[TableFile]:
    """The tables of the validation and test splits: the requested ones, or else those that came with the table, whose
    paths then replace entries of `shares`. Raises DataError, OptionError."""
    if asked.fold is not None and table.splits:
        raise OptionError(
            f"--folds splits all rows again, but {table.path} has splits already: {table.note.split(';')[0]}.\n"
            "Leave --folds out, or give the training split alone."
        )
    others = []
    for place, (split, given) in enumerate((("validation", asked.valid), ("test", asked.test))):
        share = shares[place]
        if given is None and split in table.splits:
            others.append(table.splits[split])
            shares[place] = table.splits[split].whence
        elif isinstance(share, str):
            others.append(open_table(share, asked.options))
        if given is not None and split in table.splits:
            table.note += f"; {table.splits[split].whence} is not read, because --{OPTION_OF[split]} is given"
    return others


def _open_tables(
    table: TableFile, asked: Asked, known: Known | None, others: Sequence[TableFile]
) -> tuple[list[TableFile], Columns]:
    """All tables, the training split's first. With a column of sequences, each sequence becomes one row."""
    if known:
        uncut = asked.fold is None and (asked.valid, asked.test) == (
            "none",
            "none",
        )  # without splits, groups do not matter
        columns = replace(known.columns, group=None) if uncut else known.columns
    elif asked.start is not None:
        columns = columns_like(table, asked, asked.start.columns)
    else:
        if asked.input is None:
            check_one_input(table)
        columns = choose_columns(table, asked.input, asked.output, asked.group, asked.sequence)
        if asked.fold is None and asked.valid is None and asked.test is None:
            check_no_splits(table, columns)
    tables = [table, *others]
    for one in tables:
        check_columns(one, columns)
    if known is None:
        settled = intake_like(table, columns, asked)
        read = asked.read or (settled.input.kind if settled else "vectors")
        for names, kind in ((columns.inputs, read), (columns.outputs, asked.kind or "value")):
            check_thousands(table, names if kind in ("vectors", "value") else ())
    if columns.sequence:
        kept = [*columns.outputs, *([columns.group] if columns.group else [])]
        tables = _gather_sequences(tables, columns, kept, asked, known)
    return tables, columns


def _reader(
    table: TableFile, columns: Columns, taken: InputKind, asked: Asked, known: Known | None, cut: bool
) -> RowReader:
    """The reader of the rows. If they are split, it also scans columns that may hold dates or sources of rows."""
    used = [*columns.all, *([columns.sequence] if columns.sequence else [])]
    clocks, sources, addresses = list[str](), list[str](), list[str]()
    if cut and not columns.sequence:
        if known is None:
            numbers = set(columns.inputs) if len(columns.inputs) > 1 else ()  # an id of the source may be among them
            clocks = clock_columns(table, used)
            addresses = address_columns(table, used)
            sources = source_columns(table, [name for name in used if name not in numbers])
        elif columns.time in table.columns:
            clocks = [columns.time] if columns.time else []
    others = [one for one in sources if one not in clocks and one not in addresses]
    return RowReader(columns, taken, table.label_column, clocks, others, asked.rows, addresses)


def _time_of(path: str | Path, rows: RowReader, asked: Asked, columns: Columns, known: Known | None) -> str | None:
    """The column of dates by which the last rows become the test split: if rows are in its order, and no other way of
    splitting was requested. Raises OptionError for `--shuffle` if rows are drawn at random anyway."""
    ordered = next((name for name, clock in rows.clocks.items() if clock.direction), None)
    if asked.shuffle and known is None and (ordered is None or columns.group or asked.fold):
        raise OptionError(
            f"--shuffle is for rows in the order of a column of dates; the rows of {path} are drawn at random "
            "already.\nLeave it out."
        )
    return None if asked.shuffle or columns.group or asked.fold else ordered


def _notes(
    table: TableFile, rows: RowReader, columns: Columns, intake: Tokens | Features, answers: Mapping[str, Answered],
    asked: Asked, known: Known | None, cut: bool,
) -> tuple[str, ...]:  # fmt: skip
    """Notes on how the table was understood, where something else may be meant."""
    notes = []
    for name, answered in answers.items():
        decided = known or asked.kind or (asked.start and name in asked.start.outputs)
        if not decided and (why := rows.columns[name].why):
            notes.append(f"{name}: {why}")
        if isinstance(answered, Labels | LabelSets):
            found = (differ_by_case(answered.facts()), differ_as_written(answered.facts()))
            notes += [f"{name}: {note}" for note in found if note]
    if known is None and asked.input is None and (unread := unread_note(table, columns)):
        notes.append(unread)
    if known is None and (constant := _constant_columns(columns, intake)):
        notes.append(constant)
    if isinstance(rows.taken, VectorInput) and known is None and asked.read is None:
        notes += filter(None, [say_pictures(table, columns.inputs)])
    if cut and columns.time:
        odd = rows.clocks[columns.time].odd
        but = f" ({odd:,} without a date, or out of order)" if odd else ""
        notes.append(
            f"validation and test are the last rows by '{columns.time}'{but}; to draw them at random: --shuffle"
        )
    if cut and not columns.group:
        found_sources = [*(one.note for one in rows.of_whom.values()), rows.name_parts.note]
        notes += [note for note in found_sources if note][:MOST_NOTED]
    return tuple(notes)


def _constant_columns(columns: Columns, intake: Tokens | Features) -> str:
    """The note on columns of numbers that are constant in the training split."""
    if not isinstance(intake, Features) or len(columns.inputs) != len(intake.constant):
        return ""
    names = [name for name, same in zip(columns.inputs, intake.constant, strict=True) if same]
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
    tables: list[TableFile], columns: Columns, kept: list[str], asked: Asked, known: Known | None
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
    settles = known or (asked.start if asked.kind is None else None)
    tags = settles.each if settles else frozenset(columns.outputs if asked.kind == "tags" else ())
    return [SequenceTable(one.table, one.sequence, fixed - tags) for one in found]


def check_columns(table: TableFile, columns: Columns) -> None:
    """Raises DataError if a table lacks a column."""
    there = set(table.columns)
    for name in (*columns.all, *([columns.sequence] if columns.sequence else [])):
        if name not in there:
            near = nearest(name, table.columns[:MOST_COMPARED])
            bare = (
                "\nIts first row looks like data, but names of columns were expected there."
                if table.bare_names
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
    asked: Asked, taken: InputKind, training: Any, texts: Texts, rows: Ids, settled: Tokens | Features | None,
    before: Output | None,
) -> tuple[Tokens | Features, Written, str]:  # fmt: skip
    """The featurizer of the inputs, the target texts, and a note; taken from a run if one settles them.

    training: the inputs of the training split. texts: the targets of all rows. rows: the training split."""
    if settled is not None and isinstance(before, TextOutput):
        return settled, Written(before, texts, *encode_texts(before.table, texts)), ""
    read = training if settled is None and isinstance(taken, TextInput) else None
    own: Any = PartItems(texts, rows)
    chosen = learn_spelling(asked.symbols, read, own)
    ids, starts = encode_texts(chosen.table, texts)
    output = TextOutput(chosen.table, int((starts[rows + 1] - starts[rows]).max()))
    written = Written(output, texts, ids, starts)
    if settled is not None:
        return settled, written, chosen.note
    if isinstance(taken, LabelInput):
        return LabelTokens.learn(training), written, chosen.note
    intake = learn_features(taken, training, asked.patches) if chosen.tokens is None else chosen.tokens
    return intake, written, chosen.note


def _learn_featurizer(asked: Asked, taken: InputKind, training: Any, given: bool) -> Tokens | Features:
    if isinstance(taken, TextInput):
        return (learn_given if given else learn_tokens)(asked.symbols, training)
    if isinstance(taken, LabelInput) and not given:
        return LabelTokens.learn(training)
    if asked.symbols != "auto":
        raise OptionError(f"--tokenizer is for texts, but the input is of kind {taken.kind}. Leave it out.")
    if given and not isinstance(taken, VectorInput):
        raise OptionError(f"Tags need words or vectors as steps, but the input is of kind {taken.kind}.")
    return learn_features(taken, training, asked.patches)


def _grow_featurizer(table: Table, taken: InputKind, training: Any, given: bool) -> tuple[Tokens, str]:
    """The featurizer of a run that starts from a language model."""
    if not isinstance(taken, TextInput) or given:
        found = "tags, one per step" if given else f"an input of kind {taken.kind}"
        raise OptionError(
            f"--init-from a language model predicts from whole texts, but the data has {found}. Leave it out."
        )
    return grow_tokens(table, training)
