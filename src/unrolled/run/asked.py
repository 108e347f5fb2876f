"""What a training is asked for and given: parts that exist, standard input kept, the run's own text read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from unrolled.arguments import Count, checked
from unrolled.data import Corpus, is_table, keep_standard_input, table_from_json
from unrolled.data.folders import label_folders
from unrolled.data.idx_form import find_idx
from unrolled.data.media_folders import check_not_flat, media_folder
from unrolled.data.pieces import PieceTable, WordTable
from unrolled.data.split_folders import find_splits
from unrolled.data.tables import check_no_tables, has_header
from unrolled.data.text import list_files
from unrolled.data.text_columns import ROW, text_column
from unrolled.errors import DataError, OptionError, RunError, command
from unrolled.escaping import folder_name
from unrolled.gradient import GRADIENTS
from unrolled.laws import MAKING_LAWS, MEMORY_LAWS, check
from unrolled.memory import MEMORIES, Memory
from unrolled.memory.own import is_own, not_brought
from unrolled.parts import LINEAR, UNTRAINED, build, choose, learnt_model, parse_part
from unrolled.run.answers import Answers
from unrolled.run.folder import RunFolder
from unrolled.run.language import Language
from unrolled.run.legs import recorded_plans
from unrolled.run.own_files import has_traces
from unrolled.run.rows import check_labels, read_rows, table_options
from unrolled.run.subject import Subject
from unrolled.run.writings import Writings
from unrolled.settings import DEFAULT_MODEL, TrainSettings, option_name

NEURAL_ONLY = (
    "steps", "size", "depth", "batch", "window", "rate", "dropout", "gradient", "device", "from_run", "plan", "pool",
    "direction", "balance", "augment", "freeze", "reader",
)  # fmt: skip
FOR_TABLES = (
    "input", "output", "group", "folds", "fold", "pool", "direction", "balance", "skip_empty", "read", "sequence",
    "inlet", "augment", "freeze", "reader", "no_header", "decimal", "shuffle", "rows",
)  # fmt: skip
FOR_TEXTS = ("documents", "window")
KEPT = "data.txt"  # of standard input, in a run's folder
WIDE = 27_720  # units that any number of heads up to 12 divides


def check_parts(settings: TrainSettings) -> None:
    """Raises OptionError for a model or gradient that there is not, or an option that the model has no use for."""
    model = settings.model or DEFAULT_MODEL
    if settings.mixed:
        parts = model.split("+")
        if sum(part not in UNTRAINED for part in parts) != 1 or len(set(parts)) < len(parts):
            raise OptionError(
                f"A mixture is of one learnt model and the n-gram, as in lstm+ngram or lstm/attention+ngram; "
                f"of a table, and the linear model: lstm+linear, or both: lstm+linear+ngram. Got '{model}'."
            )
        model = learnt_model(model) or ""
    names = model.split("/")
    if model in UNTRAINED:
        name, how = UNTRAINED[model]
        for field in NEURAL_ONLY:
            if getattr(settings, field) != getattr(TrainSettings(), field):
                raise OptionError(f"The {name} has no {option_name(field)}: it is {how}, not trained. Leave it out.")
    for name in names:
        kind, options = parse_part(name)
        if is_own(kind) and kind not in MEMORIES:
            raise not_brought(kind)
        choose("model", {**MEMORIES, **UNTRAINED}, kind)
        if kind in UNTRAINED and (options or len(names) > 1):
            raise OptionError(
                f"The {UNTRAINED[kind][0]} is a model of its own, without options; got '{settings.model}'.\n"
                f"To weigh it against what is learnt: lstm+{kind}."
            )
        if wrong := [option for option in options if option in ("size", "depth", "input_size")]:
            raise OptionError(f"{name}: the width and number of layers are --size and --depth, not {wrong[0]}=….")
        if is_own(kind):
            check_own(name)
        elif kind not in UNTRAINED:
            with torch.device("meta"):  # its options are looked at, and nothing is computed
                build("memory", MEMORIES, name, WIDE, settings.size or WIDE)
    build("gradient", GRADIENTS, settings.gradient)


@cache
def check_own(name: str) -> None:
    """Raises OptionError where a memory of the user's own breaks a law, with the smallest input that shows it."""

    @checked
    def make(input_size: Count, size: Count) -> Memory:
        return build("memory", MEMORIES, name, input_size, size)

    count = len(MEMORY_LAWS) + len(MAKING_LAWS)
    if broken := check(make):
        raise OptionError(
            f"{name} breaks {len(broken)} of the {count} laws that a memory keeps. The first:\n"
            f"{broken[0]}\n"
            "All of them, from Python: unrolled.laws.check. Nothing was trained."
        )


