"""What a training is asked for and given: parts that exist, standard input kept, the run's own text read again."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import torch

from unrolled.data import Corpus, keep_standard_input, read_corpus, table_from_json
from unrolled.errors import DataError, OptionError, RunError
from unrolled.gradient import GRADIENTS
from unrolled.laws import MEMORY_LAWS, check
from unrolled.memory import MEMORIES, Memory
from unrolled.memory.own import is_own, not_brought
from unrolled.run.folder import RunFolder
from unrolled.run.legs import recorded_plans
from unrolled.settings import COUNTED, DEFAULT_MODEL, TrainSettings, build, choose, learnt_model, parse_part
from unrolled.training.planning import Task

NEURAL_ONLY = (
    "steps", "size", "depth", "batch", "window", "rate", "dropout", "gradient", "threads",
    "device", "from_run", "plan",
)  # fmt: skip
WIDE = 27_720  # units that any number of heads up to 12 divides


def check_parts(settings: TrainSettings) -> None:
    """Raises OptionError for a model or gradient that there is not, or an option that the model has no use for."""
    model = settings.model or DEFAULT_MODEL
    if settings.mixed:
        parts = model.split("+")
        if len(parts) != 2 or parts.count(COUNTED) != 1:
            raise OptionError(
                f"A mixture is of one learnt model and the n-gram, as in lstm+ngram or lstm/attention+ngram; "
                f"got '{model}'."
            )
        model = learnt_model(model) or ""
    names = model.split("/")
    if names == ["ngram"]:
        for field in NEURAL_ONLY:
            if getattr(settings, field) != getattr(TrainSettings(), field):
                raise OptionError(
                    f"The n-gram has no --{field.removesuffix('_run')}: it is counted, not trained. Leave it out."
                )
    for name in names:
        kind, options = parse_part(name)
        if is_own(kind) and kind not in MEMORIES:
            raise not_brought(kind)
        choose("model", {**MEMORIES, "ngram": None}, kind)
        if kind == "ngram" and (options or len(names) > 1):
            raise OptionError(
                f"The n-gram is a model of its own, without options; got '{settings.model}'.\n"
                "To weigh it against what is learnt: lstm+ngram."
            )
        if wrong := [option for option in options if option in ("size", "depth", "input_size")]:
            raise OptionError(f"{name}: the width and number of layers are --size and --depth, not {wrong[0]}=….")
        if is_own(kind):
            check_own(name)
        elif kind != COUNTED:
            with torch.device("meta"):  # its options are looked at, and nothing is computed
                build("memory", MEMORIES, name, WIDE, settings.size or WIDE)
    build("gradient", GRADIENTS, settings.gradient)


@cache
def check_own(name: str) -> None:
    """Raises OptionError where a memory of the user's own breaks a law, with the smallest input that shows it."""

    def make(input_size: int, size: int) -> Memory:
        return build("memory", MEMORIES, name, input_size, size)

    if broken := check(make):
        raise OptionError(
            f"{name} breaks {len(broken)} of the {len(MEMORY_LAWS)} laws that a memory keeps. The first:\n"
            f"{broken[0]}\n"
            "All of them, from Python: unrolled.laws.check. Nothing was trained."
        )


def as_recorded(recorded: RunFolder, settings: TrainSettings) -> TrainSettings:
    """What a recorded run was asked, with this command's folder, threads and device. Raises OptionError, RunError.

    All else comes from the recorded run, or it would not come out the same; an option that says otherwise is refused.
    """
    theirs = TrainSettings.from_json(recorded.facts["asked"])
    if theirs.model == "ngram":
        raise RunError(f"{recorded.path} is a counted n-gram: it has no plan to follow. Name a trained run.")
    own = ("minutes", "steps", "out", "threads", "device", "plan")
    for name, value in settings.to_json().items():
        if name not in own and value not in (getattr(TrainSettings(), name), getattr(theirs, name)):
            option = "--" + name.removesuffix("_run")
            raise OptionError(
                f"--plan {recorded.path} trains again just as that run was; {option} {value} would change it.\n"
                "Leave it out, or leave out --plan."
            )
    mine = {name: getattr(settings, name) for name in ("out", "threads", "device", "plan")}
    return dataclasses.replace(theirs, minutes=None, **mine)


def as_started_from(source: RunFolder, settings: TrainSettings) -> TrainSettings:
    """The settings with the sizes of the run whose weights are the start. Raises OptionError, RunError."""
    if source.facts["asked"]["model"] == "ngram":
        raise RunError(f"{source.path} is a counted n-gram: it has no weights to start from. Name a trained run.")
    theirs = recorded_plans(source)[0]
    sizes = {name: getattr(theirs, name) for name in ("model", "size", "depth")}
    for name, value in sizes.items():
        mine = getattr(settings.of_learnt(), name)
        if mine not in (value, getattr(TrainSettings(), name)):
            raise OptionError(
                f"--from {source.path} starts from a {theirs.model} of {theirs.depth} x {theirs.size}; "
                f"--{name} {getattr(settings, name)} is another.\nLeave it out, or leave out --from."
            )
    return dataclasses.replace(settings, **sizes | {"model": settings.model or source.facts["asked"]["model"]})


def task_of(corpus: Corpus) -> Task:
    """What of the text a plan depends on."""
    documents = max(1, corpus.document_count)
    return Task(corpus.table.size, corpus.targets("training"), len(corpus.symbols) / documents)


def keep_input(path: str | Path, aside: Path) -> Path | None:
    """Standard input copied to a file in `aside`, so that the run can keep it; None for a path."""
    if str(path) != "-":
        return None
    kept = aside / "standard-input.txt"
    keep_standard_input(kept)
    return kept


def name_for(path: str | Path) -> str:
    """A run's name, after its data."""
    return "stdin" if str(path) == "-" else Path(path).resolve().stem or "run"


def read_again(folder: RunFolder, asked: TrainSettings) -> Corpus:
    """The run's own text once more. Raises DataError where it is gone or is not what it was."""
    data = folder.facts["data"]
    path = folder.path / data["path"] if data["kept"] else Path(data["path"])
    if not path.exists():
        raise DataError(f"The text that {folder.path} was trained on is gone: {path}.\nPut it back, or train anew.")
    table = table_from_json(folder.read_symbols())
    corpus = read_corpus(path, asked.documents, asked.symbols, asked.seed, asked.valid, asked.test, table)
    if data["fingerprints"] and list(corpus.fingerprints.values()) != list(data["fingerprints"].values()):
        raise DataError(
            f"The text that {folder.path} was trained on has changed since: {path}.\n"
            "Put the old one back, or train anew: unroll train "
            f"{path} --from {folder.path}"
        )
    return corpus
