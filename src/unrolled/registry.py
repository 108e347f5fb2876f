"""Components, such as a memory or a BPTT strategy, by name: `name:key=value,key=value`.

`parse_component` parses such a text, `build` makes the component from its dict; an ensemble is several names joined
by +.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from inspect import Parameter, getattr_static, signature
from typing import Any, TypeVar, get_type_hints

from unrolled.errors import OptionError, nearest

T = TypeVar("T")
COUNTED = "ngram"  # a model of a text, or of the texts of each label
LINEAR = "linear"  # a model of rows with targets
RETRIEVAL = "retrieval"  # captions of similar images, as captions of an image
UNTRAINED = {LINEAR: ("linear model", "fitted"), COUNTED: ("n-gram", "counted")}
"""Their names and how they are made, in the order of an ensemble's name, after the trained model."""
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

SHOWN = 80  # characters shown of an unknown name


def parse_component(text: str) -> tuple[str, dict[str, str]]:
    """Parses `name:key=value,key=value`: "truncated:k1=64" is ("truncated", {"k1": "64"})."""
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if not (key and equals and value):
            raise OptionError(
                f"Options of a component are written name:key=value,key=value; got '{item}' in '{text}'."
            )
        if key.strip() in options:
            raise OptionError(f"'{text}' has the option '{key.strip()}' twice. Write it once.")
        options[key.strip()] = value.strip()
    return name.strip(), options


def choose(kind: str, table: Mapping[str, T], name: str) -> T:
    """The entry of a dict of components. Raises OptionError with the nearest name for an unknown one."""
    if name not in table:
        shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}…"
        known = f"Known: {', '.join(table)}" if table else "There are none"
        raise OptionError(f"Unknown {kind} '{shown}'.{nearest(shown, table)} {known}.")
    return table[name]


def build(kind: str, table: Mapping[str, Callable[..., T]], text: str, *given: Any) -> T:
    """Makes the component that `text` names: `build("bptt", BPTT_STRATEGIES, "truncated:k1=64")`.

    `given` are its first arguments, which the text cannot set. Values are parsed as the types of the component's
    parameters. Raises OptionError for an unknown component, an unknown or missing option, or a value of another type.
    """
    name, options = parse_component(text)
    make = choose(kind, table, name)
    hints = get_type_hints(getattr_static(make, "__init__") if isinstance(make, type) else make)
    parameters = dict(list(signature(make).parameters.items())[len(given) :])
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in parameters:
            known = ", ".join(parameters) or "none"
            raise OptionError(f"The {kind} {name} has no option '{key}'.{nearest(key, parameters)} It has: {known}.")
        values[key] = _read_value(f"{name}:{key}", value, hints.get(key, str))
    for key, parameter in parameters.items():
        if parameter.default is Parameter.empty and key not in values:
            raise OptionError(f"The {kind} {name} needs its option '{key}': write {name}:{key}=VALUE.")
    return make(*given, **values)


def _read_value(name: str, text: str, hint: Any) -> Any:
    kinds = getattr(hint, "__args__", (hint,))
    if text.lower() == "none" and type(None) in kinds:
        return None
    if str in kinds:
        return text
    for kind, words in ((int, "a whole number"), (float, "a number")):
        if hint is kind or kind in getattr(hint, "__args__", ()):
            try:
                return kind(text)
            except ValueError:
                raise OptionError(f"{name} is {words}; got '{text}'.") from None
    return text


def parse_list(option: str, text: str) -> list[str]:
    """Components separated by commas, "lstm,attention:span=64,heads=2": a `key=value` alone belongs to the component
    before it. Raises OptionError for an empty list, an empty entry or two equal ones."""
    entries: list[str] = []
    for item in text.split(","):
        if entries and "=" in item and ":" not in item:
            entries[-1] += "," + item.strip()
        else:
            entries.append(item.strip())
    if not all(entries):
        raise OptionError(f"{option} is a list with commas between its entries, none of them empty; got '{text}'.")
    for entry in entries:
        if entries.count(entry) > 1:
            raise OptionError(f"{option} has '{entry}' twice; name each once (more --seeds train it more often).")
    return entries


def trained_member(model: str | None) -> str | None:
    """The trained member in the name of an ensemble; any other name unchanged."""
    if model is None:
        return None
    return next((member for member in model.split("+") if member not in UNTRAINED), model)


def parse_bytes(name: str, text: str | int) -> int:
    """A number of bytes from "64MB", "1.5 GB" or 4096. Raises OptionError, naming the option `name`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    unit = None if match is None else UNITS.get(match[2].upper())
    count = int(float(match[1]) * unit) if match is not None and unit is not None else 0
    if not count:
        raise OptionError(f"{name} is a number of bytes such as 64MB or 1GB; got '{text}'.")
    return count
