"""What to say of a file that is not UTF-8 text: where its first fault is, and a cure that garbles nothing."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from unrolled.errors import DataError, typed

BLOCK = 1 << 22  # bytes read at once
LOOKED_AT = 1 << 26  # bytes of a file by which its encoding is judged
WESTERN = 0.5  # share of letters beyond ASCII up to which a text may be in Latin letters
IN_WORDS = re.compile(rb"[A-Za-z][\x80\x82\x84-\x89\x8b\x91\x93-\x95\x97-\x99\x9b][A-Za-z]")  # never so in cp1252
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"  # in cp1252
LOOK = 1 << 16  # bytes by which an encoding of other letters is found
USUAL: dict[str, tuple[range, ...]] = {
    "euc-jp": (range(0xA1, 0xA2), range(0xA3, 0xA6), range(0xB0, 0xD0)),
    "shift_jis": (range(0x81, 0x84), range(0x88, 0x98)),
    "euc-kr": (range(0xA1, 0xA2), range(0xB0, 0xC9)),
    "gb18030": (range(0xA1, 0xA2), range(0xA3, 0xA4), range(0xB0, 0xD8)),
    "big5": (range(0xA1, 0xA4), range(0xA4, 0xC7)),
}
"""Encodings of two bytes a character -> first bytes of marks, and of characters that are used every day. What
reads as two of them is more likely the earlier, whose ranges are narrower."""
CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")
OFTEN = 0.005  # least share of letters that are in every Cyrillic text
USED = re.compile("[А-яЁёІіЇїЄєҐґЎў«»„“”‘’–—…№°§\u00a0]")  # letters and marks of Russian, Ukrainian and Bulgarian
COMMON, MOSTLY = "оеаинтсрвлкмдпуіыья", 0.75  # Cyrillic letters that are most of such a text, and least share of them
LETTERS = {
    "cp1252": "àáâãäåæçèéêëìíîïñòóôõöøùúûüýß",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžäöüßőűăâîşţđ",
    "macintosh": "àáâãäåæçèéêëìíîïñòóôõöøùúûüß",
    "cp850": "àáâãäåæçèéêëìíîïñòóôõöøùúûüß",
}
"""Encodings of Latin letters, the likeliest first, and small letters that their texts have."""
MARKS = "«»„“”‘’–—…•°€£§©\u00a0"  # of all of these
WESTERN_OF = {
    "cp1252": "of Western Europe; cp1250 is of Central Europe", "cp1250": "of Central Europe",
    "macintosh": "of old Macintosh computers", "cp850": "of DOS",
}  # fmt: skip
KANA = 0.2  # least share of characters that are so in a Japanese text
LIKELY = 0.8  # share of the characters that are usual in an encoding from which a text is in it
SPACES = frozenset(" \t\r\n")


@dataclass
class Bytes:
    """What has been counted of a file."""

    good: int = 0  # characters of several bytes that are valid UTF-8
    wrong: Counter[int] = field(default_factory=Counter)  # bytes that are not
    letters: int = 0  # ASCII ones
    changes: int = 0  # from the one kind to the other, in their order: each block's for itself
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
    if 4 * seen.good > count and seen.changes * (seen.good + count) < seen.good * count:
        return (
            f"{seen.good:,} characters are UTF-8, and {wrong} of another encoding. Were two files joined?\n"
            "Convert that part alone: as a whole, one of them would be garbled."
        )
    head = next(_blocks(path))[:LOOK]
    if count > WESTERN * (seen.letters + count) or _whole_words(head):
        if found := likely(head):
            said = f"It seems to be {found}. Convert it, and look whether it reads right:"
            return f"{said}\niconv -f {found} -t utf-8 {name} > NEW"
        return (
            "It is in another encoding, of Greek, Hebrew, Arabic, Thai or in Cyrillic letters, say, or of several.\n"
            "Which one is not plain; iconv -l lists them. Convert it from the right one, and see if it reads right."
        )
    if found := _likely_western(seen):
        return f"It seems to be {found} ({WESTERN_OF[found]}). Convert it:\niconv -f {found} -t utf-8 {name} > NEW"
    no = ", and not in cp1252" if seen.in_words or any(seen.wrong[byte] for byte in UNDEFINED) else ""
    return (
        f"It is in another encoding of one byte a character{no}: cp850, say, cp1250, macintosh or cp1252.\n"
        "Which one is not plain. Convert it from the right one, by iconv, and look whether it reads right."
    )


def _whole_words(head: bytes) -> bool:
    """Whether most bytes beyond ASCII stand in threes or more, as in words of other letters than Latin ones."""
    beyond = len(head) - len(head.translate(None, bytes(range(128, 256))))
    return sum(map(len, re.findall(rb"[\x80-\xff]{3,}", head))) > WESTERN * beyond


def _likely_western(seen: Bytes) -> str | None:
    """The encoding of Latin letters in which nearly all bytes are small letters and marks of its languages, and in no
    other half of them; None where there is none such. Where cp1250 reads as well as cp1252, it is the latter."""
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


def likely(head: bytes) -> str | None:
    """The encoding, of Chinese, Japanese, Korean or in Cyrillic letters, that the beginning of a text is in; None
    where it is in none of them."""
    if len(head) >= LOOK:
        head = head[: head.rfind(b"\n") + 1] or head
    shares = {name: _usual_share(head, name, first) for name, first in USUAL.items()}
    for name in CYRILLIC:
        letters = re.findall("[^\0-\x7f]", head.decode(name, "replace"))
        small = sum("а" <= one <= "ё" for one in letters)
        # Greek has none of the first where cp1251 has it, Hebrew none of the others
        enough = all(sum(map(letters.count, some)) >= OFTEN * len(letters) for some in ("а", "ыьюя"))
        enough = enough or sum(map("".join(letters).lower().count, COMMON)) >= MOSTLY * len(letters)
        odd = sum(USED.fullmatch(one) is None for one in letters)
        shares[name] = (small - odd) / max(1, len(letters)) if enough else 0.0
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= LIKELY else None


def _usual_share(head: bytes, encoding: str, first: Sequence[range]) -> float:
    """The share of a text's characters beyond ASCII that are usual in an encoding; 0 where it cannot be in it."""
    try:
        beyond = re.findall("[^\0-\x7f]", head.decode(encoding))
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # cut off at its end
            return 0.0
        beyond = re.findall("[^\0-\x7f]", head[: error.start].decode(encoding))
    if encoding == "euc-jp" and sum("ぁ" <= one <= "ヿ" for one in beyond) < KANA * len(beyond):
        return 0.0  # Korean reads as rare characters
    written = [one.encode(encoding) for one in beyond]
    usual = sum(len(one) == 2 and any(one[0] in some for some in first) for one in written)
    return usual / max(1, len(beyond))


def _count(path: Path) -> Bytes:
    """What a file's bytes are, up to `LOOKED_AT` of them."""
    seen, decoder, before = Bytes(), codecs.getincrementaldecoder("utf-8")("surrogateescape"), 0
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
