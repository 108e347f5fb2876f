"""Read a text file, or a folder of text files, as documents.

Text is read in chunks of a few megabytes, so memory does not grow with the file. Line ends of every kind become
"\\n"; UTF-8 (with or without a byte order mark), and UTF-16 and UTF-32 with one, are supported.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.files.delimiters import describe_labelled, describe_table
from unrolled.data.files.kinds import kind_of_file
from unrolled.data.files.look import (
    HEAD_BYTES,
    TEXT_ENDINGS,
    TextFile,
    broken_links_note,
    file_status,
    find_in_folder,
    not_a_file,
    open_text_file,
    read_text,
)
from unrolled.errors import OptionError, nearest

LOOKED_LINES = 50  # lines at a file's beginning that decide whether it looks like a table
AMBIGUOUS = (".data", ".dat", ".tab", ".psv", ".train", ".test", ".ipynb", ".geojson")  # endings of files of any kind
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".conllu")  # endings of tables that are text
DOCUMENTS = {"file": "files", "line": "lines", "blank": "blocks between blank lines"}
BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")


class TextChunk(NamedTuple):
    """A chunk of a text, and where documents begin in it. The separators between documents are left out."""

    text: str
    starts: NDArray[np.int64]  # offsets in text


@dataclass(frozen=True)
class Documents:
    """All documents under a path; `chunks` reads them from the beginning each time it is called."""

    path: Path
    files: tuple[TextFile, ...]
    skipped: tuple[Path, ...]  # files of the folder that are not text
    documents: str = "file"
    any_bytes: bool = False
    note: str = ""  # a remark for the user about how they were found

    def chunks(self, digests: dict[Path, str] | None = None) -> Iterator[TextChunk]:
        """The text, chunk by chunk. `digests`, if given, receives each file's sha256."""
        for file in self.files:
            texts = read_text(file, self.any_bytes, digests)
            yield from cut_documents(texts, self.documents)


def read_documents(path: str | Path, documents: str = "file", any_bytes: bool = False) -> Documents:
    """Find the text in `path`; only the beginning of each file is read yet.

    `documents` is the unit of a document: a "file", a "line", or a block between blank lines ("blank"); empty ones
    are left out. With `any_bytes` a file need not be valid UTF-8: invalid bytes become lone surrogates, which
    `ByteVocabulary` turns back into the same bytes. In a folder, hidden files are ignored, and files that are
    not text are skipped and listed. Raises DataError where there is no text, OptionError for other `documents`.
    """
    if documents not in DOCUMENTS:
        raise OptionError(
            f"--documents takes file, line or blank; '{documents}' was given.{nearest(documents, DOCUMENTS)}"
        )
    path, note = Path(path), ""
    mode = file_status(path).st_mode
    if stat.S_ISDIR(mode):
        files, skipped = find_in_folder(path, any_bytes)
        note = "; ".join(filter(None, [broken_links_note(path), _tables_note(files)]))
    elif stat.S_ISREG(mode):
        files, skipped = [open_text_file(path, path.name, any_bytes)], []
        if path.suffix.lower() in TEXT_ENDINGS + AMBIGUOUS and (looks := _looks_like(files[0])):
            note = f"it looks like {looks} but is read as text"
    else:
        raise not_a_file(path, mode)
    return Documents(path, tuple(files), tuple(skipped), documents, any_bytes, note)


def _tables_note(files: Sequence[TextFile]) -> str:
    """The note on files of a folder that are tables by their names; "" if there are none."""
    tables = [file for file in files if file.path.suffix.lower() in TABLES]
    if not tables:
        return ""
    are = "a table is" if len(tables) == 1 else f"{len(tables):,} tables are"
    return f"{are} read as plain text, character by character ({tables[0].path.name}); to train on one, name it alone"


def _looks_like(file: TextFile) -> str:
    """What a file with a plain text name looks like, with advice how to have it read as that; "" for a text."""
    kind = kind_of_file(file.path)
    if kind is not None:
        return kind.name if kind.text else ""
    with file.path.open(encoding=file.encoding, errors="replace") as opened:
        head = list(islice(iter(lambda: opened.readline(HEAD_BYTES), ""), LOOKED_LINES))
    if labelled := describe_labelled(head):
        return labelled
    table = describe_table(head)
    return f"{table} (to train on it as a table, rename it to .csv)" if table else ""


def cut_documents(texts: Iterator[str], documents: str) -> Iterator[TextChunk]:
    """Cut one file's text into documents; each file begins one."""
    if documents == "blank":
        texts = hold_back_blanks(texts)
    fresh = True  # whether the next character begins a document
    for text in texts:
        if documents == "file":
            parts = [text]
        else:
            parts = text.split("\n") if documents == "line" else BLANK.split(text)
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        begins = lengths > 0
        begins[0] &= fresh
        fresh = not parts[-1] and (fresh or len(parts) > 1)
        yield TextChunk("".join(parts), (np.cumsum(lengths) - lengths)[begins])


def hold_back_blanks(texts: Iterator[str]) -> Iterator[str]:
    """The same text in other chunks, so that no blank line is cut in two, without blank lines at the file's ends."""
    held = "\n\n"  # as if the file began with a blank line, so that its first blank lines are dropped
    for text in texts:
        text = held + text
        end = len(text.rstrip())
        line = text.find("\n", end)  # the first line end in the white space at the end
        if line < 0:
            held = ""
            yield text
            continue
        held = text[line:]
        if held.count("\n") > 1:
            held = "\n\n" + held[held.rfind("\n") + 1 :]
        yield text[:line]
    yield "" if held.startswith("\n") else held
