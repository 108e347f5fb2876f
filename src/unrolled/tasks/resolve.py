"""Resolve a path and options to a task: what the data are and what is trained on them is decided here, once.

`inspect_path` decides, without reading all of a path, whether it is a text or rows of a table. `resolve` reads it
and makes the task with its settings. `read_again` and `read_for_evaluation` read data for a run, whose task is known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from unrolled.data import Corpus, is_table, keep_standard_input, vocabulary_from_json
from unrolled.data.files.look import list_files
from unrolled.data.modalities.video import FrameFeaturizer
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.caption_files import check_captions, find_caption_file
from unrolled.data.tables.flat_folders import check_not_flat
from unrolled.data.tables.idx import find_idx
from unrolled.data.tables.in_memory import IN_MEMORY, KEPT_TABLE, MemoryTable
from unrolled.data.tables.media_folders import is_media_folder
from unrolled.data.tables.open import check_no_tables, has_header, open_table
from unrolled.data.tables.split_folders import find_splits
from unrolled.data.tables.text_folders import holds_labelled_texts
from unrolled.data.text.table_column import ROW, text_column
from unrolled.errors import DataError, OptionError, RunError, command
from unrolled.escaping import folder_name
from unrolled.options import DEFAULT_MODEL, EARLY, FRAMES, LanguageModelingSettings, TrainOptions
from unrolled.registry import LINEAR, UNTRAINED
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.own_files import has_traces, runs_held
from unrolled.rundir.sessions import recorded_plans
from unrolled.settings import option_name
from unrolled.tasks.base import Task
from unrolled.tasks.build import IMAGE_ATTENTION
from unrolled.tasks.dataset import known_of, read_task_examples, table_options
from unrolled.tasks.image_features import frozen_of
from unrolled.tasks.inherited import options_of_source, takes_memory
from unrolled.tasks.language_modeling.task import LanguageModeling
from unrolled.tasks.model_names import check_model_names
from unrolled.tasks.prediction.baselines import available_members
from unrolled.tasks.prediction.task import Prediction
from unrolled.tasks.pretrained import IMAGENET, IMAGENET_NET
from unrolled.tasks.reading_time import check_reading
from unrolled.tasks.seq2seq.task import Seq2Seq
from unrolled.tasks.table import TASKS
from unrolled.training.plan import Clock

KEPT = "data.txt"  # copy of standard input in a run's folder


class DataSource(NamedTuple):
    """The contents of a path, as far as `inspect_path` decides."""

    text: bool  # a text for a language model; else rows with targets
    column: str | None = None  # of a table that is used as a text: the column of documents
    table: TableFile | None = None  # the open table; None for a text
    in_memory: TableFile | None = None  # the table with this column, if it has no path


def resolve(
    path: str | Path, options: TrainOptions, source: RunFolder | None = None, clock: Clock | None = None,
    kept: Path | None = None, opened: TableFile | None = None,
) -> Task:  # fmt: skip
    """The task of a training on the data in `path`.

    source: the run to start from. clock: of a budget, which is refused if reading would take over half of it. kept:
    the file to which standard input ("-") is copied. opened: the table, if it has no path. Raises DataError,
    OptionError, RunError.
    """
    check_model_names(options)
    if opened is not None:
        _check_no_file_options(options)
    found = inspect_path(path, options) if opened is None else _inspect_table(opened, options)
    if found.text:
        _check_text(path, options, found)
    by_frames = options.encoder == FRAMES
    if by_frames:
        options = options.without("encoder")
    wanted = (
        options if source is None else dataclasses.replace(options, **options_of_source(source, options, found.text))
    )
    if found.table is not None:
        check_reading(found.table, wanted, clock)
        task = _read_rows(path, found.table, options, wanted, source)
        read = task.examples.featurizer
        if by_frames and not isinstance(read, FrameFeaturizer):
            raise OptionError(
                f"--encoder {FRAMES} reads videos, and the input here is {read.step_description}. Leave it out."
            )
        return task
    if kept is None:
        return _read_text(path, wanted, found, source)
    keep_standard_input(kept, any_bytes=options.tokenizer == "byte")
    try:
        return _read_text(kept, wanted, found, source)
    except DataError as error:
        raise type(error)(str(error).replace(str(kept), "standard input")) from None


def _check_no_file_options(options: TrainOptions) -> None:
    """Raise OptionError for options on how a csv is read, where the data is in memory."""
    if options.decimal:
        raise OptionError(
            "decimal applies to csv and tsv files, and the data is in memory. Leave it out, and convert texts to "
            "numbers:\nframe['y'].str.replace(',', '.').astype(float)"
        )
    if options.no_header:
        raise OptionError("no_header applies to csv and tsv files, and the data is in memory. Leave it out.")


def _check_text(path: str | Path, options: TrainOptions, found: DataSource) -> None:
    """Raise OptionError for an option that does not apply to a text."""
    if options.task not in (None, LanguageModeling.kind):
        raise OptionError(
            f"--task {options.task} applies to tables and to folders named after labels; {path} is read as a text.\n"
            "Leave it out, or give a table: csv, tsv, jsonl, parquet."
        )
    of_columns = [] if found.column else ["input", "no_header"]
    refuse_options(options, [*options.refused_by(LanguageModelingSettings), *of_columns], f"{path} is read as a text")
    if LINEAR in (options.model or DEFAULT_MODEL).split("+"):
        raise OptionError(f"{path} is a text, and the linear model needs a table. Try --model lstm+ngram.")


def _read_text(
    path: str | Path, wanted: TrainOptions, found: DataSource, source: RunFolder | None
) -> LanguageModeling:
    _check_source(source, path, LanguageModeling)
    as_rows = {"task": LanguageModeling.kind, "documents": ROW, "input": found.column} if found.column else {}
    table = None if source is None else vocabulary_from_json(source.read_vocabulary())
    settings = wanted.resolve(LanguageModelingSettings, **as_rows)
    return LanguageModeling.read(path, settings, table, found.in_memory)


def _read_rows(
    path: str | Path, table: TableFile, options: TrainOptions, wanted: TrainOptions, source: RunFolder | None
) -> Prediction | Seq2Seq:
    """The task of a training on rows, according to its outputs. options: as typed; wanted: with the options of the
    run to start from."""
    neither = set(options.refused_by(Prediction.settings_class)) & set(options.refused_by(Seq2Seq.settings_class))
    refuse_options(options, sorted(neither), f"{path} is a table")
    from_text = source is not None and source.facts["kind"] == LanguageModeling.kind
    tables = None if source is None else source.read_vocabulary()
    theirs = vocabulary_from_json(tables) if tables is not None and from_text else None
    start = None if source is None or from_text else known_of(source)
    examples = read_task_examples(path, wanted, None, theirs, opened=table, start=start)
    of_images = frozen_of(examples.featurizer) is not None and not isinstance(examples.featurizer, FrameFeaturizer)
    if wanted.encoder is None and of_images and source is None:
        wanted = dataclasses.replace(wanted, encoder=IMAGENET_NET, init_from=IMAGENET)
        if examples.text_targets is None:  # as good as training all of the net, in half the time
            wanted = dataclasses.replace(wanted, freeze=EARLY)
    task_class = Prediction if examples.text_targets is None else Seq2Seq
    for name in options.refused_by(task_class.settings_class):
        raise OptionError(
            f"{option_name(name)} applies to {options.owner(name).of}. Requested for {path}: "
            f"{examples.outputs_description}.\n"
            f"Leave it out, or train such outputs: {options.owner(name).selected_by}."
        )
    if "pool" in options.given() and all(predicted.each for predicted in examples.targets.values()):
        raise OptionError(
            f"--pool applies to predictions per row. Requested for {path}: {examples.outputs_description}, "
            "a prediction per step.\nLeave it out."
        )
    if task_class is Seq2Seq:
        if from_text:
            raise OptionError(
                f"--init-from {wanted.init_from} starts from a language model: that works for labels and numbers, "
                "and the output here is a text.\nLeave it out."
            )
        repeats = source is not None or wanted.plan is not None  # then the attention is that of the other run
        if wanted.attention is None and not repeats and frozen_of(examples.featurizer) is not None:
            wanted = dataclasses.replace(wanted, attention=IMAGE_ATTENTION)
        return Seq2Seq(examples, wanted.resolve(Seq2Seq.settings_class))
    settings = wanted.resolve(Prediction.settings_class)
    if source is None:
        return Prediction(examples, settings)
    if options.model is None:
        settings = dataclasses.replace(settings, model=available_members(examples, settings.model))
    embed = recorded_plans(source)[0].embedding_size
    if not from_text:
        return Prediction(examples, settings, (tables or {}).get("init_task"), embed)
    read_text = None if takes_memory(source, settings) else lambda: read_corpus_again(source)
    return Prediction(examples, settings, LanguageModeling.kind, embed, read_text)


def _check_source(source: RunFolder | None, path: str | Path, task_class: type[Task]) -> None:
    """Raise RunError if the kind of a run does not match the data."""
    if source is not None and source.facts["kind"] != task_class.kind:
        raise RunError(
            f"{source.path} is a run of kind '{source.facts['kind']}'; {path} is read as {task_class.kind}.\n"
            "Name a run of that kind, or leave out --init-from."
        )


def inspect_path(path: str | Path, options: TrainOptions) -> DataSource:
    """Decide what a path holds: a text, a table with a column of documents (its only column, or by --task
    language-modeling), or rows. Raises DataError, OptionError."""
    if str(path) != "-":
        refuse_run(path)
    folder = str(path) != "-" and Path(path).is_dir()
    text = options.task == LanguageModeling.kind
    if folder and not text and find_caption_file(Path(path)) is None:
        files = list_files(Path(path))
        if options.input_type is None:
            check_no_tables(Path(path), files)
        check_captions(Path(path), files)
        check_not_flat(Path(path), files)
    given = [name for name in ("no_header", "decimal") if getattr(options, name)]
    if given and not has_header(path):
        raise OptionError(
            f"{option_name(given[0])} applies to csv and tsv files; by its name {path} is neither. Leave it out."
        )
    if options.task not in (None, LanguageModeling.kind):
        return _look_at_rows(path, options)
    by_row = options.documents == ROW or (text and options.input is not None)
    if folder or not is_table(path):
        if by_row:
            requested = f"--documents {ROW}" if options.documents == ROW else f"--input {options.input}"
            raise OptionError(f"{requested} applies to tables; by its name {path} is not one. Leave it out.")
        return DataSource(text=True) if text or not folder else _look_at_rows(path, options)
    return _inspect_table(open_table(path, table_options(options)), options)


def _inspect_table(table: TableFile, options: TrainOptions) -> DataSource:
    """Decide whether a table is a column of documents or rows. Raises DataError, OptionError."""
    path, text = table.path, options.task == LanguageModeling.kind
    if options.task is not None and not text:
        return DataSource(text=False, table=table)
    by_row = options.documents == ROW or (text and options.input is not None)
    alone = text_column(table, names=text) if options.output is None else None
    column = options.input or alone
    if by_row and column is None:
        raise OptionError(f"{path} has several columns; name the one with the texts: --input COLUMN")
    if column is None or not (by_row or column == alone):
        return DataSource(text=True) if text else DataSource(text=False, table=table)
    if options.documents not in (ROW, "file"):
        raise OptionError(
            f"--documents {options.documents}: {path} is a table, where each row is a document. Leave it out."
        )
    return DataSource(text=True, column=column, in_memory=table if isinstance(table, MemoryTable) else None)


def _look_at_rows(path: str | Path, options: TrainOptions) -> DataSource:
    """Decide what a folder holds, or a path for which a task on rows was requested."""
    if str(path) == "-" or not (Path(path).is_dir() or is_table(path)):
        return DataSource(text=True)
    folder = Path(path)
    rows = options.task == "classification" or not folder.is_dir() or is_media_folder(path)
    if not (rows or find_idx(folder) or find_caption_file(folder) or find_splits(folder)) and (
        not holds_labelled_texts(folder)
    ):
        return DataSource(text=True)  # documents: the folders are neither splits nor labels
    return DataSource(text=False, table=open_table(path, table_options(options)))


def read_again(run: RunFolder) -> Task:
    """Read the run's own data again, as its task. Raises DataError if it is missing or has changed."""
    data, task_class = run.facts["data"], TASKS[run.facts["kind"]].task_class
    kept = KEPT_TABLE if data["path"] == KEPT_TABLE else KEPT  # no other file, whatever the facts say
    path = run.path / kept if data["kept"] else Path(data["path"])
    if data["kept"]:
        run.check_file(kept)
    elif str(path) == IN_MEMORY:
        raise DataError(
            f"{run.path} was trained on data in memory, of which it has no copy: it would have been too large.\n"
            "It predicts, and is evaluated on data that you give. It cannot be resumed, and its own splits are gone."
        )
    if not (path.is_file() or path.is_dir()):  # a device or pipe was never the data of a run
        raise DataError(
            f"The {task_class.data} that {run.path} was trained on is gone: {path}.\nPut it back, or train again."
        )
    task = task_class.read_again(path, run)
    if data["fingerprints"] and list(task.fingerprints.values()) != list(data["fingerprints"].values()):
        again = [] if run.settings.model in UNTRAINED else ["--init-from", run.path]
        words = run.options.without("init_from", "freeze", "plan").options()
        raise DataError(
            f"The {task_class.data} that {run.path} was trained on has changed since: {path}.\n"
            f"Put the old one back, or train again: {command('train', path, *words, *again)}"
        )
    return task


