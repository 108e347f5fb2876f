"""The errors a person can act on.

UnrolledError
├── InputError            what was given is wrong (exit code 2)
│   ├── DataError         a file, a folder, a line, a row
│   │   └── MediaError    a sound or a picture
│   ├── OptionError       the name or the value of an option
│   ├── TensorError       a tensor, given to a memory, an encoder or a reader
│   ├── RunError          a run folder
│   └── MissingExtra      a package that only some users need
└── TrainingError         it failed while working (exit code 1)

A message says what was expected, what came and what to do, in at most three lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

OPTION = re.compile("--[a-z]+(-[a-z]+)*")
UNTYPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal, and what stands for bytes that are not UTF-8."""
HALVES = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # of characters: no byte of a path stands for these


class UnrolledError(Exception):
    """The root: everything that unrolled raises on purpose."""


class InputError(UnrolledError):
    """What the user gave is wrong; nothing was changed."""


class DataError(InputError):
    """A file, folder, line or row cannot be read as what it should be."""


class MediaError(DataError):
    """One sound or picture cannot be read; the others may be whole."""


class OptionError(InputError):
    """An option is unknown, out of range, or not one that the chosen part has."""


class TensorError(InputError):
    """A tensor is of another shape, type or device than what it is given to reads, or a state is another's."""


class RunError(InputError):
    """A run folder is missing, damaged, of another kind or of a newer format."""


class MissingExtra(InputError):
    """A package that only some users need is absent; the message names the extra."""


class TrainingError(UnrolledError):
    """Training or saving failed; the last checkpoint is whole."""


def install_extra(extra: str) -> str:
    """How an extra is installed: from the checkout. No package index has unrolled: anybody may take its name there,
    and a command with that name would then run what they put under it."""
    return f"pip install '.[{extra}]' in unrolled's checkout"


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that offers the most similar of `names`, or "" where none is near: " Did you mean 'lstm'?"."""
    matches = get_close_matches(str(name), list(names), n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def command(*words: object) -> str:
    """What to type, to be put into a message: `command("sample", path)` is "unroll sample 'my run'", quoted as bash
    wants it."""
    return " ".join(map(typed, ["unroll", *words]))


def typed(word: object) -> str:
    """A word as bash and a command read it back, whatever bytes it holds: a path that begins with a dash, which would
    be taken for an option, is ./-path; bytes that no keyboard types stand as numbers in $'…'."""
    written = f"./{word}" if _is_dashed(word) else str(word)
    if not UNTYPED.search(written):
        return shlex.quote(written)
    data = HALVES.sub("?", written).encode("utf-8", "surrogateescape")
    return "$'" + "".join(map(_byte, data)) + "'"


def _byte(byte: int) -> str:
    if chr(byte) in "'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _is_dashed(word: object) -> bool:
    """Whether a word would be taken for an option and is none."""
    written = str(word)
    return written.startswith("-") and written != "-" and (isinstance(word, Path) or not OPTION.fullmatch(written))