def as_recorded(recorded: RunFolder, settings: TrainSettings) -> TrainSettings:
    """What a recorded run was asked, with this command's folder, threads and device. Raises OptionError, RunError.

    All else comes from the recorded run, or it would not come out the same; an option that says otherwise is refused.
    """
    theirs = recorded.asked
    if theirs.model in UNTRAINED:
        raise RunError(f"{recorded.path} is a {counted(theirs.model)}: it has no plan to follow. Name a trained run.")
    own = ("minutes", "steps", "out", "threads", "device", "plan")
    for name, value in settings.to_json().items():
        if name not in own and value not in (getattr(TrainSettings(), name), getattr(theirs, name)):
            raise OptionError(
                f"--plan {recorded.path} trains again just as that run was; {option_name(name)} {value} would change "
                "it.\n"
                "Leave it out, or leave out --plan."
            )
    mine = {name: getattr(settings, name) for name in ("out", "threads", "device", "plan")}
    return dataclasses.replace(theirs, minutes=None, **mine)


def as_started_from(source: RunFolder, settings: TrainSettings, path: str | Path) -> TrainSettings:
    """The settings with the sizes of the run whose weights are the start. Raises OptionError, RunError."""
    if (model := source.asked.model) in UNTRAINED:
        raise RunError(f"{source.path} is a {counted(model)}: it has no weights to start from. Name a trained run.")
    theirs = recorded_plans(source)[0]
    sizes = {name: getattr(theirs, name) for name in ("model", "size", "depth")}
    for name, value in sizes.items():
        mine = getattr(settings.of_learnt(), name)
        if mine not in (value, getattr(TrainSettings(), name)):
            raise OptionError(
                f"--from {source.path} starts from a {theirs.model} of {theirs.depth} x {theirs.size}; "
                f"--{name} {getattr(settings, name)} is another.\nLeave it out, or leave out --from."
            )
    if source.facts["kind"] == Language.kind and not is_about_text(path, settings):
        return _as_begun(source, settings, sizes)
    own = source.asked
    if settings.symbols not in (TrainSettings().symbols, own.symbols):
        raise OptionError(
            f"--from {source.path} reads by symbols of its own; --symbols {settings.symbols} is another way.\n"
            "Leave it out, or leave out --from."
        )
    for name in ("pool", "direction", "inlet", "reader"):
        if getattr(settings, name) not in (getattr(TrainSettings(), name), getattr(own, name)):
            theirs_too = getattr(own, name) or "as planned"
            raise OptionError(
                f"--from {source.path} starts from a model of {option_name(name)} {theirs_too};\n"
                f"{option_name(name)} {getattr(settings, name)} is another. Leave it out, or leave out --from."
            )
    same = {name: getattr(own, name) for name in ("pool", "direction", "inlet", "reader")}
    built = {"model": settings.model or own.model} | same
    return dataclasses.replace(settings, **sizes | built)


def _as_begun(source: RunFolder, settings: TrainSettings, sizes: dict[str, Any]) -> TrainSettings:
    """The settings of what answers about rows and starts from a language model: it reads by its symbols, and ahead
    where it takes its memory."""
    taken = takes_memory(source, settings)
    way = "ahead, by" if taken else "by"
    for name in ("direction", "symbols") if taken else ("symbols",):
        if getattr(settings, name) not in (getattr(TrainSettings(), name), "ahead"):
            raise OptionError(
                f"--from {source.path} starts from a language model, which reads {way} symbols of its own;\n"
                f"{option_name(name)} {getattr(settings, name)} is another way. Leave it out, or leave out --from."
            )
    usual = None if sizes["model"] == DEFAULT_MODEL else f"{sizes['model']}+{LINEAR}"
    direction = "ahead" if taken else settings.direction
    return dataclasses.replace(settings, **sizes | {"model": settings.model or usual, "direction": direction})