def read_corpus_again(run: RunFolder) -> Corpus:
    """The text of a language model's run, by `read_again`."""
    task = read_again(run)
    if not isinstance(task, LanguageModeling):
        raise TypeError("a language model's run was expected")
    return task.corpus


def read_for_evaluation(run: RunFolder, data: str | TableFile, skip_empty: bool = False) -> Task:
    """Read other data for a run's task, as one split; of data that comes in splits only the test split.

    data: a path, or a table that has none. skip_empty: leave out rows with an empty cell, even if the run's own were
    kept. Raises DataError, OptionError, RunError.
    """
    opened = None if isinstance(data, str) else data
    path = data if isinstance(data, str) else data.path
    if opened is None:
        refuse_run(path)
    task = TASKS[run.facts["kind"]].task_class
    if task is not LanguageModeling and opened is None and not (Path(path).is_dir() or is_table(path)):
        raise RunError(f"{run.path} is a run of kind '{task.kind}'; {path} is read as {LanguageModeling.kind}.")
    settings = run.settings
    if skip_empty:
        settings = dataclasses.replace(settings, skip_empty=True)
    if task is LanguageModeling and opened is not None:  # a run on a plain text has no column
        settings = dataclasses.replace(settings, documents=ROW, input=_column_of_texts(opened, settings.input))
    return task.read_for_evaluation(Path(path), run, settings, opened)


