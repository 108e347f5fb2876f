"""A trained run of any task: its methods, and the options that its task refuses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from unrolled.arguments import checked
from unrolled.data.dataset.outputs import Output
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.in_memory import IN_MEMORY, KEPT_TABLE
from unrolled.data.tables.python_data import as_data
from unrolled.errors import OptionError, RunError
from unrolled.keywords import SampleKeywords
from unrolled.metrics.reach import Reach
from unrolled.rundir.folder import RunFolder
from unrolled.settings import SampleSettings
from unrolled.tasks.base import Task
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.frames import DataFrame
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.requests import InferenceInput
from unrolled.tasks.results import RankedLine, RowPrediction
from unrolled.threads import ThreadChoice

METHODS = ("predict", "sample", "score", "reach", "replacements")
"""Methods that runs of some tasks have; all runs have `evaluate` and `info`."""
NO_COMMANDS = ("reach", "replacements")  # those of them that are no commands
OPTIONS = {
    "errors": "--errors lists rows with a wrong prediction",
    "error_page": "--errors with a name that ends in .html shows images",
    "skip_empty": "--skip-empty applies to tables",
    "adapt": "--adapt applies to language models",
    "top": "--top applies to labels, tags and generated texts",
    "every": "--every applies to labels and tags",
    "beam": "--beam applies to runs that generate texts",
    "temperature": "--temperature applies to runs that generate texts",
    "seed": "--seed applies to runs that generate texts",
    "generation": "generation applies to runs that generate texts",
    "show_attention": "--show-attention applies to runs that generate texts, and to images",
    "hedge": "--hedge applies to captions whose confidence is known",
    "stop_when_sure": "--stop-when-sure applies to nets that look by glimpses",
}
"""Options of `predict` and `evaluate`, each with what it applies to. `Run.accepts` names those of a task."""

Read = TypeVar("Read", bound=Task)
Data: TypeAlias = str | TableFile
"""A path, or a table that has none."""
ReadAgain: TypeAlias = Callable[[Data | None, bool], Task]
"""Reads the data of an evaluation: (data, or None for the run's own data; whether to leave out rows with an empty
cell). Raises DataError, OptionError, RunError."""


class PredictOptions(NamedTuple):
    """Options of `predict`."""

    top: int | None = None  # number of labels or texts per output, the best first; None: all labels, one text
    every: bool = False  # a prediction after each step of a row
    generation: GenerationConfig | None = None  # None: as selected on validation
    show_attention: bool = False  # with the attention weights of a generated text, or a map of where an image counts
    hedge: bool = False  # "perhaps" before captions with little confidence
    stop_when_sure: float | None = None  # probability of a label from which on no further glimpse is taken


class EvaluateOptions(NamedTuple):
    """Options of `evaluate`."""

    errors: bool = False  # list the wrong predictions
    skip_empty: bool = False  # leave out rows with an empty cell
    adapt: bool = False  # also score a copy that learns while it reads
    error_page: bool = False  # make a page of the images with a wrong prediction


class Run(ABC):
    """A run folder's model, ready for predictions. Made by `load`. A method that its task lacks raises RunError.

    A subclass belongs to one task, and overrides the methods that its task has.
    """

    kind: ClassVar[str]  # what run.json calls the task
    does: ClassVar[str]  # what a run of the task does, for messages
    accepts: frozenset[str]  # of OPTIONS
    selected: list[str]  # names of the selected models

    def __init__(self, folder: RunFolder, reread: ReadAgain, device: str = "cpu", threads: int | None = None) -> None:
        """threads: at most the number of cores; None: whichever is faster."""
        self.folder, self.settings, self.device = folder, folder.settings, device
        self.threads = ThreadChoice(threads)  # for batches of rows
        self._reread = reread

    def __repr__(self) -> str:
        """Its folder, model, data, task and status, in one line."""
        data = self.facts["data"]
        kept = IN_MEMORY if data["path"] == KEPT_TABLE else "standard input"
        source = kept if data["kept"] else Path(data["path"]).name
        model = "+".join(self.facts.get("selected") or [self.settings.net_name])
        return f"<unrolled.Run {str(self.path)!r}: {model} of {source}, kind '{self.kind}', {self.facts['status']}>"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def facts(self) -> dict[str, Any]:
        """The contents of run.json."""
        return self.folder.facts

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of weights of the net; 0 without a net."""

    @property
    def other_commands(self) -> tuple[str, ...]:
        """Commands for it that are no methods."""
        return ()

    @property
    def outputs(self) -> Mapping[str, Output]:
        """The outputs per row, by name; none for a language model."""
        return {}

    def info(self) -> dict[str, Any]:
        """The facts about the run, for JSON."""
        plans = self.folder.log.read_plans()
        checked = (
            {}
            if self.folder.has_checksums
            else {"checksums": "none: made by an older version; damage is not detected"}
        )
        facts = {"path": str(self.path), "parameters": self.parameters, **self.facts, **checked}
        return facts | {"plan": plans[-1] if plans else None}

    # Methods and options of its task

    @classmethod
    def methods(cls) -> list[str]:
        """The methods that a run of this task has."""
        own = [verb for verb in METHODS if getattr(cls, verb) is not getattr(Run, verb)]
        return [*own, "evaluate", "info"]

    def check_can(self, verb: str) -> None:
        """Raise RunError unless the run's task has this method."""
        if verb not in self.methods():
            raise self._lacks(verb)

    def _lacks(self, verb: str) -> RunError:
        verbs = self.methods()
        commands = [f"unroll {one}" for one in (*verbs, *self.other_commands) if one not in NO_COMMANDS]
        return RunError(
            f"{self.path} holds a run of kind '{self.kind}', which has no {verb}().\n"
            f"Commands for it: {', '.join(commands)}.\nFrom Python: {', '.join(f'{one}()' for one in verbs)}."
        )

    def check_options(self, **given: Any) -> None:
        """Raise OptionError for the first given option of OPTIONS that the run's task does not take."""
        for name, value in given.items():
            if value is not None and value is not False and name not in self.accepts:
                raise OptionError(f"{OPTIONS[name]}, but this run {self.does}. Leave it out.")

    # Methods of a run

    @checked
    def evaluate(
        self,
        data: object = None,
        *,
        errors: bool = False,
        skip_empty: bool = False,
        adapt: bool = False,
        error_page: bool = False,
    ) -> Evaluation:
        """The scores on the run's own test split (or validation split, without one), or on other data: the path
        of a text or a table, or data in memory as `unrolled.train` takes it.

        errors: list the wrong predictions. skip_empty: leave out rows of the table with an empty cell. adapt: for a
        text, also score a copy that learns while it reads; the run does not change. error_page: for images, also make
        a page of the wrong predictions, as HTML. Raises OptionError for an option that the run does not take.
        """
        options = EvaluateOptions(errors, skip_empty, adapt, error_page)
        self.check_options(**options._asdict())
        if skip_empty and data is None:
            raise OptionError(
                "--skip-empty needs the path of a table; the run's own test split does not change. Leave it out."
            )
        return self._evaluate(None if data is None else as_data(data), options)

    @abstractmethod
    def _evaluate(self, data: Data | None, options: EvaluateOptions) -> Evaluation:
        """As `evaluate`, with options that the task takes."""

    @overload
    def predict(
        self,
        rows: DataFrame,
        *,
        top: int | None = None,
        every: bool = False,
        generation: GenerationConfig | None = None,
        show_attention: bool = False,
        hedge: bool = False,
        stop_when_sure: float | None = None,
    ) -> Any: ...

    @overload
    def predict(
        self,
        rows: Iterable[Any],
        *,
        top: int | None = None,
        every: bool = False,
        generation: GenerationConfig | None = None,
        show_attention: bool = False,
        hedge: bool = False,
        stop_when_sure: float | None = None,
    ) -> Iterator[RowPrediction]: ...

    def predict(
        self,
        rows: Any,
        *,
        top: int | None = None,
        every: bool = False,
        generation: GenerationConfig | None = None,
        show_attention: bool = False,
        hedge: bool = False,
        stop_when_sure: float | None = None,
    ) -> Any:
        """Predictions for each text, path or row of cells, in order, streaming: an iterator of `RowPrediction`.
        Inputs that wait form a batch.

        rows: an iterable of these; or data in memory as `unrolled.train` takes it, of which the input columns are
        read, or the values of the input column alone. For a DataFrame the predictions are a DataFrame too, with the
        same index: a column per output, with the probability of a label, or the interval of a number, beside it.

        A single string is one text. An empty input gives an empty prediction in its place; an audio file or an
        image that cannot be read gives one with `error`.

        top: number of labels per output, the most probable first; None: all. For generated texts: number of
        `alternatives`, found by a beam. every: a prediction after each step of a row, in constant memory. generation:
        how texts are generated (greedy, beam search or sampling); None: as selected on validation. show_attention:
        with the attention weights of generated texts; for labels and numbers of images, with `maps` of where the
        evidence is. hedge: "perhaps" before captions with a confidence under a quarter. stop_when_sure: of a net that
        looks by glimpses, the probability of a label from which on it takes no further one. Raises OptionError for an
        option that the run does not take.

        Examples:
            >>> [found.best("label") for found in load("runs/reviews").predict(["a fine film"])]  # doctest: +SKIP
            >>> [found.texts["en"].text for found in load("runs/de-en").predict(["ein hund"])]  # doctest: +SKIP
        """
        raise self._lacks("predict")

    def read_input(self, source: str) -> Iterator[InferenceInput] | None:
        """The inputs in a path: rows of a table's input columns, the audio files or images of a folder, or one file.

        None for a file of lines. Raises DataError for a missing column.
        """
        raise self._lacks("predict")

    @property
    def has_pictures(self) -> bool:
        """Whether its inputs are images, or numbers that are shown as one."""
        return False

    @property
    def input_noun(self) -> str:
        """Its kind of inputs, for messages."""
        return "texts"

    def picture(self, given: InferenceInput | str, side: int) -> NDArray[np.uint8]:
        """An input for people to look at: bytes (H, W, 1 or 3), upright. side: pixels on a side of an image from a
        file, at most. Raises MediaError for a file that cannot be read, RunError for inputs of another kind."""
        raise RunError(f"{self.path} {self.does}: it has no images to show.")

    def sample(
        self, settings: SampleSettings | None = None, number: int = 0, **requested: Unpack[SampleKeywords]
    ) -> Iterator[str]:
        """Generate text, streaming; `number` distinguishes several samples with one seed.

        Examples:
            >>> print("".join(load("runs/poems").sample(prompt="O ", length=200)))  # doctest: +SKIP
        """
        raise self._lacks("sample")

    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        """The surprise of each line, streaming; the state is carried from line to line unless `alone`.

        adapt: also the surprise of a copy that learns from each line after scoring it.
        """
        raise self._lacks("score")

    def reach(self, seconds: float = 10.0) -> Reach:
        """How far back the model uses its context, measured on the validation split in about this many seconds.

        Kept in the run as long as its weights stay the same. Raises DataError without a validation split.
        """
        raise self._lacks("reach")

    def replacements(self, text: str) -> dict[str, str]:
        """The characters of `text` that the vocabulary lacks, with their replacements."""
        raise self._lacks("replacements")

    def _read(self, task: type[Read], data: Data | None, skip_empty: bool = False) -> Read:
        """The data of an evaluation, as this task; data None: the run's own data."""
        found = self._reread(data, skip_empty)
        if not isinstance(found, task):
            raise RunError(f"{self.path} {self.does}, and {data or 'its data'} was read as {found.kind}.")
        return found
