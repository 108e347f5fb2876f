"""Checks of the paths and texts given in a call from Python, which the command line checks by its types."""

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
    """The path as text. Raises OptionError where it is not a path or is empty, DataError where it is no file name."""
    try:
        written = os.fspath(path)
    except TypeError:
        written = b""
    if not isinstance(written, str):
        raise OptionError(f"{what} is named by a path, a str or a pathlib.Path; got {_kind(path)}.")
    if _is_text(written):
        shown = ascii(written[:SHOWN]) + (" …" if len(written) > SHOWN else "")
        raise DataError(
            f"{shown}: {len(written):,} characters, not a path. A name in a path is one line of at most 255 bytes.\n"
            "Give the path of an existing file. If this is a text, save it to a file, and give the file's path."
        )
    check_path(written, what)
    return written


def check_path(written: str | None, what: str) -> None:
    """Raises OptionError for an empty or blank path, which Python would take for the working folder and which an
    unset variable of the shell gives; and for a name that no file can have."""
    if written is not None and not written.strip():
        raise OptionError(
            f"{what} is named by a path; got an empty one. Is a variable of your shell unset?\n"
            "The current folder is a dot: ."
        )
    if written is not None and not is_a_path(written):
        raise OptionError(f"{what} is named by a path; got {written[:SHOWN]!a}, which is no valid file name.")


def _is_text(written: str) -> bool:
    """Whether this cannot be a path: it has a NUL or a name that is too long, or several lines and no such file."""
    if not is_a_path(written):
        return True
    try:
        Path(written).stat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG or "\n" in written
    return False


def as_texts(texts: Any, kinds: type[T] | tuple[type[T], ...]) -> Iterator[T]:
    """The texts in order, each checked when it arrives; a single text counts as one. Raises OptionError."""
    if isinstance(texts, kinds):
        texts = [texts]
    if isinstance(texts, Mapping):
        raise OptionError(
            f"Texts were expected, a list of str or a single one; got {_kind(texts)}.\n"
            "Give its values: list(texts.values())"
        )
    if hasattr(texts, "columns") or hasattr(texts, "column_names"):
        raise OptionError(
            f"Texts were expected, a list of str or a single one; got {_kind(texts)}.\nGive one of its columns: "
            "list(data['…'])"
        )
    if isinstance(texts, bytes | os.PathLike) or not isinstance(texts, Iterable):
        raise OptionError(f"Texts were expected, a list of str or a single one; got {_kind(texts)}.")
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
