"""The schema of run.json, by which it is checked when it is read, and its checksums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeVar

from unrolled.errors import OptionError, RunError
from unrolled.fileio import read_json, without_checksum
from unrolled.opening import CURE
from unrolled.options import TASK_SETTINGS, TrainOptions, TrainSettings
from unrolled.rundir.formats import FIRST_WITH_CHECKSUMS, FIRST_WITH_SETTINGS, FORMAT, upgraded_facts
from unrolled.rundir.own_files import LISTING_ADVICE
from unrolled.schema import Within, check_type
from unrolled.settings import MOST_MINUTES

STATUSES = Literal["training", "stopped", "finished"]
SettingsType = TypeVar("SettingsType", bound=TrainSettings)
Amount = Annotated[float, Within(0, 1e12)]


class DataFacts(TypedDict):
    """The data that a run was trained on."""

    path: str
    kept: bool
    fingerprints: dict[str, str]
    description: str
    unreadable: NotRequired[list[str]]  # errors of the files that were left out, up to 100
    label_types: NotRequired[dict[str, Literal["bool", "int", "float"]]]  # of outputs, of data in memory


class SessionFacts(TypedDict):
    """One session and its budget."""

    minutes: Annotated[float, Within(1e-9, MOST_MINUTES)] | None
    steps: Annotated[int, Within(1, 1e12)] | None
    used: Amount


class BaselineFacts(TypedDict):
    """The baseline."""

    name: str
    validation: float | None
    test: float | None


class ConstantBaseline(TypedDict):
    """The majority class or the median of the training split, and its score."""

    name: str


class OutputScores(TypedDict):
    """The scores of one output, of its baselines, and of the other models that were not selected."""

    metric: str  # by which models are compared
    baselines: dict[str, dict[str, Any]]
    others: dict[str, dict[str, Any]]
    constant_baseline: NotRequired[ConstantBaseline]  # of labels and numbers


class Scores(TypedDict, total=False):
    """The scores of a finished run; empty before."""

    nats: float | None
    untrained: float | None
    test: dict[str, Any] | None  # of a text: the fields of `metrics.surprise.Score`
    test_tokens: int  # tokens of the whole test split of a text
    rows: int  # scored rows of a table's split
    rows_of_split: int  # all rows of that split
    outputs: dict[str, OutputScores]


class PlanFacts(TypedDict):
    """A line of plan.jsonl. The plan itself is checked by `Plan`."""

    step: Annotated[int, Within(0, 1e12)]


class ReportFacts(TypedDict):
    """A line of log.jsonl: the values that a resumed run uses."""

    step: Annotated[int, Within(0, 1e12)]
    seconds: NotRequired[Amount]
    tokens_per_second: NotRequired[Annotated[float, Within(0, 1e15)] | None]
    loss: NotRequired[float | None]
    validation: NotRequired[float | None]
    progress: NotRequired[float]
    tokens: NotRequired[Annotated[int, Within(0, 1e15)]]


class Facts(TypedDict):
    """run.json without its checksum. Other keys may hold anything."""

    format: int
    kind: str
    status: STATUSES
    options: dict[str, Any]  # the options that were typed, see `options_of`
    settings: NotRequired[dict[str, Any]]  # the resolved options, see `settings_of`
    data: DataFacts
    scores: Scores
    sessions: list[SessionFacts]
    environment: dict[str, Any]
    threads: Annotated[int, Within(1, 1e6)]
    created: str
    seconds: NotRequired[Amount]
    baseline: NotRequired[BaselineFacts]
    gate: NotRequired[Any]  # checked by model/mixture.py
    surprise_quantiles: NotRequired[list[float]]
    selected: NotRequired[list[str]]
    weights: NotRequired[dict[str, list[float]]]
    interval_half_widths: NotRequired[dict[str, list[Amount]]]
    beam: NotRequired[Annotated[int, Within(1, 1000)]]
    confidence: NotRequired[Any]  # in captions; checked by metrics/confidence.py
    checksums: NotRequired[dict[str, str]]


class Resolved(TypedDict):
    """The keys that run.json must have since format 3."""

    settings: dict[str, Any]


def read_facts(path: Path, any_kind: bool) -> dict[str, Any]:
    """The contents of run.json. Raises RunError where it is damaged, of a newer format or, unless `any_kind`, of an
    unknown kind."""
    source = f"{path}/run.json"
    facts = read_json(path / "run.json")
    if not isinstance(facts, dict) or type(facts.get("format")) is not int or type(facts.get("kind")) is not str:
        raise RunError(f"{source} is damaged: it lacks a format or a kind. {CURE}")
    if facts["format"] > FORMAT:
        raise RunError(
            f"{path} was made by a newer unrolled: it has format {facts['format']}; this one reads {FORMAT}.\n"
            "Use the newer one, or upgrade this one, in its checkout: git pull, then pip install ."
        )
    facts = without_checksum(facts, source, must=facts["format"] >= FIRST_WITH_CHECKSUMS)
    if facts["format"] < 1 or ("checksums" in facts) != (facts["format"] >= FIRST_WITH_CHECKSUMS):
        raise RunError(f"{source} is damaged: its format and its checksums do not match. {CURE}")
    if facts["format"] < FORMAT:
        facts = upgraded_facts(facts)
    if not any_kind and facts["kind"] not in TASK_SETTINGS:
        needed = " or ".join(f"'{kind}'" for kind in TASK_SETTINGS)
        raise RunError(
            f"{path} holds a run of kind '{facts['kind']}'; this needs one of kind {needed}. {LISTING_ADVICE}"
        )
    return _checked(facts, source)


def _checked(facts: Any, source: str) -> dict[str, Any]:
    """`facts`, checked against this version's schema. Raises RunError, naming `source`."""
    check_type(facts, Facts, source)
    if not facts["sessions"]:
        raise RunError(f"{source} is damaged: 'sessions' is empty. {CURE}")
    options_of(facts, source)
    settings_of(facts, source)
    checked: dict[str, Any] = facts
    return checked


def options_of(facts: Mapping[str, Any], source: str) -> TrainOptions:
    """The options of a run, as typed. Raises RunError where one is invalid."""
    return _checked_settings(TrainOptions.from_json(facts["options"], f"{source}, 'options',"), "options", source)


def settings_of(facts: Mapping[str, Any], source: str) -> TrainSettings:
    """The resolved settings of the run's task. Raises RunError where one is invalid."""
    settings_class = TASK_SETTINGS.get(facts["kind"], TrainSettings)
    if facts["format"] >= FIRST_WITH_SETTINGS:
        check_type(facts, Resolved, source)
        settings = settings_class.from_json(facts["settings"], f"{source}, 'settings',")
        return _checked_settings(settings, "settings", source)
    known = options_of(facts, source).to_json()
    return settings_class(**{name: known[name] for name in settings_class.names()})


def _checked_settings(settings: SettingsType, name: str, source: str) -> SettingsType:
    try:
        settings.check()
    except OptionError as error:
        raise RunError(f"{source} is damaged: '{name}' is invalid. {str(error).splitlines()[0]}") from None
    return settings


def recorded_metric(scores: Mapping[str, Any], figure: str, source: str) -> float:
    """A metric among scores. Raises RunError where it is missing or not a number."""
    return float(check_type(scores.get(figure), float, f"{source}, the {figure} of its scores,"))
