"""A run that has been trained, whatever its task: what can be asked of it, and what its task refuses."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from unrolled.arguments import checked
from unrolled.data.outputs import Output
from unrolled.errors import OptionError, RunError
from unrolled.given import as_path
from unrolled.metrics.reach import Reach
from unrolled.options import DEFAULT_MODEL
from unrolled.rundir.folder import RunFolder
from unrolled.settings import SampleSettings
from unrolled.tasks.base import Subject
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.generation import Choice
from unrolled.tasks.requests import Given
from unrolled.tasks.results import Answer, RankedLine
from unrolled.threads import ThreadChoice

VERBS = ("predict", "sample", "score", "reach", "stand_ins")
"""What can be asked of runs of some tasks; of all of them `evaluate` and `info`."""
COMMANDS = ("predict", "sample", "score")  # of these what is a command too
OPTIONS = {
    "errors": "--errors lists rows with a wrong prediction",
    "skip_empty": "--skip-empty applies to tables",
    "adapt": "--adapt applies to language models",
    "top": "--top applies to labels and tags",
    "every": "--every applies to labels and tags",
    "beam": "--beam applies to runs that generate texts",
    "temperature": "--temperature applies to runs that generate texts",
    "seed": "--seed applies to runs that generate texts",
    "generation": "generation applies to runs that generate texts",
    "attention": "--attention applies to runs that generate texts",
}
"""What `predict` and `evaluate` take, and what each is of. A task says which of them it takes."""

Read = TypeVar("Read", bound=Subject)
Reread: TypeAlias = Callable[[str | None, bool], Subject]
"""Reads what a run is evaluated on: (path, None being the run's own data; whether rows with an empty cell are left
out). Raises DataError, OptionError, RunError."""


class PredictOptions(NamedTuple):
    """How rows are answered about."""

    top: int | None = None  # so many labels of each output, the likeliest first; all if left out
    every: bool = False  # the answer so far after each step of a row
    generation: Choice | None = None  # how texts are written; as validation preferred, if left out
    attention: bool = False  # with what was looked at while a text was written


class EvaluateOptions(NamedTuple):
    """What an evaluation has beside its scores."""

    errors: bool = False  # what was wrong
    skip_empty: bool = False  # rows of a table with an empty cell are left out
    adapt: bool = False  # the score of a copy that learns while it reads


class Run(ABC):
    """A run folder's model, ready to answer. Made by `load`; what its task has not raises RunError. A subclass is of
    one task; it overrides the verbs that its task has."""

    kind: ClassVar[str]  # what run.json calls the task
    does: ClassVar[str]  # what a run of the task does, in words
    takes: ClassVar[frozenset[str]]  # of OPTIONS
    left: list[str]  # names of the parts that it answers with

    def __init__(self, folder: RunFolder, reread: Reread, device: str = "cpu", threads: int | None = None) -> None:
        """threads: on how many it answers, at most all cores; what is faster where left out."""
        self.folder, self.settings, self.device = folder, folder.settings, device
        self.threads = ThreadChoice(threads)  # on which rows are read side by side
        self._reread = reread

    def __repr__(self) -> str:
        """Where it is, what it is and what it learnt from, in a line."""
        data = self.facts["data"]
        source = "standard input" if data["kept"] else Path(data["path"]).name
        model = "+".join(self.facts.get("left") or [self.settings.model or DEFAULT_MODEL])
        return f"<unrolled.Run {str(self.path)!r}: {model} of {source}, kind '{self.kind}', {self.facts['status']}>"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        return self.folder.facts

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Weights of the net; 0 where there is none."""

    @property
    def outputs(self) -> Mapping[str, Output]:
        """What it answers about a row, by name; nothing of a run on a text."""
        return {}

    def info(self) -> dict[str, Any]:
        """What the run is, in plain names."""
        plans = self.folder.read_plans()
        checked = (
            {} if self.folder.checked else {"checksums": "none: made by an older version; damage is not detected"}
        )
        facts = {"path": str(self.path), "parameters": self.parameters, **self.facts, **checked}
        return facts | {"plan": plans[-1] if plans else None}

    # What its task has, and what it takes

    @classmethod
    def verbs(cls) -> list[str]:
        """What can be asked of a run of this task, each a method."""
        own = [verb for verb in VERBS if getattr(cls, verb) is not getattr(Run, verb)]
        return [*own, "evaluate", "info"]

    def check_can(self, verb: str) -> None:
        """Raises RunError unless the run's task has this verb."""
        if verb not in self.verbs():
            raise self._lacks(verb)

    def _lacks(self, verb: str) -> RunError:
        verbs = self.verbs()
        commands = [f"unroll {one}" for one in verbs if one in (*COMMANDS, "evaluate", "info")]
        return RunError(
            f"{self.path} holds a run of kind '{self.kind}', which has no {verb}().\n"
            f"Commands for it: {', '.join(commands)}.\nFrom Python: {', '.join(f'{one}()' for one in verbs)}."
        )

    def check_options(self, **given: Any) -> None:
        """Raises OptionError for the first of these OPTIONS that is given and that the run's task does not take."""
        for name, value in given.items():
            if value is not None and value is not False and name not in self.takes:
                raise OptionError(f"{OPTIONS[name]}, but this run {self.does}. Leave it out.")

    # What can be asked of it

    @checked
    def evaluate(
        self,
        data: str | os.PathLike[str] | None = None,
        *,
        errors: bool = False,
        skip_empty: bool = False,
        adapt: bool = False,
    ) -> Evaluation:
        """The scores on the run's own test part (validation where it has none), or on a text or a table.

        errors: with what was wrong. skip_empty: rows of the table with an empty cell are left out. adapt: of a text,
        with the score of a copy that learns while it reads; the run stays as it is. Raises OptionError for what the
        run's task does not take.
        """
        options = EvaluateOptions(errors, skip_empty, adapt)
        self.check_options(**options._asdict())
        if skip_empty and data is None:
            raise OptionError(
                "--skip-empty needs the path of a table; the run's own test split does not change. Leave it out."
            )
        return self._evaluate(None if data is None else as_path(data), options)

    @abstractmethod
    def _evaluate(self, data: str | None, options: EvaluateOptions) -> Evaluation:
        """The same; options are those that the task takes."""

    def predict(
        self,
        rows: Iterable[Given | str],
        *,
        top: int | None = None,
        every: bool = False,
        generation: Choice | None = None,
        attention: bool = False,
    ) -> Iterator[Answer]:
        """An answer for each text, path or row of cells, in order, as they come: those that wait are answered
        together. One text alone is one text. What is empty has an empty answer in its place, and a sound or a picture
        that cannot be read one that says so.

        top: the likeliest labels of each output, so many; all if left out. every: the answer so far after each step
        of a row, in constant bytes. generation: how texts are written: greedy, a beam, or drawn, else as validation
        preferred. attention: with what was looked at. Raises OptionError for what the run's task does not take.

        >>> [answer.best("label") for answer in load("runs/reviews").predict(["a fine film"])]  # doctest: +SKIP
        >>> [answer.texts["en"].text for answer in load("runs/de-en").predict(["ein hund"])]  # doctest: +SKIP
        """
        raise self._lacks("predict")

    def read_input(self, source: str) -> Iterator[Given] | None:
        """What a path holds that is answered about: the rows of a table's input columns, a folder's sounds or
        pictures, or one of them; None where it is lines. Raises DataError where a column is missing."""
        raise self._lacks("predict")

    def sample(self, settings: SampleSettings | None = None, number: int = 0, **asked: Any) -> Iterator[str]:
        """Writes, piece by piece as text comes; `number` is which of several samples with one seed.

        >>> print("".join(load("runs/poems").sample(prompt="O ", length=200)))  # doctest: +SKIP
        """
        raise self._lacks("sample")

    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        """The surprise of each line as it comes, the state carried over them unless `alone`.

        adapt: beside it, the surprise to a copy that learns from each line once it was scored.
        """
        raise self._lacks("score")

    def reach(self, seconds: float = 10.0) -> Reach:
        """How far back the model looks, measured on the validation part in about so many seconds.

        Kept in the run, for as long as its weights stay the same. Raises DataError where there is no such part.
        """
        raise self._lacks("reach")

    def stand_ins(self, text: str) -> dict[str, str]:
        """The characters of `text` that the model has never met, and what it reads in their place."""
        raise self._lacks("stand_ins")

    def _read(self, subject: type[Read], data: str | None, skip_empty: bool = False) -> Read:
        """What it is evaluated on, of its own task; data None: its own data once more."""
        found = self._reread(data, skip_empty)
        if not isinstance(found, subject):
            raise RunError(f"{self.path} {self.does}, and {data or 'its data'} was read as {found.kind}.")
        return found
