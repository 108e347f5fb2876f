"""The errors that a user can act on.

UnrolledError
├── InputError            the input is wrong (exit code 2)
│   ├── DataError         a file, a folder, a line, a row
│   │   └── MediaError    an audio file or an image
│   ├── OptionError       the name or the value of an option
│   ├── TensorError       a tensor that a memory, an encoder or cross-attention gets
│   ├── RunError          a run folder
│   └── MissingExtra      a package that only some users need
└── TrainingError         the work failed (exit code 1)

A message states what was expected, what came and what to do, in at most three lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

OPTION = re.compile("--[a-z]+(-[a-z]+)*")
UNTYPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal, and surrogates that stand for bytes that are not UTF-8."""
HALVES = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte of a path
DONE, FAILED, WRONG_INPUT = 0, 1, 2  # exit codes of a command


class UnrolledError(Exception):
    """The base class of all errors that unrolled raises on purpose."""


class InputError(UnrolledError):
    """The user's input is wrong; nothing was changed."""


class DataError(InputError):
    """A file, folder, line or row cannot be read in the expected form."""


class MediaError(DataError):
    """One audio file or image cannot be read; the others may be whole."""


class OptionError(InputError):
    """An option is unknown, out of range, or not an option of the chosen component."""


class TensorError(InputError):
    """A tensor has the wrong shape, type or device, or a state belongs to another model."""


class RunError(InputError):
    """A run folder is missing, damaged, of another kind or of a newer format."""


class MissingExtra(InputError):
    """A package that only some users need is absent; the message names the extra."""


class TrainingError(UnrolledError):
    """Training or saving failed; the last checkpoint is whole."""


SHORTAGE = re.compile("can't allocate memory|out of memory|not enough memory|[Uu]nable to allocate")


@contextmanager
def explained_shortage() -> Iterator[None]:
    """Raises TrainingError for a lack of memory, which Python, numpy and torch report in their own ways."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = str(error).strip().partition("\n")[0]
        if not isinstance(error, MemoryError) and not SHORTAGE.search(words):
            raise
        raise TrainingError(
            f"There is not enough memory: {words[:160] or 'none could be allocated'}\n"
            "Choose a smaller model, batch or window (--hidden-size, --layers, --batch-size, --window, or with "
            "--encoder its width), or less data."
        ) from error


def install_extra(extra: str) -> str:
    """The command that installs an extra from the checkout. unrolled is on no package index: anybody may take its
    name there, and a command with that name would then install their code."""
    return f"pip install '.[{extra}]' in unrolled's checkout"


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that offers the most similar of `names`, or "" where none is near: " Did you mean 'lstm'?"."""
    known = list(names)
    same = [one for one in known if one.casefold() == str(name).casefold()]
    matches = same or get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def command(*words: object) -> str:
    """A command for a message, quoted for bash: `command("sample", path)` is "unroll sample 'my run'"."""
    return " ".join(map(shell_quote, ["unroll", *words]))


def shell_quote(word: object) -> str:
    """A word quoted so that bash and a command parse it back, whatever its bytes: a path that begins with a dash,
    which would be taken for an option, is ./-path; bytes that cannot be typed are numbers in $'…'."""
    written = f"./{word}" if _is_dashed(word) else str(word)
    if not UNTYPED.search(written):
        return shlex.quote(written)
    data = HALVES.sub("?", written).encode("utf-8", "surrogateescape")
    return "$'" + "".join(map(_byte, data)) + "'"


def new_name(path: Path) -> str:
    """The name of a new file for a message: `> NEW.csv`. It ends like the file that it replaces, so that it is read
    in the same way, and is never that file: a shell empties the file it writes before a command reads it."""
    return shell_quote(f"NEW{path.suffix}")


def _byte(byte: int) -> str:
    if chr(byte) in "'\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _is_dashed(word: object) -> bool:
    """Whether a word would be taken for an option and is not one."""
    written = str(word)
    return written.startswith("-") and written != "-" and (isinstance(word, Path) or not OPTION.fullmatch(written))
