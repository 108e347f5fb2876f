"""What a person can set: frozen dataclasses from which flags, saved JSON and help are made.

A field is `name: Annotated[type, "help, with its unit"] = default`.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from unrolled.arguments import checked
from unrolled.errors import OptionError, nearest
from unrolled.given import check_path
from unrolled.parts import UNTRAINED, learnt_model, parse_list
from unrolled.schema import check, find_fault

MOST_MINUTES = 7 * 24 * 60.0
DEFAULT_MINUTES = 10.0
DEFAULT_MODEL = "lstm"
DOCUMENT_KINDS = ("file", "line", "blank", "row")
PATHS = ("out", "from_run", "plan", "valid", "test")  # settings that name a file or folder, or may
OPTION_NAMES = {"from_run": "--from", "kind": "--as"}  # words of Python's, which no field can be called


@dataclass(frozen=True)
class Settings:
    """A frozen set of named values that can be saved as JSON and read back."""

    def to_json(self) -> dict[str, Any]:
        """The values by name, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any, source: str = "What was saved") -> Self:
        """The settings saved in `values`. Raises RunError, naming `source`, for an unknown name, a missing one, or a
        value of another type or out of its range."""
        return cls(**check(values, cls, source))

    def options(self) -> list[str]:
        """The words of a command that ask for the same, but for the folder that is made and usual values."""
        words = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "out" and value != field.default:
                number = isinstance(value, float)
                words += [option_name(field.name)] + (
                    [] if value is True else [f"{value:g}" if number else str(value)]
                )
        return words

    @classmethod
    def from_call(cls, settings: Any, asked: Mapping[str, Any]) -> Self:
        """The settings of a call from Python: `settings`, defaults where it is None, with single values over it.

        A path stands for its text, and a number of any kind for a number. Raises OptionError, with the nearest name
        for one that there is not.
        """
        if settings is not None and not isinstance(settings, cls):
            raise OptionError(
                f"Settings are a {cls.__name__}, or single ones by name, steps=500; got a {type(settings).__name__}."
            )
        names = [field.name for field in dataclasses.fields(cls)]
        for name in asked:
            if name not in names:
                raise OptionError(
                    f"No setting is called '{name}'.{nearest(name, names)} There are: {', '.join(names)}."
                )
        values = {name: _plain(value) for name, value in asked.items()}
        if (fault := find_fault(values, cls)) is not None:
            expected = fault.expected.replace("null", "None").replace("true or false", "True or False")
            raise OptionError(f"{fault.place} takes {expected}; got {asked[fault.place]!r:.80}.")
        return cls(**values) if settings is None else dataclasses.replace(settings, **values)


