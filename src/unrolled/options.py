"""What a training can be asked: the options that every task takes, a group for each task, and all as they are typed.

Each option is declared once, in the class of those who take it. `TrainOptions` holds what a person typed, before it
is known what the data are; a task's own class holds what that was resolved to.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.given import check_path
from unrolled.registry import UNTRAINED, learnt_model
from unrolled.settings import Settings, check_choice, check_minutes, check_seed, option_name

DEFAULT_MINUTES = 10.0
DEFAULT_MODEL = "lstm"
DOCUMENT_KINDS = ("file", "line", "blank", "row")
PATHS = ("out", "from_run", "plan", "valid", "test")  # settings that name a file or folder, or may
COUNTS = ("steps", "size", "depth", "batch", "window", "threads", "rows")
CHOICES = {
    "documents": DOCUMENT_KINDS,
    "symbols": ("auto", "char", "byte", "word", "bpe"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "kind": ("language", "label", "labels", "tags", "value", "text"),
    "decimal": (",", "."),
    "freeze": ("encoder",),
    "read": ("text", "label", "vectors", "sound", "picture"),
    "inlet": ("auto", "conv", "plain", "patches"),
    "augment": ("auto", "yes", "no"),
    "pool": ("last", "mean", "attention"),
    "direction": ("both", "ahead"),
}
"""The values that an option takes, where they are few."""


@checked
@dataclass(frozen=True)
class TrainSettings(Settings):
    """What a training of any task can be asked. None means: the plan decides."""

    of: ClassVar[str] = "every task"  # what has a use for the options that are declared here
    chosen_by: ClassVar[str] = ""  # the option by which that is learnt

    minutes: Annotated[float | None, "minutes from the command's start to its exit (10)"] = None
    steps: Annotated[int | None, "training updates, instead of minutes"] = None
    model: Annotated[
        str | None,
        "a memory (lstm, gru, rnn, slstm, mingru, minlstm, delta, attention, transformer, convolution, none), a "
        "stack (lstm/attention), ngram or linear, an ensemble (lstm+ngram, lstm+linear+ngram), or your module.Class "
        "(left out: lstm, and the best of it, the baselines and their ensemble is selected)",
    ] = None
    out: Annotated[str | None, "the run's folder (a new one under runs/)"] = None
    kind: Annotated[
        str | None,
        "what to learn: label, labels (any number), tags (one per step), value, text (about each row) or language "
        "(the next token, of what is read)",
    ] = None
    symbols: Annotated[str, "auto, char, byte, word or bpe"] = "auto"
    size: Annotated[int | None, "units of each layer"] = None
    depth: Annotated[int | None, "layers"] = None
    batch: Annotated[int | None, "rows read side by side"] = None
    rate: Annotated[float | None, "highest learning rate"] = None
    dropout: Annotated[float | None, "share of each layer's outputs dropped, 0 to 0.9"] = None
    gradient: Annotated[
        str,
        "how the loss is carried back: full, truncated:k1=32, checkpointed:bytes=64MB or randomised:mean=64",
    ] = "full"
    seed: Annotated[int, "seed of all random numbers"] = 0
    threads: Annotated[int | None, "processor threads (all)"] = None
    device: Annotated[str, "auto, cpu, cuda or mps"] = "auto"
    valid: Annotated[str | None, "validation split: a share such as 0.05, or a file"] = None
    test: Annotated[str | None, "test split: a share such as 0.1, a file, or none"] = None
    from_run: Annotated[str | None, "start from what this run has learnt"] = None
    plan: Annotated[str | None, "train again by this run's recorded plan, bit for bit"] = None

    def net_options(self) -> list[str]:
        """The same for the command that trains a net, as it is planned, where something else was asked for."""
        minutes = None if self.minutes == DEFAULT_MINUTES else self.minutes  # as if left out
        return dataclasses.replace(self, model=None, minutes=minutes).options()

    @property
    def mixed(self) -> bool:
        """Whether what is learnt is weighed against what is counted or fitted: `lstm+ngram`, `lstm+linear+ngram`."""
        return self.model is not None and "+" in self.model

    @property
    def seconds(self) -> float | None:
        """The budget in seconds; None where updates are counted."""
        left_out = self.minutes is None and self.steps is None and self.plan is None
        minutes = DEFAULT_MINUTES if left_out else self.minutes
        return None if minutes is None else 60 * minutes

    def of_learnt(self) -> Self:
        """The same for the part that is trained alone: of `lstm+ngram`, `lstm`."""
        return dataclasses.replace(self, model=learnt_model(self.model)) if self.mixed else self

    def check(self) -> None:
        """Raises OptionError for the first value that cannot be, before anything is read."""
        if self.minutes is not None and (self.steps is not None or self.plan is not None):
            other = "--steps" if self.steps is not None else "--plan"
            raise OptionError(f"One budget was expected; both --minutes and {other} were given. Leave one out.")
        check_minutes(self.minutes)
        check_seed(self.seed)
        for name in self.names():
            value = getattr(self, name)
            if name in PATHS:
                check_path(value, option_name(name))
            elif name in COUNTS and value is not None and value < 1:
                raise OptionError(f"--{name} is a whole number of at least 1; got {value}.")
            elif name in CHOICES and value is not None:
                check_choice(option_name(name), value, CHOICES[name])
        if self.rate is not None and not 0 < self.rate <= 1:
            raise OptionError(f"--rate is a learning rate above 0 and at most 1; got {self.rate}.")
        if self.dropout is not None and not 0 <= self.dropout <= 0.9:
            raise OptionError(f"--dropout is a share between 0 and 0.9; got {self.dropout}.")


@checked
@dataclass(frozen=True)
class ColumnSettings(TrainSettings):
    """What the reading of a table's columns can be asked, a column of documents among them."""

    of: ClassVar[str] = "tables"

    input: Annotated[str | None, "the column that is read; several with commas"] = None
    no_header: Annotated[bool, "csv, tsv: the first row is data; columns are 1, 2, …"] = False


