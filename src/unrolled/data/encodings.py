"""What to say of a file that is not UTF-8 text: where its first fault is, and a cure that garbles nothing."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unrolled.errors import DataError, typed

BLOCK = 1 << 22  # bytes read at once
LOOKED_AT = 1 << 26  # bytes of a file by which its encoding is judged
WESTERN = 0.5  # share of letters beyond ASCII up to which a text may be in Latin letters
IN_WORDS = re.compile(rb"[A-Za-z][\x80\x82\x84-\x89\x8b\x91\x93-\x95\x97-\x99\x9b][A-Za-z]")  # never so in cp1252
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in cp1252
SPACES = frozenset(" \t\r\n")


@dataclass
class Bytes:
    """What has been counted of a file."""

    good: int = 0  # characters of several bytes that are valid UTF-8
    wrong: Counter[int] = field(default_factory=Counter)  # bytes that are not
    letters: int = 0  # ASCII ones
    in_words: bool = False  # whether marks of cp1252 stand where none does


def first_fault(path: Path, encoding: str = "utf-8") -> tuple[int, int]:
    """(byte, line) of the first place in a file that is not valid in its encoding."""
    encoding = encoding.removesuffix("-sig")
    decoder = codecs.getincrementaldecoder(encoding)()
    before, line = 0, 1
    for block in _blocks(path):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(encoding, "ignore")
            return max(0, before - pending + error.start), line + good.count("\n")
        before += len(block)
        line += text.count("\n")
    return before, line


def cure(path: Path, encoding: str = "utf-8") -> str:
    """How a file that is not valid in its encoding becomes so. What is UTF-8 in it is never converted."""
    if not encoding.startswith("utf-8"):
        return "Is the file cut off, or damaged? Copy it anew."
    name = typed(path)
    seen = _count(path)
    count, wrong = seen.wrong.total(), "1 byte is" if seen.wrong.total() == 1 else f"{seen.wrong.total():,} bytes are"
    if seen.good >= 10 * count:
        return (
            f"{wrong} wrong, and the rest is UTF-8. Mend them in an editor, or leave them out:\n"
            f"iconv -c -f utf-8 -t utf-8 {name} > NEW"
        )
    if 4 * seen.good > count:
        return (
            f"{seen.good:,} characters are UTF-8, and {wrong} of another encoding. Were two files joined?\n"
            "Convert that part alone: as a whole, one of them would be garbled."
        )
    if count > WESTERN * (seen.letters + count):
        return (
            "It is in another encoding: cp1251 or koi8-r (Cyrillic), gb18030, shift_jis or another.\n"
            f"Find out which, and convert it: iconv -f ENCODING -t utf-8 {name} > NEW"
        )
    if seen.in_words or any(seen.wrong[byte] for byte in UNDEFINED):
        return (
            "It is in another encoding of one byte a character, and not in cp1252: cp850, say, or macintosh.\n"
            f"Find out which, and convert it: iconv -f ENCODING -t utf-8 {name} > NEW"
        )
    return (
        "It seems to be cp1252 (of Western Europe; cp1250 is of Central Europe). Convert it:\n"
        f"iconv -f cp1252 -t utf-8 {name} > NEW"
    )


def describe_binary(path: Path) -> str:
    """What a file with bytes that no text has is, and what to do: text in UTF-16, text with zeros in it, or none."""
    head = next(_blocks(path))[: 1 << 16]
    name = typed(path)
    if (encoding := without_mark(head)) is not None:
        return (
            f"{path} is text in {encoding.upper()} without a byte order mark.\n"
            f"Convert it: iconv -f {encoding} -t utf-8 {name} > NEW"
        )
    rest = head.replace(b"\0", b"")
    if b"\0" in head and rest.strip() and not _controls(rest) and _is_utf8(rest):
        return f"{path} is not text: bytes of 0 stand in it.\nTake them out: tr -d '\\000' < {name} > NEW"
    return f"{path} is not text: it is a binary file."


def without_mark(head: bytes) -> str | None:
    """The encoding of the beginning of a text in UTF-16 or UTF-32 that has no byte order mark."""
    for encoding, width in (("utf-32le", 4), ("utf-32be", 4), ("utf-16le", 2), ("utf-16be", 2)):
        try:
            text = head[: len(head) // width * width].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(head) - 2 * width:
                continue
            text = head[: error.start].decode(encoding)
        spaces = sum(character in SPACES for character in text)
        odd = sum(not character.isprintable() and character not in SPACES for character in text)
        if text and 100 * spaces >= len(text) and 100 * odd <= len(text):
            return encoding
    return None


def _count(path: Path) -> Bytes:
    """What a file's bytes are, up to `LOOKED_AT` of them."""
    seen, decoder, before = Bytes(), codecs.getincrementaldecoder("utf-8")("surrogateescape"), 0
    for block in _blocks(path):
        text = decoder.decode(block, final=not block)
        beyond = re.findall("[^\0-\x7f]", text)
        wrong = Counter(ord(one) - 0xDC00 for one in beyond if "\udc80" <= one <= "\udcff")
        seen.wrong += wrong
        seen.good += len(beyond) - wrong.total()
        seen.letters += len(re.findall(rb"[A-Za-z]", block))
        seen.in_words = seen.in_words or IN_WORDS.search(block) is not None
        before += len(block)
        if before >= LOOKED_AT:
            break
    return seen


def _blocks(path: Path) -> Iterator[bytes]:
    """Blocks of a file, then an empty one."""
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    yield b""


def _controls(head: bytes) -> int:
    """Bytes that no text has, of those under a space."""
    return len(head) - len(head.translate(None, bytes({*range(32)} - {*b"\t\n\r\f\b\x1b"})))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
