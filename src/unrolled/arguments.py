"""Checks that the arguments of a call from Python have the types that its function declares.

`checked` decorates a function or a dataclass; memories, encoders and cross-attentions get it automatically. A type is
one of Python's annotations; `Count` is a number of units, steps or layers.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from unrolled.errors import OptionError, nearest
from unrolled.schema import LARGEST_NUMBER, Within

Checkable = TypeVar("Checkable", bound=Callable[..., Any])

Count: TypeAlias = Annotated[int, Within(1, LARGEST_NUMBER)]
SIZES = ("input_size", "size")
"""Parameters that are counts where they are declared int, or without a type."""
WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", types.NoneType: "None"}
NUMBERS: dict[Any, type] = {int: Integral, float: Real}  # including numpy's
SHOWN = 40  # characters shown of a wrong value


def checked(thing: Checkable) -> Checkable:
    """The same function or dataclass, whose arguments are checked before it runs: OptionError for an unknown or
    missing argument, or one of another type than declared."""
    if isinstance(thing, type):
        thing.__init__ = checked_init(thing.__init__)  # type: ignore[misc]
        return thing

    @wraps(thing)
    def call(*given: Any, **named: Any) -> Any:
        check_arguments(thing, thing.__name__, given, named)
        return thing(*given, **named)

    return call  # type: ignore[return-value]


def checked_init(init: Callable[..., None]) -> Callable[..., None]:
    """The same for an `__init__`; the messages name the class."""

    @wraps(init)
    def make(self: Any, *given: Any, **named: Any) -> None:
        check_arguments(init, type(self).__name__, (self, *given), named)
        init(self, *given, **named)

    return make


def check_arguments(function: Callable[..., Any], name: str, given: Sequence[Any], named: dict[str, Any]) -> None:
    """Raises OptionError unless `function` can be called with these arguments. name: its name in the message."""
    form, hints = _declared(function)
    known = [one for one in form.parameters if one != "self"]
    try:
        bound = form.bind(*given, **named)
    except TypeError as problem:
        unknown = [one for one in named if one not in form.parameters]
        meant = nearest(unknown[0], known) if unknown else ""
        raise OptionError(f"{name}: {problem}.{meant} It takes: {', '.join(known) or 'nothing'}.") from None
    for parameter, value in bound.arguments.items():
        kind = form.parameters[parameter].kind
        if kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) or parameter not in hints:
            continue
        if not _fits(value, hints[parameter]):
            raise OptionError(f"{name}: {parameter} is {_name(hints[parameter])}; got {_shown(value)}.")


def check_sizes(component: Any) -> None:
    """Raises OptionError unless the sizes of a component are counts."""
    for name in SIZES:
        if not _fits(size := getattr(component, name, 1), Count):
            raise OptionError(f"{type(component).__name__}: {name} is {_name(Count)}; got {_shown(size)}.")


@cache
def _declared(function: Callable[..., Any]) -> tuple[Signature, dict[str, Any]]:
    """A function's signature, and the types of its parameters as far as they can be resolved."""
    form = signature(function)
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # a type that is local to a function, or is not a type
        hints = {}
    return form, hints | {one: Count for one in SIZES if one in form.parameters and hints.get(one, int) is int}


def _fits(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [one for one in arguments[1:] if isinstance(one, Within)]
        return _fits(value, arguments[0]) and all(one.least <= value <= one.most for one in ranges)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if kind in NUMBERS:
        return isinstance(value, NUMBERS[kind]) and not isinstance(value, bool)
    if origin in (list, Sequence):
        return isinstance(value, Sequence) and not isinstance(value, str) and _all_fit(value, arguments)
    if origin is tuple:
        return isinstance(value, tuple) and (Ellipsis in arguments or len(value) == len(arguments))
    if origin is Callable or kind is Callable:
        return callable(value)
    if isinstance(kind, type) and not getattr(kind, "_is_protocol", False):
        return isinstance(value, kind)
    return True


def _all_fit(values: Sequence[Any], arguments: tuple[Any, ...]) -> bool:
    return all(_fits(value, arguments[0]) for value in values) if arguments else True


def _limits(span: Within) -> str:
    """A range in a message; of a very large one the lower end."""
    return f" of at least {span.least:g}" if span.most >= LARGEST_NUMBER else f" from {span.least:g} to {span.most:g}"


def _name(kind: Any) -> str:
    """The name of a type in a message."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        ranges = [one for one in arguments[1:] if isinstance(one, Within)]
        return _name(arguments[0]) + "".join(map(_limits, ranges))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(map(_name, arguments))
    if origin in (list, Sequence):
        return "a list" + (f", each {_name(arguments[0])}" if arguments else "")
    if origin is tuple:
        return f"a tuple, {' and '.join(_name(one) for one in arguments if one is not Ellipsis)}"
    if origin is Callable or kind is Callable:
        return "a class or a function"
    return WORDS.get(kind) or _a(getattr(kind, "__name__", str(kind)))


def _shown(value: Any) -> str:
    """A plain value as its repr, anything else by its type."""
    if value is None or isinstance(value, str | Integral | Real):
        try:
            written = repr(value)
        except ValueError:  # a number of too many digits
            return "a number of very many digits"
        return written if len(written) <= SHOWN else written[:SHOWN] + " …"
    if isinstance(value, list | tuple) and value:
        return f"{_a(type(value).__name__)} that begins with {_shown(value[0])}"
    return _a(type(value).__name__)


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiouAEIO' else 'a'} {name}"
