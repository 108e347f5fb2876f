"""Find, open and decode text files.

Text is read in chunks of a few megabytes, so memory does not grow with the file. Line ends of every kind become
"\\n"; UTF-8 (with or without a byte order mark), and UTF-16 and UTF-32 with one, are supported.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unrolled.data.files.encodings import conversion_advice, describe_binary, first_fault
from unrolled.data.files.kinds import kind_of_file
from unrolled.data.files.unsupported import conversion_of, count_endings, most_common_kind, unsupported_kind
from unrolled.errors import DataError, nearest

MOST_LOST = 3  # most links named in a message
BYTES_AT_ONCE = 1 << 22  # bytes read at once
HEAD_BYTES = 1 << 16  # bytes at a file's beginning that decide whether it is text
TEXT_ENDINGS = ("", ".txt", ".text")  # endings of plain text files

SYSTEM_FILES = ("__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini")
"""Lower-case names of files and folders, not hidden, that operating systems create in the user's folders."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, because it begins with UTF-16's mark
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class TextFile:
    """A text file: `size` in bytes when it was found; anything appended later is not read."""

    path: Path
    name: str  # relative to its folder
    size: int
    encoding: str


def not_a_file(path: Path, mode: int) -> DataError:
    """The error for a path that is neither a file nor a folder."""
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return DataError(
            f"{path} is neither a file nor a folder but a pipe, which can be read only once.\n"
            "Send it to standard input instead: ... | unroll train -"
        )
    return DataError(
        f"{path} is neither a file nor a folder but a device. Give a text, a folder of texts or a table."
    )


def file_status(path: Path) -> os.stat_result:
    """The file's status. Raises DataError where there is no such file, or no permission."""
    try:
        return path.stat()
    except PermissionError:
        raise DataError(
            f"{path} cannot be read: permission denied. Allow it (chmod +r), or give another path."
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path} is a link to itself. Give the file that it should link to.") from None
        raise DataError(f"{path}: no such file or folder.{_neighbour(path)}") from None


def _neighbour(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f" There is no readable folder {path.parent} either."
    return nearest(path.name, names) or f" Check its name; {path.parent.absolute()} holds {len(names):,} others."


def detect_encoding(path: Path) -> str:
    """Detect a file's encoding from its beginning, or "empty", "binary" or "other text" (not UTF-8)."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            more = bool(file.read(1))
    except PermissionError:
        raise DataError(
            f"{path} cannot be read: permission denied. Allow it (chmod +r), or give another path."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding if len(head) > len(mark) else "empty"
    if not head.removeprefix(codecs.BOM_UTF8):
        return "empty"
    if b"\0" in head:
        return "binary"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=not more)
    except UnicodeDecodeError:
        controls = len(head) - len(head.translate(None, bytes({*range(32)} - {*b"\t\n\r\f\b\x1b"})))
        return "binary" if controls * 20 > len(head) else "other text"
    return "utf-8-sig"


def open_text_file(path: Path, name: str, any_bytes: bool) -> TextFile:
    """The text file at a path. Raises DataError where it is not text."""
    found = detect_encoding(path)
    if found == "empty":
        raise DataError(f"{path} is empty. Give a file that has text in it.")
    if not any_bytes:
        kind = kind_of_file(path)
        if kind is not None and not kind.text:
            raise DataError(f"{path} is not text: it is {kind.name}.\n{kind.advice_for(path)}")
        if found == "binary":
            raise DataError(f"{describe_binary(path)}\n{_binary_advice(path)}")
        if found == "other text":
            raise DataError(_not_valid(path))
    elif found in ("other text", "binary"):
        found = "utf-8-sig"
    return TextFile(path, name, file_status(path).st_size, found)


def find_in_folder(folder: Path, any_bytes: bool) -> tuple[list[TextFile], list[Path]]:
    """Every text file below `folder`, sorted by name, and the files that are not text."""
    files: list[TextFile] = []
    skipped: list[Path] = []
    for path in list_files(folder):
        found = detect_encoding(path)
        if found == "other text" and any_bytes:
            found = "utf-8-sig"
        if found in ("empty", "binary", "other text"):
            skipped.append(path)
        else:
            name = path.relative_to(folder).as_posix()
            files.append(TextFile(path, name, file_status(path).st_size, found))
    if not files:
        raise _no_text(folder, skipped)
    return files, skipped


def _binary_advice(path: Path) -> str:
    kind = unsupported_kind(path)
    return f"There is no reader for {kind}." if kind else "To train on its raw bytes: --tokenizer byte"


def _no_text(folder: Path, skipped: Sequence[Path]) -> DataError:
    """The error for a folder without text. skipped: its files."""
    others = f"{len(skipped):,} files, none of them UTF-8 text" if skipped else "no files"
    message = f"{folder} is a folder without text: it holds {others}"
    if (kind := most_common_kind(skipped)) is not None:
        advice = conversion_of(skipped, kind)
        return DataError(f"{message} ({count_endings(skipped)}).\nThere is no reader for {kind}. {advice}".rstrip())
    if any(detect_encoding(path) == "other text" for path in skipped):
        return DataError(
            f"{message}. Give a text file or a folder with some;\n"
            "texts in other encodings can be read with --tokenizer byte, or converted: iconv -t utf-8."
        )
    return DataError(f"{message}. Give a text file or a folder with some.")


def list_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by name, without hidden files and files of the operating system. Links to
    folders are followed, but no folder is entered twice."""
    paths: list[Path] = []
    entered: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename} cannot be read: permission denied. Allow it (chmod -R +rX), or give another path."
        )

    def is_new(path: Path) -> bool:
        try:
            facts = path.stat()
        except OSError:  # a broken link
            return False
        known = (facts.st_dev, facts.st_ino) in entered
        entered.add((facts.st_dev, facts.st_ino))
        return not known

    is_new(folder)
    for here, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        visible = sorted(filter(is_user_file, folders))
        links = {name for name in visible if Path(here, name).is_symlink()}
        visible.sort(key=links.__contains__)  # folders before links to them
        folders[:] = [name for name in visible if is_new(Path(here, name))]
        paths += [Path(here, name) for name in filter(is_user_file, names)]
    return sorted((path for path in paths if path.is_file()), key=lambda path: path.relative_to(folder).parts)


