"""A file whose content contradicts its name is recognised by its first bytes, and the advice fits its real format."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import json
import lzma
import re
import shlex
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from unrolled.data import read_documents
from unrolled.data.files.kinds import kind_of_file
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError
from unrolled.run import info_data

CSV = b"text,label\n" + b"a word,b\n" * 60


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"<x/>" * 50)
    return held.getvalue()


def npz() -> bytes:
    held = io.BytesIO()
    np.savez(held, x=np.zeros(3))
    return held.getvalue()


def workbook() -> bytes:
    return zipped("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml")


KINDS: dict[str, tuple[bytes, str]] = {
    "xlsx": (workbook(), "an Excel workbook"),
    "docx": (zipped("[Content_Types].xml", "word/document.xml"), "a word processor's file"),
    "npz": (npz(), "an npz of arrays"),
    "zip": (zipped("reviews.csv"), "a zip archive"),
    "gz": (gzip.compress(CSV), "a gzip archive"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an old Excel or Word file"),
    "pdf": (b"%PDF-1.4\n%plain\n" + CSV, "a PDF"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), r"an image \(PNG\)"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(99), r"an image \(JPEG\)"),
    "jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), r"an image \(JPEG 2000\)"),
    "ico": (b"\0\0\1\0\1\0" + bytes(99), r"an icon \(ICO\)"),
    "psd": (b"8BPS\0\1" + bytes(99), r"an image \(Photoshop\)"),
    "wav": (b"RIFF\0\0\0\0WAVEfmt ", r"an audio file \(WAV\)"),
    "parquet": (b"PAR1" + bytes(99), "a parquet file"),
    "npy": (b"\x93NUMPY\x01\0" + bytes(99), "an npy array"),
    "sqlite": (b"SQLite format 3\0" + bytes(99), "a SQLite database"),
    "pickle": (b"\x80\x04\x95" + bytes(99), "a Python pickle"),
    "rtf": (b"{\\rtf1\\ansi plain}", "a word processor's file"),
}
TEXTS: dict[str, tuple[bytes, str]] = {
    "html": (b"\xef\xbb\xbf <!DOCTYPE HTML><html>" + CSV, "an HTML page"),
    "xml": (b'<?xml version="1.0"?><x/>\n' + CSV, "XML"),
    "json": (b'[{"text": "a", "label": "b"}]', "JSON"),
    "jsonl": (b'{"text": "a", "label": "b"}\n', "JSON"),
}


@pytest.mark.parametrize("kind", [*KINDS, *TEXTS])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.conllu"])
def test_a_table_that_is_another_thing_says_so(tmp_path: Path, name: str, kind: str) -> None:
    content, words = {**KINDS, **TEXTS}[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"is named \{name[1:]}, but it is {words}\.\n."):
        info_data(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["t.txt", "t", "t.right"])
def test_a_text_that_is_another_thing_says_so(tmp_path: Path, name: str, kind: str) -> None:
    content, words = KINDS[kind]
    path = tmp_path / name.replace("right", kind)
    if path.suffix in (".npz", ".npy", ".parquet", ".jsonl", ".json"):
        return  # a table by its name
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"is not text: it is {words}\.\n."):
        read_documents(path)
    assert read_documents(path, any_bytes=True).files  # where bytes are requested, bytes are used


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_that_looks_like_a_table_or_a_page_is_a_text_and_says_so(tmp_path: Path, kind: str) -> None:
    content, words = TEXTS[kind]
    (tmp_path / "t.txt").write_bytes(content * 40)
    assert f"it looks like {words} but is read as text" in info_data(tmp_path / "t.txt")["description"]
    (tmp_path / "t.md").write_bytes(content * 40)
    assert "looks like" not in info_data(tmp_path / "t.md")["description"]


@pytest.mark.parametrize("name", ["t.ipynb", "t.geojson"])
def test_a_notebook_is_reported_as_json(tmp_path: Path, name: str) -> None:
    cells = ",".join('{"cell_type": "code", "source": ["1 + 1"]}' for _ in range(40))
    (tmp_path / name).write_text(f'{{\n "cells": [{cells}]\n}}\n')
    assert "it looks like JSON but is read as text" in info_data(tmp_path / name)["description"]


@pytest.mark.parametrize(("name", "words"), [
    ("t.parquet", r"t\.parquet cannot be read as a parquet file"), ("t.json", r"t\.json, row 1: invalid JSON"),
    ("t.jsonl", r"t\.jsonl, row 1: invalid JSON"), ("t.npz", r"t\.npz cannot be read as an npz"),
    ("t.npy", r"t\.npy: 't' cannot be read as a numpy array"),
])  # fmt: skip
def test_a_csv_of_another_name_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_bytes(CSV)
    with pytest.raises(DataError, match=words):
        info_data(tmp_path / name)


@pytest.mark.parametrize(
    "content", [CSV, b"a text, and no more", b"[id],text\n1,b\n", b"{a},b\n", b"", b"<x>,y\n", b"%,b\n"]
)
def test_plain_text_is_of_no_other_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    assert kind_of_file(tmp_path / "t") is None


GERMAN = "Größe und Maß, schön und grün – für «alle» Leute’s Zwecke. " * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга. " * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で\n" * 20
CHINESE = "有朋自远方来,不亦乐乎。学而时习之,不亦说乎。人不知而不愠,不亦君子乎。\n" * 20
OTHERS = {
    "cp1251": RUSSIAN, "koi8-r": RUSSIAN, "cp866": RUSSIAN, "shift_jis": JAPANESE, "euc-jp": JAPANESE,
    "gb18030": CHINESE,
    "big5": "有朋自遠方來,不亦樂乎。學而時習之,不亦說乎。人不知而不慍,不亦君子乎。\n" * 20,
    "euc-kr": "모든 국민은 신체의 자유를 가진다. 누구든지 법률에 의하지 아니하고는 체포되지 아니한다.\n" * 20,
}  # fmt: skip
GREEK = "Όλες οι ευτυχισμένες οικογένειες μοιάζουν μεταξύ τους. " * 20
FRENCH = "Le garçon a déjà été très âgé, où l’on préfère la forêt. " * 20
ENCODED: dict[str, tuple[bytes, str]] = {
    "cp1252": (GERMAN.encode("cp1252"), r"It seems to be cp1252 .*:\niconv -f cp1252 -t utf-8 .* > NEW"),
    "latin1": ("Café fermé. ".encode("latin-1") * 20, r"iconv -f cp1252"),
    "cp850": ("Größe und schön. ".encode("cp850") * 20, r"one byte per character, and not in cp1252"),
    **{
        name: (text.encode(name), rf"It seems to be {name}\. .*:\niconv -f {name} -t utf-8 .* > NEW")
        for name, text in OTHERS.items()
    },
    "Russian, short": ("Привет, мир! ".encode("cp1251") * 20, r"It seems to be cp1251\."),
    "Russian in a table": ("Привет мир,positive label\n".encode("koi8-r") * 20, r"It seems to be koi8-r\."),
    "mac-cyrillic": (RUSSIAN.encode("mac-cyrillic"), r"It seems to be mac-cyrillic\. .*:\niconv -f mac-cyrillic -t"),
    "Russian capitals": ("ВСЕ СЧАСТЛИВЫЕ СЕМЬИ ПОХОЖИ. ".encode("koi8-r") * 20, r"or Cyrillic.*\nWhich one is not"),
    "macintosh": (FRENCH.encode("mac-roman"), r"It seems to be macintosh .*:\niconv -f macintosh -t utf-8 .* > NEW"),
    "macintosh, quotes": ("It’s a “text”. ".encode("mac-roman") * 20, r"It seems to be macintosh "),
    "cp1250": ("Zażółć gęślą jaźń, proszę. ".encode("cp1250") * 20, r"It seems to be cp1250 .*:\niconv -f cp1250 -t"),
    "cp850, French": (FRENCH.replace("’", "'").encode("cp850"), r"It seems to be cp850|Which one is not clear"),
    "Greek in a table": ((GREEK[:57] + ",a label in Latin\n").encode("cp1253") * 20, r"for example of Greek"),
    "iso8859-7": (GREEK.encode("iso8859-7"), r"in another encoding, for example of Greek"),
    "cp1255": ("כל המשפחות המאושרות דומות זו לזו. ".encode("cp1255") * 20,
               r"in another encoding, for example of Greek"),
    "joined, of Japan": (JAPANESE.encode() + JAPANESE.encode("shift_jis"), r"Were two files joined\?"),
    "in turns": (b"\n".join(map(RUSSIAN.encode, ("utf-8", "cp1251") * 3)), r"Were two files joined\?"),
    "one stray byte": (GERMAN.encode() + b"\xff" + GERMAN.encode(), r"1 byte is invalid, and the rest is UTF-8"),
    "joined": (GERMAN.encode() + GERMAN.encode("cp1252"), r"Were two files joined\?\nConvert only the second"),
    "utf-16 without a mark": (GERMAN.encode("utf-16-le"), r"UTF-16LE without.*\nConvert it: iconv -f utf-16le"),
    "the other order": (RUSSIAN.encode("utf-16-be"), r"text in UTF-16BE without"),
    "utf-32 without a mark": (RUSSIAN.encode("utf-32-le"), r"text in UTF-32LE without"),
    "zeros": (b"a text\n" * 50 + bytes(9), r"it contains zero bytes\.\nRemove them: tr -d '\\000' <"),
    "cut utf-16": (codecs.BOM_UTF16_LE + GERMAN.encode("utf-16-le")[:-1], r"Is the file truncated, or damaged\?"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENCODED)
def test_the_advice_fits_the_encoding(tmp_path: Path, case: str) -> None:
    content, words = ENCODED[case]
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        info_data(tmp_path / "t.txt")
    assert str(raised.value).count("\n") < 3
    said = str(raised.value)
    if found := re.search("iconv -f ([^ ]+) ", said):
        assert content.decode(found[1])
        assert "ENCODING" not in said
    if "UTF-8" in words or "joined" in words:
        assert "iconv -f" not in str(raised.value)  # which would corrupt an intact file
    if case == "cut utf-16":
        return  # the rows of a table show which encoding is possible
    table = b"text,label\n" if not case.startswith(("utf-", "the other")) else b""
    (tmp_path / "t.csv").write_bytes(table + content)
    with pytest.raises(DataError, match=words) as raised:
        list(open_table(tmp_path / "t.csv").rows(["text"]))
    assert str(raised.value).count("\n") < 3


def test_a_faulty_line_far_on_is_named_with_advice(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"text,label\n" + "schön,a\n".encode() * 20_000 + b"sch\xf6n,a\n")
    with pytest.raises(DataError, match=r"line 20,002: not valid UTF-8\.\n1 byte is invalid, and the rest is UTF-8"):
        list(open_table(tmp_path / "t.csv").rows(["text"]))


def packed(name: str) -> bytes:
    held = io.BytesIO()
    if name == "zip":
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("inside.csv", CSV)
    elif name == "tar":
        with tarfile.open(fileobj=held, mode="w") as opened:
            entry = tarfile.TarInfo("inside.csv")
            entry.size = len(CSV)
            opened.addfile(entry, io.BytesIO(CSV))
    else:
        held.write(
            {"gunzip": gzip.compress(CSV, mtime=0), "bunzip2": bz2.compress(CSV)}.get(name) or lzma.compress(CSV)
        )
    return held.getvalue()


@pytest.mark.parametrize(
    ("how", "tool", "left"),
    [
        ("gunzip", "gunzip", "NEW"),
        ("bunzip2", "bunzip2", "NEW"),
        ("unxz", "unxz", "NEW"),
        ("zip", "unzip", "inside.csv"),
        ("tar", "tar", "inside.csv"),
    ],
)
@pytest.mark.parametrize("name", ["gz.txt", "-it's mine.csv", "t"])
def test_the_command_to_unpack_a_file_can_be_typed(name: str, how: str, tool: str, left: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not here")
    content = packed(how)  # once, because a zip contains the time
    (tmp_path / name).write_bytes(content)
    with contextlib.chdir(tmp_path), pytest.raises(DataError, match="Unpack it, and use its content: ") as raised:
        info_data(name)
    typed = str(raised.value).rsplit("content: ", 1)[1]
    subprocess.run(["bash", "-c", typed], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / left).read_bytes() == CSV
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize(
    ("begins", "what", "advice"),
    [
        (b"\x1f\x8b\x08", "a gzip archive", "gunzip < FILE > NEW"),
        (b"BZh91AY&SY", "a bzip2 archive", "bunzip2 < FILE > NEW"),
        (b"\xfd7zXZ\0", "an xz archive", "unxz < FILE > NEW"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive", "unzstd < FILE > NEW"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x FILE"),
        (b"Rar!\x1a\x07\0", "a rar archive", "unrar x FILE"),
        (b"PK\x05\x06", "a zip archive", "unzip FILE"),
        (bytes(257) + b"ustar", "a tar archive", "tar -xf FILE"),
        (b"%PDF-1.4\n", "a PDF", "pdftotext FILE"),
    ],
)
@pytest.mark.parametrize("name", ["plain.csv", "my paper.txt", "it's"])
def test_advice_names_the_right_tool_and_the_file(
    name: str, begins: bytes, what: str, advice: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(begins + bytes(20))
    with pytest.raises(DataError) as refused:
        info_data(tmp_path / name)
    first, second, *_ = str(refused.value).splitlines()
    assert first.endswith(f"it is {what}.")
    assert second.split(": ", 1)[1] == advice.replace("FILE", shlex.quote(str(tmp_path / name)))


def test_a_text_about_archives_is_a_text(tmp_path: Path) -> None:
    for begins in ("BZh is how one begins. ", "7z and Rar! are others. ", "%PDF is another. ", "PK. "):
        (tmp_path / "t.txt").write_text(begins * 50)
        assert kind_of_file(tmp_path / "t.txt") is None


def test_a_conversion_that_is_advised_gives_the_text(tmp_path: Path) -> None:
    for encoding in ("cp1252", "utf-16-le", "utf-16-be"):
        (tmp_path / "t.txt").write_bytes(GERMAN.encode(encoding))
        with pytest.raises(DataError) as raised:
            read_documents(tmp_path / "t.txt")
        said = str(raised.value).split("iconv -f ")[1].split()[0]
        assert codecs.lookup(said).name.replace("_", "-") == encoding
        assert json.dumps(GERMAN.encode(encoding).decode(said)) == json.dumps(GERMAN)
