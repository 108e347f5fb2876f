"""Reads examples: opens the tables, detects the kinds of their columns, reads the rows and splits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.dataset.alike import check_rows_differ
from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples, count_files
from unrolled.data.dataset.detect_input import check_text, detect_input
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.dataset.learn_featurizer import LearntFeaturizer, learn_featurizer, learn_seq2seq
from unrolled.data.dataset.notes import notes_on
from unrolled.data.dataset.number_advice import advice_for_numbers
from unrolled.data.dataset.open_tables import advice_for, open_other_tables, prepare_tables
from unrolled.data.dataset.output_kinds import decide_kinds, drop_rows_without_target, single_text_output
from unrolled.data.dataset.outputs import MultilabelOutput, Output
from unrolled.data.dataset.parse_targets import cells_as_texts, read_targets
from unrolled.data.dataset.read_rows import RowReader
from unrolled.data.dataset.repeated_rows import check_given_rows
from unrolled.data.dataset.reuse import reuse_featurizer, reuse_output
from unrolled.data.dataset.rows_of_files import file_notes, group_by_file, group_by_source, is_by_file
from unrolled.data.dataset.splits import split_fold, split_table
from unrolled.data.dataset.targets import Targets, shown
from unrolled.data.modalities.base import Ids, Modality
from unrolled.data.modalities.category import CategoryInput
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.text import TextInput
from unrolled.data.modalities.video import VideoInput
from unrolled.data.splits import parse_share
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.open import open_table
from unrolled.data.tables.row_order import address_columns, date_columns, describe_split, source_columns
from unrolled.errors import DataError, OptionError

MOST_BAD = 0.1  # largest share of unreadable audio files or images
LARGE = 64  # pixels on the longer side of an image, from which a pretrained net suits it
FEW = 5_000  # images, below which it does, whatever their size
PEEKED = 100  # rows from which the kind of targets is guessed before rows are read
SENTENCE = 3  # words
NAMED = 3  # unreadable files named in the error above that share


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
        others = open_other_tables(table, options, shares)
        tables, columns = prepare_tables(table, options, known, others)
    settled = known.featurizer if known else reuse_featurizer(tables[0], columns, options)
    with advice_for_numbers(tables[0], columns, options, known):
        modality = (
            settled.input if settled else detect_input(tables[0], columns, options.input_type, options.whole_images)
        )
        if settled is None and options.frame_net and isinstance(modality, VideoInput):
            options = replace(options, whole_images=options.frame_net(), pretrained=None)
            modality = detect_input(tables[0], columns, options.input_type, options.whole_images)
        if settled is None and options.pretrained and suits_pretrained(modality, tables[0], columns):
            whole = options.pretrained(options.task == "seq2seq" or are_sentences(tables[0], columns))
            if whole is not None:
                options = replace(options, whole_images=whole, pretrained=None)
                modality = detect_input(tables[0], columns, options.input_type, whole)
    source_note = ""
    cut = options.fold is not None or any(isinstance(share, float) and share > 0 for share in shares)
    if cut and known is None and isinstance(modality, VideoInput):
        grouped = group_by_source(tables[0], columns)
        if grouped != columns:
            columns = grouped
            source_note = f"clips of one '{grouped.group}' are kept in one split (override: --group)"
    reader = _reader(tables[0], columns, modality, options, known, cut)
    try:
        with advice_for(known), advice_for_numbers(tables[0], columns, options, known):
            rows = _read_rows(path, tables, reader, options.skip_empty)
    except InvalidCell:
        if known is not None or settled is None:
            raise
        again = replace(options, refit_featurizer=True)  # rows do not fit the run, for example other columns
        return read_examples(path, again)

    def place(row: int) -> str:
        return tables[rows.sources[row]].place(rows.numbers[row])

    detected = settled is None and options.input_type is None and isinstance(modality, TextInput)
    if detected and tables[0].has_mixed_columns:
        check_text(tables[0], columns, rows.items, place)
        rows.forms.check(columns.input, place)
    start = known or options.start
    before: Mapping[str, Output] = start.outputs if start else {}
    fixed = before if known or options.task is None else {}
    kinds = decide_kinds(tables, rows, options.task, fixed, options.skip_empty, place)
    tagged = _check_one_level(kinds)
    drop_rows_without_target(tables, rows, kinds, options.skip_empty)
    inputs = rows.inputs_by_number()
    texts_of_files = rows.named and "seq2seq" in kinds.values()
    if texts_of_files and known is None:
        columns = group_by_file(columns, inputs)
    columns = replace(columns, time=_time_of(path, rows, options, columns, known))
    source = np.array(rows.sources, np.uint8)
    splits = _split(path, rows, source, shares, columns, options)
    on_files = list(filter(None, [source_note]))
    if texts_of_files and known is None:
        on_files += file_notes(path, modality, columns, inputs, splits, cut, rows.hashes)
    training = SplitItems(rows.items, splits["training"])
    targets: dict[str, Targets] = {}
    if "seq2seq" in kinds.values():
        name = single_text_output(path, kinds)
        texts = cells_as_texts(rows.cells(tables[0], name))
        source_kind = CategoryInput() if detected and rows.few_inputs else modality
        learnt, targets[name] = learn_seq2seq(
            options, source_kind, training, texts, splits["training"], settled, before.get(name)
        )
    elif known:
        learnt = LearntFeaturizer(known.featurizer)
    else:
        learnt = learn_featurizer(options, modality, training, tagged, settled)

    def steps(row: int) -> int:
        return modality.steps_of(rows.items[row]) or 0

    def targets_of(name: str, kind: str) -> Targets:
        def read(output: Output | None) -> Targets:
            cells = rows.cells(tables[0], name)
            return read_targets(cells, kind, splits["training"], steps, place, output, options.label_sets)

        output = before.get(name)
        return read(output) if known else reuse_output(read, output, kind, splits["training"])

    targets |= {name: targets_of(name, kind) for name, kind in kinds.items() if kind != "seq2seq"}
    splits, untagged = leave_out_untagged(path, splits, targets)
    if known is None:
        check_rows_differ(path, training, modality)
    marks = np.array(rows.hashes, np.int64)
    if known is None:
        check_given_rows(path, marks, source, splits)
    held_out = np.concatenate([splits["validation"], splits["test"]])
    return Examples(
        path=Path(path), form=tables[0].format, columns=columns, items=rows.items, lengths=rows.items.lengths,
        numbers=np.array(rows.numbers, np.int64), tables=tuple(tables), source=source, inputs=inputs,
        targets=targets, splits=splits,
        fingerprints=_fingerprints(tables) | rows.fingerprints(),
        featurizer=learnt.featurizer, skipped=rows.skipped, unreadable=tuple(rows.unreadable),
        unreadable_rows=rows.unreadable_rows,
        repeated=int(np.isin(marks[held_out], marks[splits["training"]]).sum()),
        new_characters=learnt.new_characters, note=learnt.note,
        split_method=describe_split(columns.group, columns.time, options.fold, shares),
        notes=(*on_files, *notes_on(tables[0], rows, columns, learnt.featurizer, targets, options, known, cut)),
        untagged=untagged,
        sampled_rows=rows.drawn,
        blank=rows.blank,
    )  # fmt: skip


def leave_out_untagged(
    path: str | Path, splits: dict[str, Ids], targets: Mapping[str, Targets]
) -> tuple[dict[str, Ids], int]:
    """The splits without the rows that have no target, and how many these are: sets of labels of which none is
    learnt. Raises DataError if none is left."""
    kept = dict(splits)
    for target in targets.values():
        kept = {name: rows[target.has_targets(rows)] for name, rows in kept.items()}
    before, after = (sum(map(len, found.values())) for found in (splits, kept))
    if before and not after:
        known = next(target.output for target in targets.values() if not target.has_targets(splits["training"]).all())
        names = shown(known.names) if isinstance(known, MultilabelOutput) else ""
        raise DataError(f"{path}: no row has one of the labels that are learnt ({names}). Give rows with some.")
    return kept, before - after


def suits_pretrained(modality: Modality, table: TableFile, columns: Columns) -> bool:
    """Whether a net that was trained on photographs suits the inputs: images that are large, or few."""
    if not isinstance(modality, ImageInput):
        return False
    return max(modality.height, modality.width) >= LARGE or table.count_rows(columns.input) < FEW


def are_sentences(table: TableFile, columns: Columns) -> bool:
    """Whether the first targets are texts of several words, which are hardly ever the same."""
    rows = [row.cells for row in islice(table.rows(columns.outputs), PEEKED)]
    cells = [cell for cells in rows for cell in cells if isinstance(cell, str)]
    words = sum(len(cell.split()) for cell in cells)
    return bool(cells) and words >= SENTENCE * len(cells) and 2 * len(set(cells)) > len(cells)


def _check_one_level(kinds: Mapping[str, str]) -> bool:
    """Whether the outputs are tags, one per step. Raises OptionError if only some are."""
    tagged = "tagging" in kinds.values()
    if tagged and set(kinds.values()) != {"tagging"}:
        raise OptionError(
            "Tags (one per step) and row-level outputs cannot be trained in one run.\n"
            f"Name columns of one kind: --output {next(name for name, kind in kinds.items() if kind == 'tagging')}"
        )
    return tagged


def _split(
    path: str | Path, rows: RowReader, source: NDArray[np.uint8], shares: Sequence[float | str], columns: Columns,
    options: DatasetOptions,
) -> dict[str, Ids]:  # fmt: skip
    """The rows of each split. source: the table of each row, (N,)."""
    by_file = is_by_file(columns, rows.modality)
    groups = rows.inputs_by_number() if by_file else np.array(rows.group) if columns.group else None
    if options.fold is not None:
        return split_fold(path, options.fold, shares[0], source, groups, options.seed, by_file)
    direction = rows.date_orders[columns.time].direction if columns.time else 0
    return split_table(path, source, shares, groups, options.seed, direction, by_file)


def _reader(
    table: TableFile,
    columns: Columns,
    modality: Modality,
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
    return RowReader(columns, modality, table.label_column, clocks, others, options.rows, addresses)


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


def _read_rows(path: str | Path, tables: Sequence[TableFile], rows: RowReader, skip_empty: bool) -> RowReader:
    """`rows`, after reading all tables. Raises DataError if there are no rows, or too many cannot be read."""
    for number, one in enumerate(tables):
        rows.read(one, number, skip_empty)
    unreadable = rows.unreadable
    count = rows.unreadable_rows + len(rows.numbers)
    files = len(unreadable) + len(set(rows.input_hashes)) if unreadable else 0  # of which several rows may name one
    if not rows.numbers:
        raise DataError(
            unreadable[0] if unreadable else
            f"{path} holds a header, but no rows with an input and a target. Add some rows."
        )  # fmt: skip
    if rows.unreadable_rows > MOST_BAD * count or len(unreadable) > MOST_BAD * files:
        more = f"\nand {len(unreadable) - NAMED:,} more." if len(unreadable) > NAMED else ""
        shared = count > files  # rows name the same file
        raise DataError(
            f"{path}: {rows.unreadable_rows:,} of {count:,}{' rows' if shared else ''} cannot be read"
            + (f", because of {len(unreadable):,} of {count_files(files)}:\n" if shared else ":\n")
            + "\n".join(one.splitlines()[0] for one in unreadable[:NAMED])
            + f"{more}\nUp to {MOST_BAD:.0%} would be left out. Repair these files, or leave their rows out."
        )
    return rows


def _fingerprints(tables: Sequence[TableFile]) -> dict[str, str]:
    """path -> sha256; a second split of one path gets a key of its own."""
    found: dict[str, str] = {}
    for one in tables:
        mark = one.fingerprint()
        key = str(one.path) if found.get(str(one.path), mark) == mark else f"{one.path} ({len(found)})"
        found[key] = mark
    return found
