"""Settings: frozen dataclasses from which flags, saved JSON and help are made.

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
from unrolled.schema import LARGEST_NUMBER, check_type, find_fault

MOST_MINUTES = 7 * 24 * 60.0


@dataclass(frozen=True)
class Settings:
    """A frozen set of named values that can be saved as JSON and read back."""

    @classmethod
    def names(cls) -> list[str]:
        """The names of the settings."""
        return [field.name for field in dataclasses.fields(cls)]

    def to_json(self) -> dict[str, Any]:
        """The values by name, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any, source: str = "What was saved") -> Self:
        """The settings saved in `values`. Raises RunError, naming `source`, for an unknown name, a missing one, or a
        value of another type or out of its range."""
        return cls(**check_type(values, cls, source))

    def options(self) -> list[str]:
        """The words of a command with these settings; the output folder and default values are left out."""
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
    def from_call(cls, settings: Any, overrides: Mapping[str, Any]) -> Self:
        """The settings of a call from Python: `settings`, or the defaults where it is None, updated by single values.

        A path is converted to text, and a number of another library to Python's. Raises OptionError for an unknown
        name, with the nearest one.
        """
        if settings is not None and not isinstance(settings, cls):
            raise OptionError(
                f"Settings are a {cls.__name__}, or single ones by name, steps=500; got a {type(settings).__name__}."
            )
        names = cls.names()
        for name in overrides:
            if name not in names:
                raise OptionError(
                    f"No setting is called '{name}'.{nearest(name, names)} There are: {', '.join(names)}."
                )
        values = {name: _plain(value) for name, value in overrides.items()}
        if (fault := find_fault(values, cls)) is not None:
            expected = fault.expected.replace("null", "None").replace("true or false", "True or False")
            raise OptionError(f"{fault.place} takes {expected}; got {overrides[fault.place]!r:.80}.")
        return cls(**values) if settings is None else dataclasses.replace(settings, **values)


@checked
@dataclass(frozen=True)
class SampleSettings(Settings):
    """The options of `unroll sample`."""

    prompt: Annotated[str, "text to continue"] = ""
    length: Annotated[int, "maximum number of tokens"] = 1000
    temperature: Annotated[float, "below 1 safer, above 1 more varied, 0 the likeliest"] = 1.0
    top_k: Annotated[int | None, "sample from the k likeliest tokens only"] = None
    top_p: Annotated[float | None, "sample from the likeliest tokens that together reach this probability"] = None
    stop: Annotated[str | None, "end before this text"] = None
    count: Annotated[int, "number of samples"] = 1
    seed: Annotated[int, "same seed, same text"] = 0

    def check(self) -> None:
        """Raises OptionError for the first invalid value."""
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
            raise OptionError(
                "--stop is the text to end before; got an empty one. To generate without a stop text, leave it out."
            )


@checked
@dataclass(frozen=True)
class PredictSettings(Settings):
    """The options of `unroll predict`. Each task takes some of them."""

    top: Annotated[int | None, "print the N likeliest labels or texts"] = None
    every: Annotated[bool, "print the prediction after each step of a line"] = False
    beam: Annotated[int | None, "generated texts: beam search with N beams"] = None
    temperature: Annotated[float | None, "generated texts: sample; below 1 safer"] = None
    seed: Annotated[int | None, "with --temperature: seed of the sampling"] = None
    show_attention: Annotated[
        str | None, "where a prediction looks: images as out.png or page.html, or else as numbers; texts with --json"
    ] = None  # "": numbers
    hedge: Annotated[bool, "captions: perhaps before those with a confidence under a quarter"] = False
    stop_when_sure: Annotated[float | None, "glimpses: stop when a label is this probable, such as 0.95"] = None

    def check(self) -> None:
        """Raises OptionError for the first invalid value."""
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
        check_share_sure(self.stop_when_sure)


def check_share_sure(value: float | None) -> None:
    """Raises OptionError unless a value of --stop-when-sure is None or a probability that may be reached."""
    if value is not None and not 0 < value <= 1:
        raise OptionError(f"--stop-when-sure is a probability above 0 and at most 1, such as 0.95; got {value:g}.")


def _plain(value: Any) -> Any:
    """A path as text, a number of another library as Python's int or float."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def option_name(field: str) -> str:
    """The option of the command line that sets a field."""
    return f"--{field.replace('_', '-')}"


def check_seed(seed: int) -> None:
    """Raises OptionError for a seed below 0, which most libraries refuse, or beyond the whole numbers of a run's
    JSON: such a run could not be repeated."""
    if seed < 0:
        raise OptionError(f"--seed is a whole number of at least 0; got {seed}.")
    if seed > LARGEST_NUMBER:
        raise OptionError(f"--seed is a whole number of at most {LARGEST_NUMBER}; got {seed}.")


def check_count(option: str, value: int, most: int) -> None:
    """Raises OptionError unless `value` is a whole number from 1 to `most`."""
    if value < 1:
        raise OptionError(f"{option} is a whole number of at least 1; got {value}.")
    if value > most:
        raise OptionError(f"{option} is a whole number of at most {most:,}; got {value:,}.")


def check_minutes(minutes: float | None) -> None:
    """Raises OptionError unless `minutes` is None or a valid budget."""
    if minutes is not None and not (math.isfinite(minutes) and 0 < minutes <= MOST_MINUTES):
        raise OptionError(
            f"--minutes is a number above 0 and at most {MOST_MINUTES:g} (a week); got {minutes:g}.\n"
            "Try --minutes 10, or --steps N for a number of updates."
        )


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises OptionError, with the nearest choice offered, unless `value` is one of `choices`."""
    if value not in choices:
        raise OptionError(f"{option} is one of {', '.join(choices)}; got '{value}'.{nearest(value, choices)}")
