"""What a training was asked and what it is given: the checks and readings that come before there is a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from unrolled.data import Corpus, keep_standard_input, read_corpus, table_from_json
from unrolled.errors import DataError, OptionError, RunError
from unrolled.gradient import GRADIENTS
from unrolled.memory import MEMORIES
from unrolled.run.folder import RunFolder
from unrolled.settings import TrainSettings, build, choose, parse_part
from unrolled.training.plan import Plan
from unrolled.training.planning import Task

NEURAL_ONLY = ("steps", "size", "depth", "batch", "window", "rate", "dropout", "from_run", "plan")
PLANNED = ("steps", "model", "size", "depth", "batch", "window", "rate", "dropout", "gradient", "threads")
OF_THE_DATA = ("documents", "symbols", "seed", "valid", "test", "from_run")


def read_plans(folder: RunFolder) -> list[Plan]:
    """The plans that a run recorded. Raises RunError where there is none: every trained run has one."""
    plans = [Plan.from_json({k: v for k, v in line.items() if k != "step"}) for line in folder.read_plans()]
    if not plans:
        raise RunError(f"{folder.path}/plan.jsonl is empty: the run is damaged, or a counted n-gram. Use another.")
    return plans


def follow_plan(settings: TrainSettings, recorded: RunFolder) -> TrainSettings:
    """The settings for `--plan RUN`: all that RUN was asked and that `settings` leaves open.

    How the data is read and the seed may be asked for anew. Raises OptionError for what the plan has decided.
    """
    defaults, before = TrainSettings(), TrainSettings.from_json(recorded.facts["asked"])
    for name in PLANNED:
        if (asked := getattr(settings, name)) != getattr(defaults, name):
            option = name.replace("_", "-")
            raise OptionError(
                f"--plan {recorded.path} has decided the {option}; --{option} {asked} was given too. Leave one out."
            )
    if before.model == "ngram":
        raise RunError(f"{recorded.path} is a counted n-gram: it has no plan. Train again with --model ngram.")
    open_still = [name for name in OF_THE_DATA if getattr(settings, name) == getattr(defaults, name)]
    taken = {name: getattr(before, name) for name in ("model", "gradient", *open_still)}
    return dataclasses.replace(settings, **taken)


def fit_source(settings: TrainSettings, source: RunFolder) -> TrainSettings:
    """The settings for `--from RUN`: its memory and sizes, where `settings` leaves them open."""
    first = read_plans(source)[0]
    if settings.model == TrainSettings().model:
        settings = dataclasses.replace(settings, model=first.model)
    return dataclasses.replace(settings, size=settings.size or first.size, depth=settings.depth or first.depth)


def check_parts(settings: TrainSettings) -> None:
    """Raises OptionError for a model or gradient that there is not, or an option that the model has no use for."""
    name, options = parse_part(settings.model)
    if name == "ngram":
        for field in NEURAL_ONLY:
            if getattr(settings, field) is not None:
                raise OptionError(
                    f"The n-gram has no --{field.replace('_', '-')}: it is counted, not trained. Leave it out."
                )
    choose("model", {**MEMORIES, "ngram": None}, name)
    if options:
        raise OptionError(f"The model {name} takes its options as --size, --depth and so on; got '{settings.model}'.")
    build("gradient", GRADIENTS, settings.gradient)


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
