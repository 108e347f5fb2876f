"""The interface of a task: its data, model and evaluation, as a training uses them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from torch import nn

from unrolled.data.tables.base import TableFile
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.weights import Components
from unrolled.rundir.sessions import best_components, recorded_plans

if TYPE_CHECKING:
    from unrolled.options import TrainSettings
    from unrolled.rundir.folder import RunFolder
    from unrolled.tasks.record import ConclusionCost, TrainingRecord
    from unrolled.training.loop import BatchSource
    from unrolled.training.plan import Clock, Plan


class Evaluated(NamedTuple):
    """The loss of a model on a split."""

    nats: float  # in the unit of the task
    items: int  # number of items evaluated


class StartingWeights(NamedTuple):
    """The components that a training takes over from a run."""

    components: Components
    skipped: Mapping[str, str] = MappingProxyType({})  # component that is not taken over -> the reason


@dataclass(frozen=True)
class Baseline:
    """A baseline and its scores in the unit of the task; None where a split is empty."""

    name: str  # "7-gram (Kneser–Ney)", with what was cut short, if anything
    validation: float | None
    test: float | None

    def facts(self) -> dict[str, Any]:
        """The facts for run.json."""
        return {"name": self.name, "validation": self.validation, "test": self.test}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Baseline:
        """The baseline with these facts."""
        return cls(str(facts["name"]), facts["validation"], facts["test"])


class Terms(NamedTuple):
    """The terms in which the training of a task is printed."""

    unit: str  # of scores: "nats per character"
    items: str  # what scores count: "tokens"
    baseline: str  # the baseline: "n-gram"
    first_heading: str  # heading of the first sample
    newest_heading: str  # heading of the newest sample
    next_command: str  # the command for a trained run: "sample"


class Concluded(Protocol):
    """The summary of a training: a few lines, derived from its figures."""

    @property
    def lines(self) -> list[str]: ...

    def to_dict(self) -> dict[str, Any]: ...


class Task(ABC):
    """A task: data with a model to train on it, as a training needs them. A subclass is final.

    Items are the units that scores count: tokens of a text, or rows of a table.
    """

    kind: ClassVar[str]  # its name in run.json
    data: ClassVar[str]  # "text" or "table"
    settings_class: ClassVar[type[TrainSettings]]  # the options of the task
    terms: ClassVar[Terms]
    baseline_share: float  # largest share of a budget in minutes for the baseline
    ranked_items: ClassVar[int] = 0  # most validation items processed once more at the end
    settings: TrainSettings

    @classmethod
    @abstractmethod
    def read_again(cls, path: Path, run: RunFolder) -> Self:
        """The task of a run on its own data. Raises DataError."""

    @classmethod
    @abstractmethod
    def read_for_evaluation(cls, path: Path, run: RunFolder, settings: Any, opened: TableFile | None = None) -> Self:
        """As `read_again`, on other data, as one split: of data that comes in splits only the test split. settings:
        of the run, or with other settings for reading. opened: the table, if it has no path."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The data as it was understood, in one line."""

    @property
    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """path -> sha256."""

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Errors of the files that were left out, a line each."""
        return ()

    @property
    @abstractmethod
    def trained(self) -> bool:
        """Whether a model is trained by updates; otherwise `fit_without_net` counts or fits it."""

    @property
    @abstractmethod
    def untrained(self) -> float:
        """The loss of an untrained model, in nats."""

    @property
    def fallback_model(self) -> str | None:
        """The model to use if a budget leaves no time for a net; None if the task needs a net."""
        return None

    @property
    def vocabulary_size(self) -> int:
        """Size of the vocabulary of a text."""
        return 1

    @property
    def reading_note(self) -> str:
        """What is computed of the inputs first, appended to the printed plan."""
        return ""

    @property
    def selection_note(self) -> str:
        """What happens to the trained model at the end, appended to the printed plan."""
        return ""

    @property
    def closing_notes(self) -> list[str]:
        """What went wrong meanwhile without ending the training, printed at its end."""
        return []

    @property
    def memorisable(self) -> int:
        """Number of training tokens that a sample is compared with for memorisation."""
        return 0

    @abstractmethod
    def items(self, split: str) -> int:
        """Number of items of the training, validation or test split."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Facts about the data, for JSON."""

    @abstractmethod
    def tables(self) -> dict[str, Any]:
        """What predictions need beside weights: the contents of vocabulary.json."""

    def save_files(self, run: RunFolder) -> None:
        """Save what predictions need beside `tables` and weights."""
        return

    @abstractmethod
    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        """The plan for a number of seconds; None: for the requested number of updates."""

    @abstractmethod
    def make_model(self, plan: Plan) -> nn.Module:
        """An untrained model, the same for the same plan and seed."""

    @classmethod
    @abstractmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        """The untrained model of a run of this task, from a plan. Raises RunError."""

    def starting_components(self, source: RunFolder, theirs: type[Task]) -> StartingWeights:
        """The components that `--init-from source` takes from a run of the task `theirs`. Raises RunError."""
        return StartingWeights(
            best_components(source, recorded_plans(source)[0], lambda plan: theirs.model_of(source, plan))
        )

    @abstractmethod
    def make_batches(self, plan: Plan) -> BatchSource:
        """The training batches."""

    @abstractmethod
    def evaluate(self, model: nn.Module, split: str, limit: int, deadline: Deadline = UNLIMITED) -> Evaluated:
        """The loss on a split, on at most `limit` items or as many as there is time for. Raises Stopped."""

    @abstractmethod
    def sample_outputs(self, model: nn.Module) -> str:
        """A sample of the model's present output, with the same random numbers each time."""

    def memorisation(self, text: str, limit: int) -> tuple[int, float]:
        """Memorisation of a sample from `sample_outputs`: its longest verbatim run in `limit` training tokens, and
        the share of its segments that occur there. (0, 0.0) for a task whose `memorisable` is 0: there are no
        training tokens that a sample could repeat."""
        return 0, 0.0

    @abstractmethod
    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        """Make the baseline in time; keep it in the run if it can be part of the ensemble. Raises Stopped."""

    def start_from_baseline(self, run: RunFolder, models: tuple[nn.Module, ...]) -> None:
        """Before the first update, start what predicts from the baseline in the run, if that suits these models."""
        return

    @abstractmethod
    def kept_baselines(self, run: RunFolder) -> list[str]:
        """The names of the baselines that `count_baseline` kept in the run and `conclude` reads again."""

    @abstractmethod
    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        """Before the first update, estimate (or time) how long concluding takes, so that it ends in time."""

    @abstractmethod
    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        """With the best weights loaded: fit the ensemble, score the test split and return the summary."""

    @abstractmethod
    def fit_without_net(self, run: RunFolder, clock: Clock) -> Baseline:
        """Make and keep a model that is not trained by updates; return its score."""

    @abstractmethod
    def conclude_without_net(self, run: RunFolder, baseline: Baseline) -> Concluded:
        """The summary of that model."""
