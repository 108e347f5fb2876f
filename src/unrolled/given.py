"""What a call from Python is given: a path, texts. What the command line's own types keep out is refused here."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from unrolled.errors import DataError, OptionError
from unrolled.escaping import is_a_path

T = TypeVar("T")
SHOWN = 40  # characters of a text that was given as a path


def as_path(path: Any, what: str = "The data") -> str:
    """The path as a text. Raises OptionError where it is none or empty, DataError where it can name nothing."""
    try:
        written = os.fspath(path)
    except TypeError:
        written = b""
    if not isinstance(written, str):
        raise OptionError(f"{what} is named by a path, a str or a pathlib.Path; got {_kind(path)}.")
    if _is_text(written):
        shown = ascii(written[:SHOWN]) + (" …" if len(written) > SHOWN else "")
        raise DataError(
            f"{shown}: {len(written):,} characters and no path. A name in a path is one line of at most 255 bytes.\n"
            "Give the path of what is there. If this is a text, put it into a file, and give the file's path."
        )
    check_path(written, what)
    return written


def check_path(written: str | None, what: str) -> None:
    """Raises OptionError for a path of nothing or of blanks alone: Python would take the working folder for it, and
    it is what a shell makes of a variable that is not set; and for what no file can be called."""
    if written is not None and not written.strip():
        raise OptionError(
            f"{what} is named by a path; got an empty one. Is a variable of your shell not set?\n"
            "The folder you are in is called by a dot: ."
        )
    if written is not None and not is_a_path(written):
        raise OptionError(f"{what} is named by a path; got {written[:SHOWN]!a}, which no file can be called.")


def _is_text(written: str) -> bool:
    """Whether this can be no path: it has a NUL or a name that is too long, or lines where nothing is there."""
    if not is_a_path(written):
        return True
    try:
        Path(written).stat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG or "\n" in written
    return False


def as_texts(texts: Any, kinds: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    """The texts in their order, each checked as it comes; one alone is one text. Raises OptionError."""
    if isinstance(texts, kinds):
        texts = [texts]
    if isinstance(texts, Mapping):
        raise OptionError(
            f"Texts were expected, a list of str or one alone; got {_kind(texts)}, whose keys are not asked about.\n"
            "Give its values: list(texts.values())"
        )
    if isinstance(texts, bytes | os.PathLike) or not isinstance(texts, Iterable):
        raise OptionError(f"Texts were expected, a list of str or one alone; got {_kind(texts)}.")
    return _checked(texts, kinds)


def _checked(texts: Iterable[Any], kinds: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    for number, text in enumerate(texts, 1):
        if not isinstance(text, kinds):
            raise OptionError(f"Each text is a str; number {number} is {_kind(text)}.")
        yield text


def as_whole(name: str, value: Any, least: int) -> int | None:
    """A whole number of at least `least`, or None. Raises OptionError, naming the parameter."""
    if value is not None and (type(value) is not int or value < least):
        raise OptionError(f"{name} is a whole number of at least {least}; got {value!r:.80}.")
    return value


def as_number(name: str, value: Any) -> float:
    """A number above 0. Raises OptionError, naming the parameter."""
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise OptionError(f"{name} is a number above 0; got {value!r:.80}.")
    return float(value)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
