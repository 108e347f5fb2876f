"""A command's options from a settings dataclass: names, types, defaults and help come from its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from unrolled.compare_options import CompareSettings
from unrolled.errors import OptionError
from unrolled.options import TrainOptions, TrainSettings
from unrolled.settings import PredictSettings, SampleSettings, Settings, check_seed, option_name

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="print JSON, one object per line")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print only the result, no progress and no notes")]
RunPath = Annotated[
    str | None, typer.Argument(metavar="RUN", help="a run's folder; left out: the newest under runs/")
]
SkipEmpty = Annotated[bool, typer.Option("--skip-empty", help="leave out empty rows and lines")]
Adapt = Annotated[bool, typer.Option("--adapt", help="also score a copy that keeps learning from the text")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps")]


def takes(
    settings_class: type[TrainOptions] | type[SampleSettings] | type[PredictSettings] | type[CompareSettings],
    leave_out: Container[str] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command with a parameter `settings` an option for each field of the class, but those in `leave_out`.

    The settings are made and checked before the command's body runs; `check` raises OptionError.
    """
    hints = get_type_hints(settings_class, include_extras=True)
    fields = [field for field in dataclasses.fields(settings_class) if field.name not in leave_out]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_settings(**values: Any) -> None:
            settings = settings_class(**{field.name: values.pop(field.name) for field in fields})
            settings.check()
            command(settings=settings, **values)

        own = dict(signature(command, eval_str=True).parameters)
        del own["settings"]
        options = [_parameter(field.name, hints[field.name], field.default, settings_class) for field in fields]
        first = [parameter for parameter in own.values() if parameter.default is Parameter.empty]
        last = [parameter for parameter in own.values() if parameter.default is not Parameter.empty]
        parameters = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in (*first, *options, *last)]
        with_settings.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_settings

    return decorate


class Panels(TyperCommand):
    """A command whose help groups its options by task."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes a section for each panel, in order of first use; options without a panel come first."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            argument = parameter.param_type_name == "argument"
            panel = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or "Options"
            panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


class OptionalFiles(TyperCommand):
    """A command with options of `OPTIONAL_FILE`, whose file can be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments. A word after such an option is its file if it has one of the endings; otherwise it is
        an argument, and the option's value is empty."""
        return super().parse_args(ctx, _with_values(args))


def _with_values(args: list[str]) -> list[str]:
    done: list[str] = []
    rest = iter(args)
    for word in rest:
        if word == "--":
            return [*done, word, *rest]
        if word in OPTIONAL_FILE:
            following = next(rest, None)
            named = following is not None and following.lower().endswith(OPTIONAL_FILE[word])
            done.append(f"{word}={following if named else ''}")
            if following is not None and not named:
                done += _with_values([following, *rest])
                return done
        else:
            done.append(word)
    return done


ALIASES = {"--learning-rate": ("--lr",)}
OPTIONAL_FILE = {"--show-attention": (".png", ".html")}
"""Options whose file can be left out, and the endings of its name."""


def option(name: str, hint: Any, help_text: str, shows_default: bool = True, panel: str | None = None) -> Any:
    """An annotation for an option of this type; an invalid number is refused with our message. panel: the option's
    section in the help."""
    kind = {int: whole_number, int | None: whole_number, float: any_number, float | None: any_number}.get(hint)
    parser = None if kind is None else kind(name)
    return Annotated[
        hint,
        typer.Option(
            name,
            *ALIASES.get(name, ()),
            parser=parser,
            help=help_text,
            metavar="[FILE]" if name in OPTIONAL_FILE else None,
            show_default=shows_default,
            rich_help_panel=panel,
        ),
    ]


def whole_number(name: str) -> Callable[[str], int]:
    """A parser of whole numbers for the option `name`. It raises OptionError for anything else."""
    return _parser(name, int, "a whole number")


def seed_number(text: str) -> int:
    """Parses --seed for commands without a settings class. Raises OptionError."""
    seed = whole_number("--seed")(text)
    check_seed(seed)
    return seed


Seed = Annotated[int, typer.Option(parser=seed_number, help="seed of all random numbers")]


def any_number(name: str) -> Callable[[str], float]:
    """A parser of numbers for the option `name`. It raises OptionError for anything else."""
    return _parser(name, float, "a number")


def _parser(name: str, make: Callable[[str], T], words: str) -> Callable[[str], T]:
    def parse(text: str) -> T:
        try:
            return make(text)
        except ValueError:
            raise OptionError(f"{name} is {words}; got '{text}'.") from None

    parse.__name__ = getattr(make, "__name__", words)  # some versions of typer show it in the help
    return parse


Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        parser=whole_number("--threads"),
        help="processor threads, at most all cores (left out: the faster choice)",
    ),
]


def _parameter(name: str, hint: Any, default: Any, settings_class: type[Settings]) -> Parameter:
    value_type, help_text = get_args(hint)[:2]
    panel = None
    if issubclass(settings_class, TrainOptions) and (owner := settings_class.owner(name)) is not TrainSettings:
        panel = f"Options of {owner.of}"
    shows_default = default not in (None, "") and not isinstance(default, bool)
    annotation = option(option_name(name), value_type, help_text, shows_default, panel)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