@checked
@dataclass(frozen=True)
class LanguageSettings(ColumnSettings):
    """What a training on a text can be asked beside."""

    of: ClassVar[str] = "texts"

    documents: Annotated[str, "what a document is: file, line, blank or row"] = "file"
    window: Annotated[int | None, "steps that an update sees"] = None


@checked
@dataclass(frozen=True)
class TableSettings(ColumnSettings):
    """What a training on rows of a table can be asked beside, whatever is answered about them."""

    output: Annotated[str | None, "the column that is predicted; several with commas"] = None
    group: Annotated[str | None, "a column; rows alike in it stay in one split"] = None
    folds: Annotated[int | None, "train so often, each time another test split"] = None
    fold: Annotated[int | None, "this one of the folds alone, from 1"] = None
    read: Annotated[str | None, "read the input as text, label, vectors, sound or picture"] = None
    sequence: Annotated[str | None, "a row per step: rows alike in this column are a sequence"] = None
    inlet: Annotated[str, "sounds, pictures: auto, conv, plain or patches"] = "auto"
    augment: Annotated[str, "sounds, pictures: vary each, auto (if few), yes or no"] = "auto"
    skip_empty: Annotated[bool, "leave out rows with an empty cell"] = False
    decimal: Annotated[str | None, "csv, tsv: the decimal mark of numbers, , or ."] = None
    shuffle: Annotated[bool, "split by chance, although rows are in order of dates"] = False
    rows: Annotated[int | None, "read so many rows, drawn evenly (all)"] = None

    def check(self) -> None:
        """As of every training."""
        super().check()
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"--folds is a whole number of at least 2; got {self.folds}.")
        if self.fold is not None and (self.folds is None or not 1 <= self.fold <= self.folds):
            raise OptionError(f"--fold is one of the --folds, from 1; got {self.fold} of {self.folds or 'none'}.")
        if self.folds is not None and self.test is not None:
            raise OptionError(
                "--folds makes each fold the test part in its turn; --test names another. Leave one out."
            )


@checked
@dataclass(frozen=True)
class AnswerSettings(TableSettings):
    """What a training on labels, tags and numbers can be asked beside."""

    of: ClassVar[str] = "labels, tags and numbers"
    chosen_by: ClassVar[str] = "--as label, labels, tags or value"

    pool: Annotated[str | None, "what a prediction is made from: last, mean or attention"] = None
    direction: Annotated[str | None, "read rows both ways, or ahead (predicts at every step)"] = None
    balance: Annotated[bool, "weigh all labels alike, however many rows each has"] = False
    freeze: Annotated[str | None, "with --from: encoder; then the heads alone are trained"] = None

    def check(self) -> None:
        """As of every training on a table."""
        super().check()
        if self.freeze is not None and self.from_run is None:
            raise OptionError("--freeze encoder keeps what another run has learnt. Name the run: --from RUN.")


@checked
@dataclass(frozen=True)
class WritingSettings(TableSettings):
    """What a training on texts about rows can be asked beside."""

    of: ClassVar[str] = "texts that are written about rows"
    chosen_by: ClassVar[str] = "--as text"

    reader: Annotated[str | None, "how a text looks back: context, additive, dot, multihead"] = None


Resolved = TypeVar("Resolved", bound=TrainSettings)


@checked
@dataclass(frozen=True)
class TrainOptions(LanguageSettings, AnswerSettings, WritingSettings):
    """What `unroll train` was asked, as typed: the options of all tasks."""

    def given(self) -> dict[str, Any]:
        """The options that were typed, with their values; one with its usual value counts as left out."""
        return {field.name: value for field in dataclasses.fields(self)
                if (value := getattr(self, field.name)) != field.default}  # fmt: skip

    def without(self, *names: str) -> Self:
        """The same as if these options had been left out."""
        return type(self)(**{name: value for name, value in self.given().items() if name not in names})

    @classmethod
    def owner(cls, name: str) -> type[TrainSettings]:
        """The class that declares an option."""
        return next(one for one in cls.__mro__ if issubclass(one, TrainSettings) and name in one.__annotations__)

    def refused_by(self, settings: type[TrainSettings]) -> list[str]:
        """The options that were typed and that are none of these settings'."""
        return [name for name in self.given() if name not in settings.names()]

    def resolve(self, settings: type[Resolved], **changes: Any) -> Resolved:
        """The settings of a task, with what was typed of them and these changes; without a budget, ten minutes."""
        values = {name: value for name, value in self.given().items() if name in settings.names()}
        values |= changes
        if not {"minutes", "steps", "plan"} & values.keys():
            values["minutes"] = DEFAULT_MINUTES
        values["model"] = in_order(values.get("model"))
        return settings(**values)


def in_order(model: str | None) -> str | None:
    """A mixture's parts in the order in which they are kept: `ngram+lstm` is `lstm+ngram`."""
    if model is None or "+" not in model:
        return model
    last = list(UNTRAINED)
    return "+".join(sorted(model.split("+"), key=lambda part: last.index(part) if part in last else -1))


TASK_SETTINGS: dict[str, type[TrainSettings]] = {
    "language": LanguageSettings,
    "answers": AnswerSettings,
    "writings": WritingSettings,
}
"""The settings of each task, by the name that run.json has for it."""
