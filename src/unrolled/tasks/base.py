"""What a training is about, as the training sees it: a text, or examples with answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from torch import nn

from unrolled.deadline import ENDLESS, Deadline
from unrolled.model.weights import Components
from unrolled.rundir.sessions import best_components, recorded_plans

if TYPE_CHECKING:
    from unrolled.options import TrainSettings
    from unrolled.rundir.folder import RunFolder
    from unrolled.tasks.record import ConclusionCost, TrainingRecord
    from unrolled.training.loop import Batches
    from unrolled.training.plan import Clock, Plan


class Reading(NamedTuple):
    """What a model is worth on a part."""

    nats: float  # in the subject's unit
    items: int  # that were read


class Started(NamedTuple):
    """What a training may take over from a run."""

    components: Components
    unlike: Mapping[str, str] = MappingProxyType({})  # component that is not taken over -> why


@dataclass(frozen=True)
class Baseline:
    """What is to be beaten, and its scores in the subject's unit; None where a part is empty."""

    name: str  # "7-gram (Kneser–Ney)", and what was given up, if anything
    validation: float | None
    test: float | None

    def facts(self) -> dict[str, Any]:
        """What run.json keeps."""
        return {"name": self.name, "validation": self.validation, "test": self.test}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Baseline:
        """The baseline that `facts` was of."""
        return cls(str(facts["name"]), facts["validation"], facts["test"])


class Terms(NamedTuple):
    """The words in which a subject's training is told of."""

    unit: str  # of scores: nats a character
    items: str  # what is read: symbols
    rival: str  # what is to be beaten: n-gram
    wrote: str  # of what is shown on the way, at first
    writes: str  # and now
    use: str  # the command that a run is for: sample


class Concluded(Protocol):
    """A verdict: a few lines at the end of a training, from figures alone."""

    @property
    def lines(self) -> list[str]: ...

    def as_dict(self) -> dict[str, Any]: ...


class Subject(ABC):
    """Data, and what is to be learnt about it: all that a training asks of either. A subclass is final.

    Items are what scores count: symbols of a text, or rows of a table.
    """

    kind: ClassVar[str]  # what run.json calls it
    data: ClassVar[str]  # what it is about: text, table
    settings_class: ClassVar[type[TrainSettings]]  # the options that it takes
    terms: ClassVar[Terms]
    baseline_share: ClassVar[float]  # of a budget in minutes, at most, for what is to be beaten
    ranked: ClassVar[int] = 0  # items of the validation part, at most, that are read once more at the end
    settings: TrainSettings

    @classmethod
    @abstractmethod
    def read_again(cls, path: Path, settings: Any, tables: Mapping[str, Any]) -> Self:
        """The task of a run, whose settings and symbols.json these are, on its own data. Raises DataError."""

    @classmethod
    @abstractmethod
    def read_measured(cls, path: Path, settings: Any, tables: Mapping[str, Any]) -> Self:
        """Likewise on other data, all of which is one part: of what comes in splits the test split alone."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What was understood of the data, in a line."""

    @property
    @abstractmethod
    def fingerprints(self) -> dict[str, str]:
        """path -> sha256."""

    @property
    @abstractmethod
    def trained(self) -> bool:
        """Whether there is anything to train by updates; else it is counted or fitted by `fit_alone`."""

    @property
    @abstractmethod
    def untrained(self) -> float:
        """What an untrained model's loss is, in nats."""

    @property
    def without_net(self) -> str | None:
        """The model that is taken where a budget leaves no time for a net; None where only nets do this."""
        return None

    @property
    def kinds(self) -> int:
        """Different symbols there are, of a text."""
        return 1

    @property
    def weighed(self) -> str:
        """What is done at the end with what was learnt, to be added to the plan's line."""
        return ""

    @property
    def copyable(self) -> int:
        """Symbols of the training part that what is written may be copied from."""
        return 0

    @abstractmethod
    def items(self, part: str) -> int:
        """Items of training, validation or test part."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What was found in the data, in plain names."""

    @abstractmethod
    def tables(self) -> dict[str, Any]:
        """What answering needs beside weights: symbols.json."""

    @abstractmethod
    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        """The plan for so many seconds; None: for the updates asked for."""

    @abstractmethod
    def make_model(self, plan: Plan) -> nn.Module:
        """An untrained model, the same for the same plan and seed."""

    @classmethod
    @abstractmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        """The untrained model of a run of this kind, by a plan. Raises RunError."""

    def starting_components(self, source: RunFolder, theirs: type[Subject]) -> Started:
        """What `--from source` starts with, a run whose kind is `theirs`. Raises RunError."""
        return Started(best_components(source, recorded_plans(source)[0], lambda plan: theirs.model_of(source, plan)))

    @abstractmethod
    def make_batches(self, plan: Plan) -> Batches:
        """What it is trained on."""

    @abstractmethod
    def evaluate(self, model: nn.Module, part: str, limit: int, deadline: Deadline = ENDLESS) -> Reading:
        """A model's worth on a part, or so many items of it, or as many as there is time for. Raises Stopped."""

    @abstractmethod
    def write(self, model: nn.Module) -> str:
        """What a person is shown of what the model does now, by the same chance each time."""

    def copied(self, text: str, limit: int) -> tuple[int, float]:
        """Of what `write` wrote: the longest run that stands in so many training symbols, and the share that does."""
        raise NotImplementedError(f"memorisation is not measured for {self.kind}")

    @abstractmethod
    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        """What is to be beaten, made in time; kept in the run where it is part of the model. Raises Stopped."""

    @abstractmethod
    def kept_baselines(self, run: RunFolder) -> list[str]:
        """The names of what `count_baseline` kept in the run, and `conclude` reads again."""

    @abstractmethod
    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        """Before the first update: how long the end will take, for it to come in time; timed where that is needed."""

    @abstractmethod
    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        """With the best weights in place: weighs, reads the test part once, and says what came out."""

    @abstractmethod
    def fit_alone(self, run: RunFolder, clock: Clock) -> Baseline:
        """Makes and keeps a model that is not trained by updates; hands back its score."""

    @abstractmethod
    def conclude_alone(self, run: RunFolder, baseline: Baseline) -> Concluded:
        """The verdict on that model."""
