"""The options of a training: those of every task, a group for each task, and all of them as typed.

Each option is declared once, in the class of the tasks that take it. `TrainOptions` holds the options as typed,
before the task is known; a task's own class holds the resolved settings.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeVar

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.given import check_path
from unrolled.registry import UNTRAINED, trained_member
from unrolled.schema import LARGEST_NUMBER
from unrolled.settings import Settings, check_choice, check_count, check_minutes, check_seed, option_name

DEFAULT_MINUTES = 10.0
DEFAULT_MODEL = "lstm"
FRAMES = "frames"  # --encoder: the vectors of frames by a net for images, the default of videos
EARLY = "early"  # --freeze: the first half of the stages of a net for images
DOCUMENT_KINDS = ("file", "line", "blank", "row")
PATHS = ("out", "init_from", "plan", "valid", "test", "cache")  # settings that name, or may name, a file or folder
COUNTS = {
    "steps": LARGEST_NUMBER, "hidden_size": 10**6, "layers": 1000, "batch_size": 10**7, "window": 10**7,
    "threads": LARGEST_NUMBER, "rows": LARGEST_NUMBER, "frames": 1 << 10,
    "min_count": LARGEST_NUMBER,
}  # fmt: skip
"""Settings that are counts, from 1, with the largest: a typing error must not make a machine compute for hours."""
SIDES = (32, 1024)  # the smallest and largest --image-size
CHOICES = {
    "documents": DOCUMENT_KINDS,
    "tokenizer": ("auto", "char", "byte", "word", "bpe"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "task": ("classification", "multilabel", "tagging", "regression", "seq2seq", "language-modeling"),
    "decimal": (",", "."),
    "freeze": ("embedding", "stem", "early", "encoder", "memory"),
    "input_type": ("text", "category", "vectors", "audio", "image", "video"),
    "stem": ("auto", "conv", "plain", "patches"),
    "augment": ("auto", "yes", "no"),
    "fine_tune": ("auto", "yes", "no"),
    "pool": ("last", "mean", "attention"),
    "direction": ("bidirectional", "causal"),
    "class_weights": ("balanced",),
    "loss": ("sigmoid", "softmax"),
    "fold_tags": ("auto", "yes", "no"),
}
"""The values of each option that takes a fixed few."""


def longer_minutes(minutes: float) -> float:
    """A budget of three times as many minutes, and at least one, for advice."""
    return float(max(1, round(3 * minutes)))


@checked
@dataclass(frozen=True)
class TrainSettings(Settings):
    """The options of a training of any task. None means that the plan decides."""

    of: ClassVar[str] = "every task"  # the tasks that take the options declared here, as the help names them
    selected_by: ClassVar[str] = ""  # the option that selects these tasks

    minutes: Annotated[float | None, "minutes from the command's start to its exit (10)"] = None
    steps: Annotated[int | None, "training updates, instead of minutes"] = None
    model: Annotated[
        str | None,
        "a memory (lstm, gru, rnn, slstm, mingru, minlstm, delta, attention, transformer, convolution, none), a "
        "stack (lstm/attention), ngram or linear, an ensemble (lstm+linear+ngram), or your module.Class (left out: "
        "the best of lstm, baselines and ensemble)",
    ] = None
    out: Annotated[str | None, "the run's folder (a new one under runs/)"] = None
    task: Annotated[
        str | None,
        "classification, multilabel (any number of labels), tagging (one per step), regression, seq2seq (a text per "
        "row) or language-modeling (the next token)",
    ] = None
    tokenizer: Annotated[str, "auto, char, byte, word, bpe"] = "auto"
    hidden_size: Annotated[int | None, "units of each layer"] = None
    layers: Annotated[int | None, "number of layers"] = None
    batch_size: Annotated[int | None, "rows in a batch"] = None
    learning_rate: Annotated[float | None, "highest learning rate"] = None
    dropout: Annotated[float | None, "share of outputs to drop, at most 0.9"] = None
    bptt: Annotated[
        str,
        "backpropagation through time: full, truncated:k1=32, checkpointed:bytes=64MB or randomised:mean=64",
    ] = "full"
    seed: Annotated[int, "seed of all random numbers"] = 0
    threads: Annotated[int | None, "processor threads (all)"] = None
    device: Annotated[str, "auto, cpu, cuda or mps"] = "auto"
    valid: Annotated[str | None, "validation split: a share (0.05), or a file"] = None
    test: Annotated[str | None, "test split: a share (0.1), a file, or none"] = None
    init_from: Annotated[str | None, "start from these weights: a run; for --encoder also a file, or imagenet"] = None
    plan: Annotated[str | None, "repeat this run's plan, bit for bit"] = None

    def net_options(self, longer: bool) -> list[str]:
        """The options of a command that trains the default net instead of this model.

        longer: with three times the minutes, because there was no time for a net.
        """
        minutes = longer_minutes(self.minutes) if longer and self.minutes else self.minutes
        minutes = None if minutes == DEFAULT_MINUTES else minutes  # the default
        return dataclasses.replace(self, model=None, minutes=minutes).options()

    @property
    def is_ensemble(self) -> bool:
        """Whether the model is an ensemble with a counted or fitted member: `lstm+ngram`, `lstm+linear+ngram`."""
        return self.model is not None and "+" in self.model

    @property
    def seconds(self) -> float | None:
        """The budget in seconds; None where the budget is a number of updates."""
        left_out = self.minutes is None and self.steps is None and self.plan is None
        minutes = DEFAULT_MINUTES if left_out else self.minutes
        return None if minutes is None else 60 * minutes

    @property
    def net_name(self) -> str:
        """The model that is trained by updates: the requested one, of an ensemble its trained member."""
        return self.trained_member_settings().model or DEFAULT_MODEL

    def trained_member_settings(self) -> Self:
        """The settings of the trained member alone: of `lstm+ngram`, `lstm`."""
        return dataclasses.replace(self, model=trained_member(self.model)) if self.is_ensemble else self

    def check(self) -> None:
        """Raises OptionError for the first invalid value, before any data is read."""
        if self.minutes is not None and (self.steps is not None or self.plan is not None):
            other = "--steps" if self.steps is not None else "--plan"
            raise OptionError(f"One budget was expected; both --minutes and {other} were given. Leave one out.")
        check_minutes(self.minutes)
        check_seed(self.seed)
        for name in self.names():
            value = getattr(self, name)
            if name in PATHS:
                check_path(value, option_name(name))
            elif name in COUNTS and value is not None:
                check_count(option_name(name), value, COUNTS[name])
            elif name in CHOICES and value is not None:
                check_choice(option_name(name), value, CHOICES[name])
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise OptionError(f"--learning-rate is a learning rate above 0 and at most 1; got {self.learning_rate}.")
        if self.dropout is not None and not 0 <= self.dropout <= 0.9:
            raise OptionError(f"--dropout is a share between 0 and 0.9; got {self.dropout}.")


@checked
@dataclass(frozen=True)
class ColumnSettings(TrainSettings):
    """The options for reading the columns of a table, including a column of documents."""

    of: ClassVar[str] = "tables"

    input: Annotated[str | None, "the input column; several with commas"] = None
    no_header: Annotated[bool, "csv, tsv: the first row is data; columns are 1, 2, …"] = False


@checked
@dataclass(frozen=True)
class LanguageModelingSettings(ColumnSettings):
    """The further options of a training on a text."""

    of: ClassVar[str] = "texts"

    documents: Annotated[str, "what a document is: file, line, blank or row"] = "file"
    window: Annotated[int | None, "steps per update"] = None


@checked
@dataclass(frozen=True)
class TableSettings(ColumnSettings):
    """The further options of a training on rows of a table, for every kind of output."""

    output: Annotated[str | None, "the output column; several with commas"] = None
    group: Annotated[str | None, "a column; rows with the same value stay in one split"] = None
    folds: Annotated[int | None, "cross-validation: number of trainings (folds)"] = None
    fold: Annotated[int | None, "train only this fold, from 1"] = None
    input_type: Annotated[str | None, "text, category, vectors, audio, image or video"] = None
    sequence: Annotated[str | None, "one row per step: equal values are one sequence"] = None
    stem: Annotated[str, "audio, images: conv, plain, patches"] = "auto"
    augment: Annotated[str, "audio, images: vary them: auto (if few), yes, no"] = "auto"
    skip_empty: Annotated[bool, "leave out rows with an empty cell"] = False
    decimal: Annotated[str | None, "csv, tsv: the decimal mark of numbers, , or ."] = None
    shuffle: Annotated[bool, "split at random, although rows are in date order"] = False
    rows: Annotated[int | None, "number of rows to read, evenly spaced (all)"] = None
    encoder: Annotated[str | None, "images, videos: a net (unroll nets), glimpse or frames"] = None
    cache: Annotated[str | None, "images: folder for their features (the user's), or none"] = None
    frames: Annotated[int | None, "videos: frames of each, evenly spaced (16)"] = None
    image_size: Annotated[int | None, "videos: pixels on a side of a frame"] = None

    def check(self) -> None:
        """The checks of every training, then those of a table."""
        super().check()
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"--folds is a whole number of at least 2; got {self.folds}.")
        if self.fold is not None and (self.folds is None or not 1 <= self.fold <= self.folds):
            raise OptionError(f"--fold is one of the --folds, from 1; got {self.fold} of {self.folds or 'none'}.")
        if self.image_size is not None and not SIDES[0] <= self.image_size <= SIDES[1]:
            raise OptionError(f"--image-size is a number of pixels from {SIDES[0]} to {SIDES[1]:,}; got "
                              f"{self.image_size}.")  # fmt: skip
        if self.folds is not None and self.test is not None:
            raise OptionError("--folds makes each fold the test split in turn; --test names another. Leave one out.")


@checked
@dataclass(frozen=True)
class PredictionSettings(TableSettings):
    """The further options of a training on labels, tags and numbers."""

    of: ClassVar[str] = "labels, tags and numbers"
    selected_by: ClassVar[str] = "--task classification, multilabel, tagging or regression"

    pool: Annotated[str | None, "pooling over the steps: last, mean or attention"] = None
    direction: Annotated[str | None, "bidirectional, or causal (predicts at every step)"] = None
    class_weights: Annotated[str | None, "balanced: all labels count alike in the loss"] = None
    sampling: Annotated[str, "rows drawn: natural, sqrt (rare labels more often), capped:rows=N"] = "natural"
    loss: Annotated[str, "multilabel: sigmoid or softmax"] = "sigmoid"
    fold_tags: Annotated[str, "multilabel: fold spellings: yes, no"] = "auto"
    min_count: Annotated[int | None, "rows below which a free tag is left out (5)"] = None
    freeze: Annotated[
        str | None,
        "with --init-from: keep embedding, stem, early (half an image net), encoder or memory, and all before it",
    ] = None

    @property
    def net_name(self) -> str:
        """The net for images, if one was requested, else as for every task."""
        return self.encoder or super().net_name

    def check(self) -> None:
        """The checks of a training on a table, then that of --freeze."""
        super().check()
        if self.freeze is not None and self.init_from is None:
            raise OptionError(
                f"--freeze {self.freeze} keeps weights that are there before. Name them: --init-from RUN, or for "
                "images --init-from imagenet."
            )


@checked
@dataclass(frozen=True)
class Seq2SeqSettings(TableSettings):
    """The further options of a training that generates a text for each row."""

    of: ClassVar[str] = "generated texts"
    selected_by: ClassVar[str] = "--task seq2seq"

    attention: Annotated[str | None, "the decoder's attention: none, additive, dot or multihead"] = None
    fine_tune: Annotated[str, "images: train the net's last layers too: auto, yes, no"] = "auto"


Resolved = TypeVar("Resolved", bound=TrainSettings)


@checked
@dataclass(frozen=True)
class TrainOptions(LanguageModelingSettings, PredictionSettings, Seq2SeqSettings):
    """The options of `unroll train` as typed, for all tasks."""

    def given(self) -> dict[str, Any]:
        """The typed options with their values; an option with its default value counts as left out."""
        return {field.name: value for field in dataclasses.fields(self)
                if (value := getattr(self, field.name)) != field.default}  # fmt: skip

    def without(self, *names: str) -> Self:
        """The same options without these."""
        return type(self)(**{name: value for name, value in self.given().items() if name not in names})

    @classmethod
    def owner(cls, name: str) -> type[TrainSettings]:
        """The class that declares an option."""
        return next(one for one in cls.__mro__ if issubclass(one, TrainSettings) and name in one.__annotations__)

    def refused_by(self, settings: type[TrainSettings]) -> list[str]:
        """The typed options that these settings do not have."""
        return [name for name in self.given() if name not in settings.names()]

    def resolve(self, settings: type[Resolved], **changes: Any) -> Resolved:
        """The settings of a task: the typed options, then these changes; without a budget, ten minutes."""
        values = {name: value for name, value in self.given().items() if name in settings.names()}
        values |= changes
        if not {"minutes", "steps", "plan"} & values.keys():
            values["minutes"] = DEFAULT_MINUTES
        values["model"] = canonical_order(values.get("model"))
        return settings(**values)


def canonical_order(model: str | None) -> str | None:
    """The members of an ensemble in canonical order: `ngram+lstm` is `lstm+ngram`."""
    if model is None or "+" not in model:
        return model
    last = list(UNTRAINED)
    return "+".join(sorted(model.split("+"), key=lambda member: last.index(member) if member in last else -1))


TASK_SETTINGS: dict[str, type[TrainSettings]] = {
    "language-modeling": LanguageModelingSettings,
    "prediction": PredictionSettings,
    "seq2seq": Seq2SeqSettings,
}
"""The settings of each task, by its name in run.json."""
