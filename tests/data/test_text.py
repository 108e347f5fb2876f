"""What a path contains: encodings, documents, and what is refused."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import fingerprint, keep_standard_input, read_documents
from unrolled.data.files import look
from unrolled.errors import DataError, OptionError


def documents_of(path: Path, documents: str = "file", any_bytes: bool = False) -> list[str]:
    """All documents as strings, joined from the chunks."""
    found: list[str] = []
    for chunk in read_documents(path, documents, any_bytes).chunks():
        edges = [0, *chunk.starts.tolist(), len(chunk.text)]
        for number, (start, stop) in enumerate(pairwise(edges)):
            if number:
                found.append(chunk.text[start:stop])
            elif stop:
                found[-1] += chunk.text[start:stop]
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_their_marks_are_understood(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Größe\r\nnaïve\rend\n".encode(encoding))
    assert documents_of(tmp_path / "a.txt") == ["Größe\nnaïve\nend\n"]


def test_utf_16_of_the_other_byte_order(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF16_BE + "añb".encode("utf-16-be"))
    assert documents_of(tmp_path / "a.txt") == ["añb"]


TEXTS = st.text(st.sampled_from("ab \t\n\ré—😀"), max_size=60)


@settings(max_examples=150, deadline=None)
@given(content=TEXTS, size=st.integers(1, 9))
def test_documents_do_not_depend_on_where_chunks_are_cut(
    tmp_path_factory: pytest.TempPathFactory, content: str, size: int
) -> None:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    whole = content.replace("\r\n", "\n").replace("\r", "\n")
    expected = {"file": [whole], "line": whole.split("\n"), "blank": blocks(whole)}
    if not content:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "BYTES_AT_ONCE", size)
        for documents, wanted in expected.items():
            assert documents_of(path, documents) == [one for one in wanted if one], documents


def blocks(whole: str) -> list[str]:
    """The blocks between blank lines, line by line: the reference definition of --documents blank."""
    found: list[list[str]] = [[]]
    for line in whole.split("\n"):
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(block) for block in found if block]


def test_a_folder_is_read_in_the_order_of_names_without_hidden_and_other_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name, content in {"b/1.txt": b"one", "a.txt": b"two", ".hidden": b"no", ".git/x": b"no"}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "old.txt").write_bytes("Gr\xf6\xdfe und mehr".encode("latin-1"))
    found = read_documents(tmp_path)
    assert [file.name for file in found.files] == ["a.txt", "b/1.txt"]
    assert [path.name for path in found.skipped] == ["old.txt", "picture.png"]
    assert documents_of(tmp_path) == ["two", "one"]
    assert "old.txt" in [file.name for file in read_documents(tmp_path, any_bytes=True).files]


def test_text_added_to_a_file_later_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("first\n")
    found = read_documents(path)
    path.write_text("first\nsecond\n")
    assert [chunk.text for chunk in found.chunks() if chunk.text] == ["first\n"]


def test_invalid_utf_8_is_read_as_bytes_on_request(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"na\xefve \x00")
    assert documents_of(tmp_path / "a.txt", any_bytes=True)[0].encode("utf-8", "surrogateescape") == b"na\xefve \x00"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty. Give a file that has text"),
        (codecs.BOM_UTF8, "is empty"),
        (codecs.BOM_UTF16_LE, "is empty"),
        (b"\x7fELF\x02\x01\0\0", "is not text: it is a binary file.*\n.*--tokenizer byte"),
        (b"\x1f\x8b\x08\x01\x02\xff\x03\x04" * 9, "is not text: it is a gzip archive.\n.*gunzip"),
        (b"one\ntwo\nna\xefve", r"not valid UTF-8: line 3, byte 10 .--tokenizer byte.*\n.*cp1252"),
        (b"end cut \xc3", "not valid UTF-8: line 1, byte 8"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_documents(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"good line\n" * 10_000 + b"na\xefve", "not valid UTF-8: line 10,001, byte 100,002"),
        (codecs.BOM_UTF16_LE + b"a\0b", "not valid UTF-16: line 1, byte 4"),
    ],
)
def test_a_fault_further_on_is_found_while_reading(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=words):
        documents_of(tmp_path / "a.txt")


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "poems.txt").write_text("a")
    with pytest.raises(DataError, match=r"poem.txt: no such file or folder. Did you mean 'poems.txt'\?"):
        read_documents(tmp_path / "poem.txt")
    with pytest.raises(DataError, match=r"no such file or folder. There is no readable folder"):
        read_documents(tmp_path / "nowhere" / "a.txt")


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder without text: it holds no files"):
        read_documents(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\0")
    with pytest.raises(DataError, match="it holds 1 files, none of them UTF-8 text"):
        read_documents(tmp_path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=r"neither a file nor a folder but a pipe.*\n.*unroll train -"):
        read_documents(tmp_path / "pipe")


def test_a_device_is_refused_as_one() -> None:
    with pytest.raises(
        DataError, match=r"/dev/null is neither a file nor a folder but a device\. Give a text"
    ) as told:
        read_documents("/dev/null")
    assert "standard input" not in str(told.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "a.txt").chmod(0)
    with pytest.raises(DataError, match="cannot be read: permission denied"):
        read_documents(tmp_path / "a.txt")


def test_missing_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("a")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a.txt cannot be read: permission denied. Allow it \(chmod \+r\)"):
        read_documents(tmp_path / "a.txt")


def test_other_documents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"file, line or blank; 'lines' was given. Did you mean 'line'\?"):
        read_documents(tmp_path, "lines")


def test_a_fingerprint_changes_with_bytes_and_names(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    assert fingerprint(path) == hashlib.sha256(b"one").hexdigest()
    marks = {fingerprint(tmp_path)}
    path.write_text("two")
    marks.add(fingerprint(tmp_path))
    path.rename(tmp_path / "b.txt")
    marks.add(fingerprint(tmp_path))
    assert len(marks) == 3


def test_standard_input_is_stored_completely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.files.fingerprints.BYTES_AT_ONCE", 4)
    assert keep_standard_input(tmp_path / "kept.txt", io.BytesIO(b"ten bytes!")) == 10
    assert (tmp_path / "kept.txt").read_bytes() == b"ten bytes!"
    with pytest.raises(DataError, match="Standard input was empty"):
        keep_standard_input(tmp_path / "kept.txt", io.BytesIO(b""))


class Endless(io.RawIOBase):
    """An endless stream of one byte; no more than the limit may be read from it."""

    def __init__(self, byte: bytes) -> None:
        self.byte, self.taken = byte, 0

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        assert self.taken < 1 << 20
        return self.byte * size


def test_standard_input_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.files.fingerprints.BYTES_AT_ONCE", 1 << 10)
    with pytest.raises(DataError, match=r"Standard input is not text: it is a binary file"):
        keep_standard_input(tmp_path / "kept.txt", Endless(b"\0"))  # type: ignore[arg-type]
    free = iter(range(1 << 30, 0, -(1 << 28)))
    usage = type("Usage", (), {"free": property(lambda _: next(free))})
    monkeypatch.setattr("unrolled.data.files.fingerprints.shutil.disk_usage", lambda _: usage())
    with pytest.raises(DataError, match=r"has not ended after 3,072 bytes, and the disk .* is nearly full"):
        keep_standard_input(tmp_path / "kept.txt", Endless(b"a"))  # type: ignore[arg-type]
