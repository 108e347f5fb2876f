"""Escaping of text, so that it cannot steer a terminal and can always be encoded: as in Python, such as \\x1b.

Escaped are the control characters of ASCII and Latin 1 except tab and line end, the line and paragraph separators,
the controls of writing direction (U+202A to U+202E, U+2066 to U+2069), and lone surrogates, which stand for bytes
that are not UTF-8 and which no encoding accepts. All other characters of any script are unchanged.
"""

from __future__ import annotations

import os
import re

STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
ANYWHERE = re.compile(f"[{STEERING}]")
LONGEST_NAME = 200  # bytes, of the 255 that a file name can have
IN_A_LINE = re.compile(f"[{STEERING}\t\n]")


def escape_controls(text: str) -> str:
    """The escaped text, of any number of lines; tabs and line ends are kept."""
    return ANYWHERE.sub(_escape, text)


def one_line(text: str) -> str:
    """The escaped text for use within a line, such as a name or a cell: tabs and line ends are escaped too."""
    return IN_A_LINE.sub(_escape, text)


def folder_name(text: str) -> str:
    """The folder name for data of this name: without bytes that are not UTF-8, which cannot be typed, and short
    enough for a number or the suffix of its temporary name."""
    return text.encode("utf-8", "ignore")[:LONGEST_NAME].decode("utf-8", "ignore")


def escape_json(text: str) -> str:
    """JSON of the same value without such characters; line ends between values are kept."""
    return ANYWHERE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(found[0]) or _by_number(ord(found[0]))


def _by_number(number: int) -> str:
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def is_a_path(written: str) -> bool:
    """Whether a file can have this name: it has no NUL and can be encoded as bytes."""
    try:
        return b"\0" not in os.fsencode(written)
    except UnicodeEncodeError:  # a lone surrogate
        return False
