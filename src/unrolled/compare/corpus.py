"""The text of a comparison, and the errors for data and options that are not of a text."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from unrolled.compare_options import CompareSettings
from unrolled.data import DIAGNOSTICS, Corpus, read_documents
from unrolled.errors import DataError, OptionError, command, nearest
from unrolled.options import TrainOptions
from unrolled.settings import option_name
from unrolled.tasks.language_modeling.task import LanguageModeling
from unrolled.tasks.resolve import inspect_path, resolve

TEXT_OPTIONS = ("documents", "no_header", "task", "tokenizer")  # options for reading a text
TRAINING_OPTIONS = (
    "minutes", "steps", "hidden_size", "layers", "no_header", "tokenizer", "seed", "threads", "device",
)  # fmt: skip
"""Options that `unroll train` has too."""


def read_corpus_to_compare(data: str, settings: CompareSettings) -> Corpus:
    """The text at a path. settings: as typed.

    Raises DataError where there is nothing, or a table or labelled files that were not requested as a text.
    """
    if not Path(data).exists():
        raise DataError(
            f"There is no file, folder or task '{data}'.{nearest(data, DIAGNOSTICS)}\n"
            f"Give a text, or one of the tasks {', '.join(DIAGNOSTICS)}."
        )
    options = TrainOptions(seed=settings.seed, **{name: getattr(settings, name) for name in TEXT_OPTIONS})
    task = resolve(data, options) if inspect_path(data, options).text else None
    if not isinstance(task, LanguageModeling):
        raise no_text_error(data, settings)
    return task.corpus


def no_text_error(data: str, settings: CompareSettings) -> DataError:
    """The error for data from which a training predicts labels or numbers. settings: as typed."""
    what = "a folder of labelled files" if Path(data).is_dir() else "a table"
    shared = TrainOptions(**{name: getattr(settings, name) for name in TRAINING_OPTIONS})
    lines = [
        f"{data} is {what}, and models are compared on a text or a task.",
        f"To compare a net with the linear model on it: {command('train', data, *shared.options())}",
    ]
    with suppress(DataError):  # it contains no text
        read_documents(data)
        as_text = compare_command(data, replace(settings, task=LanguageModeling.kind))
        lines.append(f"To compare models on all of it, as one text: {as_text}")
    return DataError("\n".join(lines))


def compare_command(data: str, settings: CompareSettings) -> str:
    """The command of a comparison. settings: as typed."""
    out = ["--out", Path(settings.out)] if settings.out else []
    return command("compare", data, *settings.options(), *out)


def refuse_text_options(task: str, settings: CompareSettings) -> None:
    """Raises OptionError for an option for reading a text, in a comparison on a task."""
    for name in TEXT_OPTIONS:
        if getattr(settings, name) != getattr(CompareSettings(), name):
            raise OptionError(f"{option_name(name)} applies to texts, and {task} is a task. Leave it out.")