@checked
@dataclass(frozen=True)
class TrainSettings(Settings):
    """What `unroll train` was asked. None means: the plan decides."""

    minutes: Annotated[float | None, "minutes from the command's start to its exit (10 if no --steps)"] = None
    steps: Annotated[int | None, "training updates, instead of minutes: nothing hangs on the clock"] = None
    model: Annotated[
        str | None,
        "lstm, gru, rnn, slstm, mingru, minlstm, delta, attention, transformer, convolution, none; two in one stack "
        "as in lstm/attention; ngram, which is counted; both as an ensemble: lstm+ngram; your module.Class; of a "
        "table also linear and lstm+linear, of labels of texts lstm+linear+ngram (left out: an lstm is trained; of "
        "it, what is counted or fitted and their ensemble, the best on validation is selected)",
    ] = None
    out: Annotated[str | None, "the run's folder (a new one under runs/ if left out)"] = None
    documents: Annotated[
        str, "what a document is: file, line, blank (blocks between blank lines), or row (of a table's text)"
    ] = "file"
    symbols: Annotated[str, "what a symbol is: auto, char, byte, word or bpe"] = "auto"
    size: Annotated[int | None, "width of each layer, in units"] = None
    depth: Annotated[int | None, "number of layers"] = None
    batch: Annotated[int | None, "rows read side by side"] = None
    window: Annotated[int | None, "steps an update sees"] = None
    rate: Annotated[float | None, "highest learning rate"] = None
    dropout: Annotated[float | None, "share of each layer's outputs dropped, 0 to 0.9"] = None
    gradient: Annotated[
        str,
        "how the loss is carried back: full, truncated:k1=32, checkpointed:bytes=64MB or randomised:mean=64",
    ] = "full"
    seed: Annotated[int, "number that all chance is drawn from"] = 0
    threads: Annotated[int | None, "processor threads (all of this machine's)"] = None
    device: Annotated[str, "auto, cpu, cuda or mps"] = "auto"
    valid: Annotated[str | None, "validation part: a share such as 0.05, or a file"] = None
    test: Annotated[str | None, "test part: a share such as 0.1, a file, or none"] = None
    from_run: Annotated[str | None, "start from what this run has learnt"] = None
    freeze: Annotated[str | None, "with --from: encoder, which then stays as it is, and the heads alone learn"] = None
    plan: Annotated[str | None, "train again by this run's recorded plan, bit for bit"] = None
    kind: Annotated[
        str | None,
        "what to learn of a table: label, labels (any number), tags (one a step), value, text (about each row), or "
        "language (what is read, a row a document; without --input the file as it stands)",
    ] = None
    input: Annotated[str | None, "of a table: the column that is read; of numbers several with commas"] = None
    output: Annotated[str | None, "of a table: the column that is answered; several with commas"] = None
    group: Annotated[str | None, "of a table: a column; rows alike in it stay in one part"] = None
    folds: Annotated[int | None, "of a table: train so often, each time another part of it is the test part"] = None
    fold: Annotated[int | None, "this one of the folds alone, from 1"] = None
    read: Annotated[str | None, "what the input is read as: text, label, vectors, sound or picture"] = None
    sequence: Annotated[str | None, "of a table with a row a step: a column; rows alike in it are a sequence"] = None
    inlet: Annotated[
        str, "how sounds and pictures reach the memory: auto, conv, plain (frames, rows) or patches (of pictures)"
    ] = "auto"
    augment: Annotated[str, "sounds and pictures: each time another like it; auto (where there are few), yes, no"] = (
        "auto"
    )
    reader: Annotated[
        str | None, "how a text that is written about a row looks back at it: context, additive, dot or multihead"
    ] = None
    pool: Annotated[str | None, "what of a row an answer is made from: last, mean or attention"] = None
    direction: Annotated[str | None, "which way rows are read: both, or ahead, which can answer at every step"] = None
    balance: Annotated[bool, "every label counts alike in training, however many rows it has"] = False
    skip_empty: Annotated[bool, "leave out rows with an empty cell"] = False
    no_header: Annotated[bool, "of a csv or tsv: the first row is data; columns are called 1, 2, …"] = False
    decimal: Annotated[
        str | None, "of a csv or tsv: the mark before a number's decimals, , or . ; the other parts thousands"
    ] = None
    shuffle: Annotated[
        bool, "of a table whose rows are in the order of its dates: draw validation and test part all the same"
    ] = False
    rows: Annotated[int | None, "of a table: read so many of its rows, drawn evenly over it (all)"] = None

    def net_options(self) -> list[str]:
        """The same for the command that trains a net, as it is planned, where something else was asked for."""
        minutes = None if self.minutes == DEFAULT_MINUTES else self.minutes  # as if left out
        return dataclasses.replace(self, model=None, minutes=minutes).options()

    def with_defaults(self) -> Self:
        """The same with the budget that is taken where none was asked for."""
        endless = self.minutes is None and self.steps is None and self.plan is None
        minutes = DEFAULT_MINUTES if endless else self.minutes
        return dataclasses.replace(self, minutes=minutes)

    @property
    def mixed(self) -> bool:
        """Whether what is learnt is weighed against what is counted or fitted: `lstm+ngram`, `lstm+linear+ngram`."""
        return self.model is not None and "+" in self.model

    def of_learnt(self) -> Self:
        """The same for the part that is trained alone: of `lstm+ngram`, `lstm`."""
        return dataclasses.replace(self, model=learnt_model(self.model)) if self.mixed else self

    def in_order(self) -> Self:
        """The same with a mixture's parts in the order in which they are kept: `ngram+lstm` is `lstm+ngram`."""
        if not self.mixed or not self.model:
            return self
        last = list(UNTRAINED)
        parts = sorted(self.model.split("+"), key=lambda part: last.index(part) if part in last else -1)
        return dataclasses.replace(self, model="+".join(parts))

    def check(self) -> None:
        """Raises OptionError for the first value that cannot be, before anything is read."""
        if self.minutes is not None and (self.steps is not None or self.plan is not None):
            other = "--steps" if self.steps is not None else "--plan"
            raise OptionError(f"One budget was expected; both --minutes and {other} were given. Leave one out.")
        check_minutes(self.minutes)
        check_seed(self.seed)
        for name in PATHS:
            check_path(getattr(self, name), option_name(name))
        for name in ("steps", "size", "depth", "batch", "window", "threads", "rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name} is a whole number of at least 1; got {value}.")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise OptionError(f"--rate is a learning rate above 0 and at most 1; got {self.rate}.")
        if self.dropout is not None and not 0 <= self.dropout <= 0.9:
            raise OptionError(f"--dropout is a share between 0 and 0.9; got {self.dropout}.")
        check_choice("--documents", self.documents, DOCUMENT_KINDS)
        check_choice("--symbols", self.symbols, ("auto", "char", "byte", "word", "bpe"))
        check_choice("--device", self.device, ("auto", "cpu", "cuda", "mps"))
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"--folds is a whole number of at least 2; got {self.folds}.")
        if self.fold is not None and (self.folds is None or not 1 <= self.fold <= self.folds):
            raise OptionError(f"--fold is one of the --folds, from 1; got {self.fold} of {self.folds or 'none'}.")
        if self.folds is not None and self.test is not None:
            raise OptionError(
                "--folds makes each fold the test part in its turn; --test names another. Leave one out."
            )
        if self.kind is not None:
            check_choice("--as", self.kind, ("language", "label", "labels", "tags", "value", "text"))
        if self.decimal is not None:
            check_choice("--decimal", self.decimal, (",", "."))
        if self.freeze is not None:
            check_choice("--freeze", self.freeze, ("encoder",))
            if self.from_run is None:
                raise OptionError("--freeze encoder keeps what another run has learnt. Name the run: --from RUN.")
        if self.read is not None:
            check_choice("--read", self.read, ("text", "label", "vectors", "sound", "picture"))
        check_choice("--inlet", self.inlet, ("auto", "conv", "plain", "patches"))
        check_choice("--augment", self.augment, ("auto", "yes", "no"))
        if self.pool is not None:
            check_choice("--pool", self.pool, ("last", "mean", "attention"))
        if self.direction is not None:
            check_choice("--direction", self.direction, ("both", "ahead"))