def is_user_file(name: str) -> bool:
    """Whether a file or folder of this name is the user's: neither hidden nor created by the operating system."""
    return not name.startswith(".") and name.lower() not in SYSTEM_FILES


def broken_links_note(folder: Path) -> str:
    """The note about broken links in a folder and below it; "" where there are none."""
    lost, waiting = list[str](), [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in (one for one in entries if is_user_file(one.name)):
                    if entry.is_symlink() and not Path(entry.path).exists():
                        lost.append(Path(entry.path).relative_to(folder).as_posix())
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except OSError:  # `list_files` reports folders that cannot be entered
            continue
    if not lost:
        return ""
    links = "1 broken link is" if len(lost) == 1 else f"{len(lost):,} broken links are"
    named = ", ".join(sorted(lost)[:MOST_LOST]) + (", …" if len(lost) > MOST_LOST else "")
    return f"{links} left out: {named}"


def read_text(file: TextFile, any_bytes: bool, digests: dict[Path, str] | None = None) -> Iterator[str]:
    """The text of a file, about BYTES_AT_ONCE bytes at a time, with "\\n" at line ends."""
    digest = hashlib.sha256()
    errors = "surrogateescape" if any_bytes and file.encoding.startswith("utf-8") else "strict"
    decoder = codecs.getincrementaldecoder(file.encoding)(errors)
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    for block in read_bytes(file):
        if digests is not None:
            digest.update(block)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            raise DataError(_not_valid(file.path, file.encoding)) from None
        yield line_ends.decode(text, final=not block)
    if digests is not None:
        digests[file.path] = digest.hexdigest()


def read_bytes(file: TextFile) -> Iterator[bytes]:
    """Blocks of the file, up to its size when it was found, then an empty one."""
    left = file.size
    try:
        with file.path.open("rb", buffering=0) as raw:
            while block := raw.read(min(BYTES_AT_ONCE, left)):
                left -= len(block)
                yield block
    except OSError as error:
        raise DataError(f"{file.path} cannot be read: {error.strerror}.") from None
    yield b""


def _not_valid(path: Path, encoding: str = "utf-8") -> str:
    byte, line = first_fault(path, encoding)
    return (
        f"{path} is not valid {encoding.removesuffix('-sig').upper()}: line {line:,}, byte {byte:,} "
        f"(--tokenizer byte reads any bytes).\n{conversion_advice(path, encoding)}"
    )