def takes_memory(source: RunFolder, settings: TrainSettings) -> bool:
    """Whether what answers about rows takes the memory of the language model that it starts from. Where that reads
    words, it takes what these stand together with instead, unless all is to stay as it was learnt."""
    return settings.freeze is not None or source.read_symbols()["kind"] not in (WordTable.kind, PieceTable.kind)


def counted(model: str) -> str:
    """What a model that is not trained is: "counted n-gram"."""
    name, how = UNTRAINED[model]
    return f"{how} {name}"


def keep_input(kept: Path, asked: TrainSettings) -> Path:
    """Standard input, put into the file `kept`, so that it can be read again."""
    keep_standard_input(kept, any_bytes=asked.symbols == "byte")
    return kept


def read_input(kept: str | Path, asked: TrainSettings, known: RunFolder | None = None) -> Subject:
    """Standard input, which was put into the file `kept`, as the subject of a training (see `read_subject`)."""
    try:
        return read_subject(kept, asked, known)
    except DataError as error:
        raise type(error)(str(error).replace(str(kept), "standard input")) from None


def name_for(path: str | Path) -> str:
    """A run's name, after its data."""
    return "stdin" if str(path) == "-" else folder_name(Path(path).resolve().stem) or "run"


def read_again(folder: RunFolder, asked: TrainSettings) -> Subject:
    """The run's own data once more. Raises DataError where it is gone or is not what it was."""
    data = folder.facts["data"]
    path = folder.path / KEPT if data["kept"] else Path(data["path"])
    what = "text" if folder.facts["kind"] == Language.kind else "table"
    if data["kept"]:
        folder.check_file(KEPT)
    if not (path.is_file() or path.is_dir()):  # what is neither is no data that a run had
        raise DataError(f"The {what} that {folder.path} was trained on is gone: {path}.\nPut it back, or train anew.")
    subject = read_subject(path, asked, folder)
    if data["fingerprints"] and list(subject.fingerprints.values()) != list(data["fingerprints"].values()):
        again = [] if asked.model in UNTRAINED else ["--from", folder.path]
        words = dataclasses.replace(asked, from_run=None, freeze=None, plan=None).options()
        raise DataError(
            f"The {what} that {folder.path} was trained on has changed since: {path}.\n"
            f"Put the old one back, or train anew: {command('train', path, *words, *again)}"
        )
    return subject


def read_corpus_again(folder: RunFolder, asked: TrainSettings) -> Corpus:
    """The run's own text once more, as `read_again`. Raises RunError for a run about anything but a text."""
    subject = read_again(folder, asked)
    if not isinstance(subject, Language):
        raise RunError(f"{folder.path} was trained on {subject.description.split(':')[0]}, not on a text.")
    return subject.corpus


def as_read(path: str | Path, settings: TrainSettings) -> TrainSettings:
    """The settings, and where a table's column of text is what is learnt, that its rows are documents: of a table
    that has no other column, or of the one that is read --as language. Raises OptionError, DataError."""
    if settings.kind != Language.kind and str(path) != "-" and Path(path).is_dir():
        refuse_run(path)
        files = list_files(Path(path))
        if settings.read is None:
            check_no_tables(Path(path), files)
        check_not_flat(Path(path), files)
    given = [name for name in ("no_header", "decimal") if getattr(settings, name)]
    if given and not has_header(path):
        raise OptionError(f"{option_name(given[0])} is of csv and tsv, and {path} is none by its name. Leave it out.")
    by_itself = settings.kind in (None, Language.kind)
    rows = by_itself and (settings.documents == ROW or (settings.kind is not None and settings.input is not None))
    if rows and not is_table(path):
        asked = f"--documents {ROW}" if settings.documents == ROW else f"--input {settings.input}"
        raise OptionError(f"{asked} is of tables, and {path} is none by its name. Leave it out.")
    alone = None
    if by_itself and settings.output is None:
        alone = text_column(path, table_options(settings), names=settings.kind is not None)
    column = settings.input or alone
    if rows and column is None:
        raise OptionError(f"{path} has several columns; name the one whose texts are learnt: --input COLUMN")
    if column is None or not (rows or column == alone):
        return settings
    if settings.documents not in (ROW, TrainSettings().documents):
        raise OptionError(
            f"--documents {settings.documents}: {path} is a table, where each row is a document. Leave it out."
        )
    return dataclasses.replace(settings, kind=Language.kind, documents=ROW, input=column)