def _column_of_texts(table: TableFile, before: str | None) -> str:
    """The column with the texts for a language model: the run's own column, or the only one. Raises DataError."""
    column = before if before in table.columns else text_column(table)
    if column is None:
        raise DataError(f"A list of texts, or a column of them, was expected; the data has: {table.listed}.")
    return column


def name_for(path: str | Path) -> str:
    """The name of a run, from its data."""
    if str(path) == IN_MEMORY:
        return "data"
    return "stdin" if str(path) == "-" else folder_name(Path(path).resolve().stem) or "run"


def refuse_run(path: str | Path) -> None:
    """Raise DataError if a run's folder, or a folder of runs, is given as data, and RunError for a damaged
    run."""
    if has_traces(path):
        RunFolder.open(path, any_kind=True)
        raise DataError(
            f"{path} is a run, and data were expected: a text, a folder of texts or a table.\n"
            f"To continue training: {command('resume', path)}. To inspect it: {command('info', path)}"
        )
    if held := runs_held(path):
        raise DataError(f"{held}\nTo train, give a text, a folder of texts or a table.")


def refuse_options(options: TrainOptions, names: Iterable[str], why: str) -> None:
    """Raise OptionError for the first of these options that was typed."""
    for name in options.given():
        if name in names:
            raise OptionError(f"{why}, which has no use for {option_name(name)}. Leave it out.")
