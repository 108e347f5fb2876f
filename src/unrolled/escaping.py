"""Text that cannot steer a terminal, and can always be written: what could is shown as Python writes it, as \\x1b.

Escaped are the control characters of ASCII and Latin 1 but for tab and line end, the line and paragraph separators,
what turns the direction of writing (U+202A to U+202E, U+2066 to U+2069), and lone surrogates, which stand for bytes
that are no UTF-8 and which no encoding writes. All other characters of any script stay as they are.
"""

from __future__ import annotations

import os
import re

STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
ANYWHERE = re.compile(f"[{STEERING}]")
LONGEST_NAME = 200  # bytes of the 255 that a file's name can have
IN_A_LINE = re.compile(f"[{STEERING}\t\n]")


def harmless(text: str) -> str:
    """A text of any number of lines, escaped; tabs and line ends stay."""
    return ANYWHERE.sub(_escape, text)


def one_line(text: str) -> str:
    """The same for what is to stand within a line, as a name or a cell does: tabs and line ends are escaped too."""
    return IN_A_LINE.sub(_escape, text)


def folder_name(text: str) -> str:
    """What a folder that is made after data of this name is called: without what stands for bytes that are not UTF-8,
    which no keyboard types, and so short that a number, or the name in which it is made, can stand beside it."""
    return text.encode("utf-8", "ignore")[:LONGEST_NAME].decode("utf-8", "ignore")


def harmless_json(text: str) -> str:
    """JSON of the same value without any such character; line ends between values stay."""
    return ANYWHERE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(found[0]) or _by_number(ord(found[0]))


def _by_number(number: int) -> str:
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def is_a_path(written: str) -> bool:
    """Whether the system can have a file of this name: no NUL is in it, and it can be written as bytes."""
    try:
        return b"\0" not in os.fsencode(written)
    except UnicodeEncodeError:  # a lone surrogate
        return False