def as_evaluated(settings: TrainSettings, skip_empty: bool = False) -> TrainSettings:
    """What a run's settings say of the reading of another table, all of which is one part. skip_empty: its rows with
    an empty cell are left out, also where the run's own were not."""
    kept = {name: getattr(settings, name) for name in ("kind", "skip_empty", "no_header", "decimal")}
    kept["skip_empty"] = skip_empty or settings.skip_empty
    return TrainSettings(**kept, valid="none", test="none")


def is_about_text(path: str | Path, settings: TrainSettings) -> bool:
    """Whether what a path holds is learnt as a text, not as examples."""
    if str(path) != "-" and Path(path).is_dir() and settings.kind != Language.kind:
        # folders of texts are documents, unless their names are asked for, stand under those of splits or are labels
        if settings.kind == "label" or media_folder(path) or find_idx(Path(path)):
            return False
        return find_splits(Path(path)) is None and not label_folders(Path(path))
    return not is_table(path) or settings.kind == Language.kind


def read_subject(
    path: str | Path, asked: TrainSettings, known: RunFolder | None = None, measured: bool = False
) -> Subject:
    """What a path holds, as the subject of a training: a table's examples, or a text. known: a run by whose tables
    of symbols and labels it is read. measured: of what comes in splits the test split alone. Raises DataError,
    OptionError, RunError."""
    refuse_run(path)
    text = is_about_text(path, asked)
    begins = asked.from_run is not None and known is not None and known.path == Path(asked.from_run)
    if known is not None and not begins and Path(path).is_dir():  # a run knows what folders are to it
        text = known.facts["kind"] == Language.kind
    if begins and known is not None and known.facts["kind"] == Language.kind and not text:
        return _begin(path, asked, known)
    if known is not None and (known.facts["kind"] == Language.kind) != text:
        what = Language.kind if text else Answers.kind
        raise RunError(f"{known.path} is a run of kind '{known.facts['kind']}'; {path} is read as {what}.")
    tables = known.read_symbols() if known is not None else None
    model = asked.model or DEFAULT_MODEL
    if text:
        kept = ("input", "no_header") if asked.documents == ROW else ()
        refuse_options(asked, [name for name in FOR_TABLES if name not in kept], f"{path} is read as a text")
        if LINEAR in model.split("+"):
            raise OptionError(f"{path} is a text, and the linear model answers about rows. Try --model lstm+ngram.")
        return Language.read(path, asked, None if tables is None else table_from_json(tables))
    refuse_options(asked, FOR_TEXTS, f"{path} is a table")
    examples = read_rows(path, asked, tables, measured=measured)
    if examples.written is not None:
        return Writings(examples, asked)
    embed = None
    if begins and known is not None:
        check_labels(examples, f"--from {known.path}", "there is nothing to learn", "leave out --from")
        embed = recorded_plans(known)[0].embed
    return Answers(examples, asked, None if tables is None else tables.get("began"), embed)


def refuse_run(path: str | Path) -> None:
    """Raises DataError where a run's folder is given as data, RunError where it is a damaged one's."""
    if has_traces(path):
        RunFolder.open(path, kinds=None)
        raise DataError(
            f"{path} is a run, and data were expected: a text, a folder of texts or a table.\n"
            f"To train it further: {command('resume', path)}. To look at it: {command('info', path)}"
        )


def _begin(path: str | Path, asked: TrainSettings, source: RunFolder) -> Answers:
    """A table's examples as read by the symbols of a language model that is started from."""
    refuse_options(asked, FOR_TEXTS, f"{path} is a table")
    examples = read_rows(path, asked, None, table_from_json(source.read_symbols()))
    if examples.written is not None:
        raise OptionError(
            f"--from {source.path} starts from a language model, and answers with labels or numbers; here a text "
            "is to be written.\nLeave it out."
        )
    theirs = source.asked
    read_text = None if takes_memory(source, asked) else lambda: read_corpus_again(source, theirs)
    return Answers(examples, asked, Language.kind, recorded_plans(source)[0].embed, read_text)


def refuse_options(asked: TrainSettings, names: Sequence[str], why: str) -> None:
    """Raises OptionError for the first of these options that was given."""
    for name in names:
        if getattr(asked, name) != getattr(TrainSettings(), name):
            raise OptionError(f"{why}, which has no use for {option_name(name)}. Leave it out.")
