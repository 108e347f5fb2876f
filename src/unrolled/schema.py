"""The check of values read from JSON against a type; all JSON of a run folder is checked here.

A type is one of Python's annotations: bool, int, float, str, None, Any, unions, Literal, list[T], tuple[T, ...],
dict[str, T], a TypedDict, which may have further keys of any type, or a dataclass, which may not.
`Annotated[int, Within(1, 9)]` is a number in a range. A float may be written as a whole number, and is finite.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from typing import is_typeddict as is_typed_dict

from unrolled.errors import RunError
from unrolled.opening import CURE

LARGEST_NUMBER = 2**63 - 1  # whole number, positive or negative: the range of int64
SHOWN = 40  # characters shown of a wrong value
PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", types.NoneType: "null"}


class Within(NamedTuple):
    """The range of a number, both ends included."""

    least: float
    most: float


class Fault(NamedTuple):
    """A place where a value does not have its type."""

    place: str
    value: str
    expected: str


def check_type(value: Any, kind: Any, source: str) -> Any:
    """`value`, checked to be of this type. Raises RunError, naming `source` and the first place of a wrong type."""
    fault = find_fault(value, kind)
    if fault is not None:
        place = f"'{fault.place}'" if fault.place else "it"
        raise RunError(f"{source} is damaged: {place} is {fault.value}, where {fault.expected} was expected. {CURE}")
    return value


def find_fault(value: Any, kind: Any) -> Fault | None:
    """The first place where `value` is not of this type."""
    return next(_faults(value, kind, ""), None)


def _faults(value: Any, kind: Any, place: str) -> Iterator[Fault]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Required, NotRequired):
        yield from _faults(value, arguments[0], place)
    elif origin is Annotated:
        yield from _faults(value, arguments[0], place)
        for within in arguments[1:]:
            if not isinstance(within, Within) or not isinstance(value, int | float):
                continue
            if not within.least <= value <= within.most:
                yield Fault(place, _shown(value), f"a number from {within.least:g} to {within.most:g}")
    elif origin in (Union, types.UnionType):
        fitting = [one for one in arguments if next(_faults(value, one, place), None) is None]
        if not fitting:
            last = [one for one in arguments if one is not types.NoneType and _alike(value, one)]
            if last:  # the fault inside the alternative of this kind
                yield from _faults(value, last[0], place)
            else:
                yield Fault(place, _shown(value), " or ".join(map(_name, arguments)))
    elif origin is Literal:
        if not any(value == one and type(value) is type(one) for one in arguments):
            yield Fault(place, _shown(value), "one of " + ", ".join(map(str, arguments)))
    elif kind in PLAIN:
        if not _is_plain(value, kind):
            yield Fault(place, _shown(value), _name(kind))
    elif _alike(value, kind):
        yield from _inside(value, kind, place)
    else:
        yield Fault(place, _shown(value), _name(kind))


def _inside(value: Any, kind: Any, place: str) -> Iterator[Fault]:
    """The faults of the values of a list or an object."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is dict:
        for name, item in value.items():
            yield from _faults(item, arguments[1], _below(place, name))
    elif origin in (list, tuple):
        endless = origin is list or arguments[-1] is Ellipsis
        if not endless and len(value) != len(arguments):
            yield Fault(place, f"a list of {len(value)}", f"a list of {len(arguments)}")
        for number, (item, of) in enumerate(zip(value, repeat(arguments[0]) if endless else arguments, strict=False)):
            yield from _faults(item, of, f"{place}[{number}]")
    else:
        fields, required = _fields(kind)
        for name in sorted(required - value.keys()):
            yield Fault(_below(place, name), "missing", _name(fields[name]))
        for name, item in value.items():
            if name in fields:
                yield from _faults(item, fields[name], _below(place, name))
            elif dataclasses.is_dataclass(kind):
                yield Fault(_below(place, name), "present", "no such name")


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a TypedDict's keys or a dataclass's fields, and the required names."""
    hints = get_type_hints(kind, include_extras=True)
    if is_typed_dict(kind):
        whole = NotRequired if kind.__total__ else Required
        return hints, frozenset(name for name, hint in hints.items() if (get_origin(hint) is whole) != kind.__total__)
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    needed = (one.name for one in fields if one.default is missing and one.default_factory is missing)
    return {one.name: hints[one.name] for one in fields}, frozenset(needed)


def _alike(value: Any, kind: Any) -> bool:
    """Whether the value is a list for a list type, an object for an object type."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _alike(value, get_args(kind)[0])
    if kind in PLAIN:
        return _is_plain(value, kind)
    return isinstance(value, list) if origin in (list, tuple) else isinstance(value, dict)


def _is_plain(value: Any, kind: Any) -> bool:
    tests: dict[Any, Callable[[], bool]] = {
        bool: lambda: type(value) is bool,
        int: lambda: type(value) is int and abs(value) <= LARGEST_NUMBER,
        float: lambda: math.isfinite(value) if type(value) is float else _is_plain(value, int),
        str: lambda: type(value) is str,
        types.NoneType: lambda: value is None,
    }
    return tests[kind]()


def _name(kind: Any) -> str:
    """The name of a type in a message."""
    if get_origin(kind) in (Annotated, Required, NotRequired):
        return _name(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_name, get_args(kind)))
    return PLAIN.get(kind, "a list" if get_origin(kind) in (list, tuple) else "an object")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    except ValueError:  # a number of too many digits
        return "a number of very many digits"
    return text if len(text) <= SHOWN else text[:SHOWN] + " …"


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else str(name)
