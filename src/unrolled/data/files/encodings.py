"""Errors for a file that is not UTF-8 text: where its first fault is, and a conversion that garbles nothing."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from unrolled.errors import DataError, new_name, shell_quote

BLOCK = 1 << 22  # bytes read at once
COUNTED = 1 << 26  # bytes of a file from which its encoding is guessed
WESTERN = 0.5  # share of letters beyond ASCII, up to which a text may be in Latin letters
IN_WORDS = re.compile(rb"[A-Za-z][\x80\x82\x84-\x89\x8b\x91\x93-\x95\x97-\x99\x9b][A-Za-z]")  # not in cp1252
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in cp1252
HEAD = 1 << 16  # bytes by which an encoding of non-Latin letters is found
TWO_BYTES: dict[str, tuple[range, ...]] = {
    "euc-jp": (range(0xA1, 0xA2), range(0xA3, 0xA6), range(0xB0, 0xD0)),
    "shift_jis": (range(0x81, 0x84), range(0x88, 0x98)),
    "euc-kr": (range(0xA1, 0xA2), range(0xB0, 0xC9)),
    "gb18030": (range(0xA1, 0xA2), range(0xA3, 0xA4), range(0xB0, 0xD8)),
    "big5": (range(0xA1, 0xA4), range(0xA4, 0xC7)),
}
"""Encodings of two bytes per character -> first bytes of punctuation and of common characters. A text that fits
two of them is more likely in the earlier, which has narrower ranges."""
CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")
OFTEN = 0.005  # least share of each group of letters that every Cyrillic text has
USED = re.compile("[А-яЁёІіЇїЄєҐґЎў«»„“”‘’–—…№°§\u00a0]")  # in Russian, Ukrainian and Bulgarian
COMMON, MOSTLY = "оеаинтсрвлкмдпуіыья", 0.75  # the most frequent Cyrillic letters, and their least share
LETTERS = {
    "cp1252": "àáâãäåæçèéêëìíîïñòóôõöøùúûüýß",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžäöüßőűăâîşţđ",
    "macintosh": "àáâãäåæçèéêëìíîïñòóôõöøùúûüß",
    "cp850": "àáâãäåæçèéêëìíîïñòóôõöøùúûüß",
}
"""Encodings of Latin letters, the likeliest first, and small letters of their languages."""
MARKS = "«»„“”‘’–—…•°€£§©\u00a0"  # punctuation in all of them
WESTERN_OF = {
    "cp1252": "of Western Europe; cp1250 is of Central Europe", "cp1250": "of Central Europe",
    "macintosh": "of old Macintosh computers", "cp850": "of DOS",
}  # fmt: skip
KANA = 0.2  # least share of kana in a Japanese text
LIKELY = 0.8  # share of characters common in an encoding, from which it is suggested
SPACES = frozenset(" \t\r\n")


@dataclass
class ByteCounts:
    """Counts of a file's bytes."""

    good: int = 0  # multi-byte characters that are valid UTF-8
    wrong: Counter[int] = field(default_factory=Counter)  # bytes that are not valid
    letters: int = 0  # ASCII letters
    changes: int = 0  # from one of these two to the other, within blocks
    in_words: bool = False  # whether bytes that are marks in cp1252 occur inside words


def first_fault(path: Path, encoding: str = "utf-8") -> tuple[int, int]:
    """Return (byte, line) of the first position in a file that is invalid in its encoding."""
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


def conversion_advice(path: Path, encoding: str = "utf-8") -> str:
    """Advice for a file that is invalid in its encoding. Valid UTF-8 in it is never converted."""
    if not encoding.startswith("utf-8"):
        return "Is the file truncated, or damaged? Copy it again."
    name = shell_quote(path)
    seen = _count(path)
    count, wrong = seen.wrong.total(), "1 byte is" if seen.wrong.total() == 1 else f"{seen.wrong.total():,} bytes are"
    if seen.good >= 10 * count:
        return (
            f"{wrong} invalid, and the rest is UTF-8. Correct them in an editor, or drop them:\n"
            f"iconv -c -f utf-8 -t utf-8 {name} > {new_name(path)}"
        )
    if 4 * seen.good > count and seen.changes * (seen.good + count) < seen.good * count:
        return (
            f"{seen.good:,} characters are UTF-8, and {wrong} in another encoding. Were two files joined?\n"
            "Convert only the second kind: converting the whole file would garble the rest."
        )
    head = next(_blocks(path))[:HEAD]
    if count > WESTERN * (seen.letters + count) or _has_whole_words(head):
        if found := guess_encoding(head):
            message = f"It seems to be {found}. Convert it, and check the result:"
            return f"{message}\niconv -f {found} -t utf-8 {name} > {new_name(path)}"
        return (
            "It is in another encoding, for example of Greek, Hebrew, Arabic, Thai or Cyrillic, or in several.\n"
            "Which one is not clear; iconv -l lists them. Convert it from the right one, and check the result."
        )
    if found := _likely_western(seen):
        converted = f"iconv -f {found} -t utf-8 {name} > {new_name(path)}"
        return f"It seems to be {found} ({WESTERN_OF[found]}). Convert it:\n{converted}"
    no = ", and not in cp1252" if seen.in_words or any(seen.wrong[byte] for byte in UNDEFINED) else ""
    return (
        f"It is in another encoding of one byte per character{no}: cp850, cp1250, macintosh or cp1252, for example.\n"
        "Which one is not clear. Convert it from the right one with iconv, and check the result."
    )