@checked
@dataclass(frozen=True)
class SampleSettings(Settings):
    """What `unroll sample` was asked."""

    prompt: Annotated[str, "text to continue"] = ""
    length: Annotated[int, "most symbols to write"] = 1000
    temperature: Annotated[float, "below 1 safer, above 1 wilder, 0 always the likeliest"] = 1.0
    top_k: Annotated[int | None, "draw from the k likeliest symbols alone"] = None
    top_p: Annotated[float | None, "draw from the likeliest symbols that together reach this probability"] = None
    stop: Annotated[str | None, "end before this text"] = None
    count: Annotated[int, "number of samples"] = 1
    seed: Annotated[int, "same seed, same text"] = 0

    def check(self) -> None:
        """Raises OptionError for the first value that cannot be."""
        if self.length < 1:
            raise OptionError(f"--length is a whole number of at least 1; got {self.length}.")
        if self.count < 1:
            raise OptionError(f"--count is a whole number of at least 1; got {self.count}.")
        check_seed(self.seed)
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise OptionError(f"--temperature is a number of at least 0; got {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise OptionError(f"--top-k is a whole number of at least 1; got {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise OptionError(f"--top-p is a probability above 0 and at most 1; got {self.top_p}.")
        if self.stop == "":
            raise OptionError("--stop is the text to end before; got an empty one. Leave it out to write on.")


@checked
@dataclass(frozen=True)
class PredictSettings(Settings):
    """How `unroll predict` was asked to answer. A task takes some of them."""

    top: Annotated[int | None, "the N likeliest labels, not the first alone"] = None
    every: Annotated[bool, "the answer so far after each step of a line"] = False
    beam: Annotated[int | None, "of texts: follow the N likeliest beginnings"] = None
    temperature: Annotated[float | None, "of texts: draw, below 1 safer"] = None
    seed: Annotated[int | None, "of --temperature: the same, the same text"] = None
    attention: Annotated[bool, "of texts, with --json: how much each step read weighed"] = False

    def check(self) -> None:
        """Raises OptionError for the first value that cannot be."""
        for name in ("top", "beam"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name} is a whole number of at least 1; got {value}.")
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise OptionError(
                f"--temperature is a number above 0; got {self.temperature:g}. For the likeliest: --beam 1"
            )
        if self.seed is not None:
            check_seed(self.seed)


@checked
@dataclass(frozen=True)
class CompareSettings(Settings):
    """What `unroll compare` was asked. None means: as `unroll train` would have it."""

    models: Annotated[str, "models, with commas between them"] = "lstm,gru,transformer,mingru,ngram"
    gradients: Annotated[str, "gradients, with commas; each model is trained by each"] = "full"
    lag: Annotated[str | None, "of a diagnostic task: lags in steps, with commas (10,50,200)"] = None
    minutes: Annotated[float | None, "minutes for each training (2; 0.5 for a task)"] = None
    steps: Annotated[int | None, "updates of each training, instead of minutes"] = None
    parameters: Annotated[int | None, "parameters of each model, within 3%; left out: sizes as planned"] = None
    seeds: Annotated[int, "trainings of each, with seeds that follow each other"] = 3
    size: Annotated[int | None, "width of each layer, in units"] = None
    depth: Annotated[int | None, "number of layers"] = None
    out: Annotated[str | None, "the comparison's folder (a new one under compare/ if left out)"] = None
    documents: Annotated[
        str, "what a document is: file, line, blank (blocks between blank lines), or row (of a table's text)"
    ] = "file"
    no_header: Annotated[bool, "of a csv or tsv: the first row is data"] = False
    kind: Annotated[
        str | None, "language: label folders, or a table, are read as one text; left out, they are refused"
    ] = None
    symbols: Annotated[str, "what a symbol is: auto, char, byte, word or bpe"] = "auto"
    seed: Annotated[int, "the first seed"] = 0
    threads: Annotated[int | None, "processor threads (all of this machine's)"] = None
    device: Annotated[str, "auto, cpu, cuda or mps"] = "auto"

    def check(self) -> None:
        """Raises OptionError for the first value that cannot be."""
        parse_list("--models", self.models)
        parse_list("--gradients", self.gradients)
        if self.lag is not None:
            self.lags()
        if self.parameters is not None and self.parameters < 1:
            raise OptionError(f"--parameters is a whole number of at least 1; got {self.parameters}.")
        if self.parameters is not None and self.size is not None:
            raise OptionError("--parameters finds the size; --size says it. Leave one of them out.")
        if self.seeds < 1:
            raise OptionError(f"--seeds is a whole number of at least 1; got {self.seeds}.")
        check_seed(self.seed)
        if self.kind is not None:
            check_choice("--as", self.kind, ("language",))
        shared = (
            "minutes", "steps", "out", "size", "depth", "documents", "no_header", "kind", "symbols", "threads",
            "device",
        )  # fmt: skip
        TrainSettings(**{name: getattr(self, name) for name in shared}).check()

    def lags(self) -> list[int]:
        """The lags asked for; [10, 50, 200] where none were. Raises OptionError."""
        lags = []
        for text in parse_list("--lag", "10,50,200" if self.lag is None else self.lag):
            if not text.isdecimal() or int(text) < 1:
                raise OptionError(f"--lag is in steps, whole numbers of at least 1 with commas; got '{text}'.")
            lags.append(int(text))
        return lags


def _plain(value: Any) -> Any:
    """A path as its text, a whole number or a number of another library as Python's own."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def option_name(field: str) -> str:
    """The option that sets this field: `--top-k` for top_k."""
    return OPTION_NAMES.get(field, "--" + field.replace("_", "-"))


def check_seed(seed: int) -> None:
    """Raises OptionError for a seed below 0, which most libraries refuse: a run could not be repeated beside them."""
    if seed < 0:
        raise OptionError(f"--seed is a whole number of at least 0; got {seed}.")


def check_minutes(minutes: float | None) -> None:
    """Raises OptionError unless `minutes` is None or a budget that can be kept."""
    if minutes is not None and not (math.isfinite(minutes) and 0 < minutes <= MOST_MINUTES):
        raise OptionError(
            f"--minutes is a number above 0 and at most {MOST_MINUTES:g} (a week); got {minutes:g}.\n"
            "Try --minutes 10, or --steps N for a number of updates."
        )


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises OptionError, with the nearest choice offered, unless `value` is one of `choices`."""
    if value not in choices:
        raise OptionError(f"{option} is one of {', '.join(choices)}; got '{value}'.{nearest(value, choices)}")
