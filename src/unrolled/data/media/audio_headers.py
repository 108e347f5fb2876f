"""Check that an audio file is complete, by its own headers: decoders return a truncated file without an error.

wav: the length of the chunk `data` (RIFF, Microsoft and IBM 1991; RF64, EBU Tech 3306). aiff: that of `SSND` (Apple
1989). ogg: the flag that ends a stream (RFC 3533). mp3: the count of frames that an encoder's first frame may hold
(Xing, Info).
"""

from __future__ import annotations

from pathlib import Path
from struct import unpack
from typing import BinaryIO

from unrolled.errors import MediaError

UNKNOWN = 0x7FFF0000  # lengths from here on are placeholders, written by programs that write to a pipe
PAGE = 27 + 255 + 255 * 255  # most bytes of an ogg page
ENDS = 4  # the flag of a stream's last page
TAGS = 1 << 12  # bytes after an mp3's ID3 tag that hold its first frame with the frame count


def check_complete(path: Path) -> None:
    """Raise MediaError where a wav, an aiff or an ogg is truncated. Decoders notice it in other formats."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
            _check_wav(path, file, ">" if head[:4] == b"RIFX" else "<")
        elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            _check_aiff(path, file)
        elif head[:4] == b"OggS":
            _check_ogg(path, file)


def counts_frames(path: Path) -> bool:
    """Whether a file's header counts its samples. All do, except an mp3 without a Xing or Info count."""
    with path.open("rb") as file:
        head = file.read(10)
        frame = head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0
        if head[:3] != b"ID3" and not frame:
            return True
        skipped = 0 if frame else 10 + sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:10])))
        file.seek(skipped)
        tags = file.read(TAGS)
    return b"Xing" in tags or b"Info" in tags


def _check_wav(path: Path, file: BinaryIO, order: str) -> None:
    size, long = path.stat().st_size, 0  # long: the 64-bit length that RF64 stores separately
    while len(head := file.read(8)) == 8:
        name, length = head[:4], unpack(order + "I", head[4:])[0]
        if name == b"data":
            promised = long if long and length >= UNKNOWN else length
            there = size - file.tell()
            if promised > there and (long or promised < UNKNOWN):
                raise _truncated(path, f"its header promises {promised:,} bytes of sound, and {there:,} are there")
            return
        if name == b"ds64" and len(sizes := file.read(16)) == 16:
            long, length = unpack("<Q", sizes[8:])[0], length - 16
        file.seek(length + length % 2, 1)


def _check_aiff(path: Path, file: BinaryIO) -> None:
    size = path.stat().st_size
    while len(head := file.read(8)) == 8:
        length = unpack(">I", head[4:])[0]
        if head[:4] == b"SSND":
            if length > (there := size - file.tell()):
                raise _truncated(path, f"its header promises {length:,} bytes of sound, and {there:,} are there")
            return
        file.seek(length + length % 2, 1)


def _check_ogg(path: Path, file: BinaryIO) -> None:
    file.seek(max(0, path.stat().st_size - PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    count = page[26] if len(page) > 26 else 0
    whole = len(page) > 26 and len(page) >= 27 + count + sum(page[27 : 27 + count])
    if not whole or not page[5] & ENDS:
        raise _truncated(path, "its last page does not end the stream")


def _truncated(path: Path, reason: str) -> MediaError:
    return MediaError(f"{path} is truncated: {reason}.\nCopy it again, or leave it out.")