def _has_whole_words(head: bytes) -> bool:
    """Whether most bytes beyond ASCII are in runs of three or more, as in words of non-Latin letters."""
    beyond = len(head) - len(head.translate(None, bytes(range(128, 256))))
    return sum(map(len, re.findall(rb"[\x80-\xff]{3,}", head))) > WESTERN * beyond


def _likely_western(seen: ByteCounts) -> str | None:
    """Return the encoding of Latin letters in which nearly all bytes are small letters and punctuation of its
    languages, while in each other at most half are; else None. If cp1250 fits as well as cp1252, it is cp1252."""
    count = seen.wrong.total()
    shares = {}
    for name, letters in LETTERS.items():
        sound = {byte for one in letters + MARKS for byte in one.encode(name, "ignore")}
        shares[name] = sum(seen.wrong[byte] for byte in sound) / max(1, count)
    if seen.in_words or any(seen.wrong[byte] for byte in UNDEFINED):
        shares["cp1252"] = 0.0
    best = max(shares, key=lambda name: shares[name])
    others = [share for name, share in shares.items() if name != best and (best, name) != ("cp1252", "cp1250")]
    return best if shares[best] >= LIKELY and max(others) <= WESTERN else None


def describe_binary(path: Path) -> str:
    """Describe a file with bytes that no text has, and what to do: UTF-16, text with zero bytes, or a binary file."""
    head = next(_blocks(path))[: 1 << 16]
    name = shell_quote(path)
    if (encoding := guess_utf16(head)) is not None:
        return (
            f"{path} is text in {encoding.upper()} without a byte order mark.\n"
            f"Convert it: iconv -f {encoding} -t utf-8 {name} > {new_name(path)}"
        )
    rest = head.replace(b"\0", b"")
    if b"\0" in head and rest.strip() and not _controls(rest) and _is_utf8(rest):
        return f"{path} is not text: it contains zero bytes.\nRemove them: tr -d '\\000' < {name} > {new_name(path)}"
    return f"{path} is not text: it is a binary file."


def guess_utf16(head: bytes) -> str | None:
    """Return the encoding of a text's beginning in UTF-16 or UTF-32 without a byte order mark, or None."""
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


def guess_encoding(head: bytes) -> str | None:
    """Return the likely encoding of a text's beginning, of Chinese, Japanese, Korean or Cyrillic; None if there is
    none."""
    if len(head) >= HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    shares = {name: _common_share(head, name, first) for name, first in TWO_BYTES.items()}
    for name in CYRILLIC:
        letters = re.findall("[^\0-\x7f]", head.decode(name, "replace"))
        small = sum("а" <= one <= "ё" for one in letters)
        # Greek bytes lack the first group in cp1251, Hebrew bytes the second
        enough = all(sum(map(letters.count, some)) >= OFTEN * len(letters) for some in ("а", "ыьюя"))
        enough = enough or sum(map("".join(letters).lower().count, COMMON)) >= MOSTLY * len(letters)
        odd = sum(USED.fullmatch(one) is None for one in letters)
        shares[name] = (small - odd) / max(1, len(letters)) if enough else 0.0
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= LIKELY else None


def _common_share(head: bytes, encoding: str, first: Sequence[range]) -> float:
    """Share of a text's characters beyond ASCII that are common in an encoding; 0 if it cannot be decoded in it."""
    try:
        beyond = re.findall("[^\0-\x7f]", head.decode(encoding))
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just truncated at its end
            return 0.0
        beyond = re.findall("[^\0-\x7f]", head[: error.start].decode(encoding))
    if encoding == "euc-jp" and sum("ぁ" <= one <= "ヿ" for one in beyond) < KANA * len(beyond):
        return 0.0  # Korean decodes as rare characters
    written = [one.encode(encoding) for one in beyond]
    usual = sum(len(one) == 2 and any(one[0] in some for some in first) for one in written)
    return usual / max(1, len(beyond))


def _count(path: Path) -> ByteCounts:
    """Count the kinds of a file's bytes, in the first `COUNTED` of them."""
    seen, decoder, before = ByteCounts(), codecs.getincrementaldecoder("utf-8")("surrogateescape"), 0
    for block in _blocks(path):
        text = decoder.decode(block, final=not block)
        beyond = re.findall("[^\0-\x7f]", text)
        wrong = Counter(ord(one) - 0xDC00 for one in beyond if "\udc80" <= one <= "\udcff")
        seen.wrong += wrong
        sound = ["\udc80" <= one <= "\udcff" for one in beyond]
        seen.changes += sum(one != other for one, other in pairwise(sound))
        seen.good += len(beyond) - wrong.total()
        seen.letters += len(re.findall(rb"[A-Za-z]", block))
        seen.in_words = seen.in_words or IN_WORDS.search(block) is not None
        before += len(block)
        if before >= COUNTED:
            break
    return seen


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield blocks of a file, then an empty one."""
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    yield b""


def _controls(head: bytes) -> int:
    """Count the control bytes that no text has."""
    return len(head) - len(head.translate(None, bytes({*range(32)} - {*b"\t\n\r\f\b\x1b"})))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
