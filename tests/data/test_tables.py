"""Tables: every format and way of writing them gives the same rows, and faults are named with their row."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

import pytest

from unrolled.data.cells.cell import Cell
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import DataError, MissingExtra

ROWS: list[tuple[str, str]] = [
    ("plain words", "a"),
    ("a comma, a tab\tand a bar|", "b"),
    ('she said "no"', "a"),
    ("two\nlines", "b"),
    ("Ünïcödé ☃", "a"),
]


def cells(path: Path, columns: tuple[str, ...] = ("text", "label")) -> list[tuple[Cell, ...]]:
    return [row.cells for row in open_table(path).rows(columns)]


def as_csv(delimiter: str = ",", end: str = "\n") -> str:
    lines = [delimiter.join(("text", "label"))]
    lines += ['"{}"{}{}'.format(text.replace('"', '""'), delimiter, label) for text, label in ROWS]
    return end.join(lines) + end


SPELLINGS: dict[str, tuple[str, bytes]] = {
    "csv": ("t.csv", as_csv().encode()),
    "a byte order mark": ("t.csv", b"\xef\xbb\xbf" + as_csv().encode()),
    "utf-16": ("t.csv", as_csv().encode("utf-16")),
    "semicolons": ("t.csv", as_csv(";").encode()),
    "tabs in a csv": ("t.csv", as_csv("\t").encode()),
    "bars": ("t.csv", as_csv("|").encode()),
    "no end of the last line": ("t.csv", as_csv().rstrip().encode()),
    "empty lines between": ("t.csv", as_csv().replace("\nplain", "\n\nplain").encode()),
    "a tsv with quotes": ("t.tsv", as_csv("\t").encode()),
    "capitals in the name": ("T.CSV", as_csv().encode()),
    "jsonl": ("t.jsonl", "".join(json.dumps({"text": a, "label": b}) + "\n" for a, b in ROWS).encode()),
    "jsonl in any order": ("t.ndjson", "".join(json.dumps({"label": b, "text": a}) + "\n" for a, b in ROWS).encode()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_table_is_read_the_same_in_every_notation(spelling: str, tmp_path: Path) -> None:
    name, content = SPELLINGS[spelling]
    (tmp_path / name).write_bytes(content)
    assert is_table(tmp_path / name)
    assert cells(tmp_path / name) == ROWS


def test_line_ends_of_every_kind_are_one_table(tmp_path: Path) -> None:
    for end in ("\n", "\r\n"):
        (tmp_path / "t.csv").write_bytes(f"text,label{end}one,a{end}two,b{end}".encode())
        assert cells(tmp_path / "t.csv") == [("one", "a"), ("two", "b")]


def test_a_parquet_file_is_read_like_its_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    columns = {
        "text": [text for text, _ in ROWS],
        "label": [label for _, label in ROWS],
        "other": [*range(len(ROWS))],
    }
    polars.DataFrame(columns).write_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr("unrolled.data.tables.parquet.SLICE", 2)
    assert cells(tmp_path / "t.parquet") == ROWS
    assert [row.number for row in open_table(tmp_path / "t.parquet").rows(["label"])] == [1, 2, 3, 4, 5]


def test_an_error_of_polars_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    path = tmp_path / "t.parquet"
    polars.DataFrame({"text": [f"word {n}" for n in range(500)], "label": ["a", "b"] * 250}).write_parquet(path)
    data = bytearray(path.read_bytes())
    for place in range(4, 400):
        data[place] ^= 0x55
    path.write_bytes(data)
    table = open_table(path)
    for error in (None, polars.exceptions.ComputeError("\n" + "x" * 5000 + "\n\nplan:\n..."),
                  polars.exceptions.PanicException("a panic\nat a place")):  # fmt: skip
        if error is not None:
            monkeypatch.setattr(polars.LazyFrame, "collect", lambda self, error=error: throw(error))
        with pytest.raises(
            DataError, match=r"t\.parquet, after row 0: .*The file is damaged; save it again"
        ) as raised:
            list(table.rows(["text", "label"]))
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < len(str(path)) + 200


def throw(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("name", ["a*.parquet", "a?.parquet", "a[1].parquet", "file:a.parquet", "s3:a.parquet",
                                  "a=1.parquet", os.fsdecode(b"a\xff.parquet")])  # fmt: skip
def test_the_name_of_a_parquet_file_is_no_pattern_and_no_url(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polars = pytest.importorskip("polars")
    monkeypatch.chdir(tmp_path)
    for place, text in ((name, "mine"), ("ab.parquet", "another's")):
        with Path(place).open("wb") as file:
            polars.DataFrame({"text": [text], "label": ["a"]}).write_parquet(file)
    for path in (Path(name), tmp_path / name):
        assert open_table(path).columns == ("text", "label")
        assert cells(path) == [("mine", "a")]


def test_the_extra_for_parquet_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_polars(name: str, *rest: Any) -> Any:
        if name == "polars":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_polars)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match=r"pip install '\.\[parquet\]' in unrolled's checkout"):
        open_table(tmp_path / "t.parquet")


def test_a_quote_in_a_tsv_is_a_character_where_it_encloses_nothing(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('de\ten\n"Halt" rief er\t"Stop" he cried\n5" breit\t"wide\n')
    assert cells(tmp_path / "t.tsv", ("de", "en")) == [('"Halt" rief er', '"Stop" he cried'), ('5" breit', '"wide')]


def test_rows_are_numbered_as_an_editor_shows_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,1\nb,2\n")
    assert [row.number for row in open_table(tmp_path / "t.csv").rows(["text"])] == [2, 3]
    (tmp_path / "t.jsonl").write_text('{"text": "a"}\n\n{"text": "b"}\n')
    assert [row.number for row in open_table(tmp_path / "t.jsonl").rows(["text"])] == [1, 3]


def test_a_missing_cell_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('text,label\na,\n"",1\n')
    assert cells(tmp_path / "t.csv") == [("a", None), (None, "1")]
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": null}\n{"label": 0}\n{"text": "", "label": false}\n')
    assert cells(tmp_path / "t.jsonl") == [("a", None), (None, 0), (None, False)]


def test_a_cell_may_hold_a_book(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"text,label\n{'x' * 1_000_000},a\n")
    (book, _) = cells(tmp_path / "t.csv")[0]
    assert isinstance(book, str)
    assert len(book) == 1_000_000


BAD: dict[str, tuple[str, bytes, str]] = {
    "no such file": ("absent.csv", b"", r"absent\.csv: no such file"),
    "empty": ("t.csv", b"", r"t\.csv is empty\. A table has a header and rows"),
    "a mark alone": ("t.csv", b"\xef\xbb\xbf", r"t\.csv is empty"),
    "binary": (
        "t.csv",
        bytes(range(256)) * 40,
        r"t\.csv is not text: it is a binary file\.\nA csv",
    ),
    "a byte of 0": ("t.csv", b"text,label\na\0b,c\n", r"t\.csv is not text: it contains zero bytes\.\n.*: tr -d"),
    "latin1": (
        "t.csv",
        "text,label\ncafé,a\n".encode("latin-1") * 90,
        r"t\.csv is not UTF-8.*\n.*cp1252",
    ),
    "latin1 far on": (
        "t.csv",
        b"text,label\n" + b"plain,a\n" * 20_000 + "café,a\n".encode("latin-1") * 2000,
        r"line 20,002: not valid UTF-8",
    ),
    "a NUL far on": ("t.csv", b"text,label\n" + b"plain,a\n" * 20_000 + b"a\0b,a\n", r"line 20,002: a NUL"),
    "too many cells": (
        "t.csv",
        b"text,label\na,b\na,b,c\n",
        r"row 3: 3 cells, where the header names 2.*\n.*a comma",
    ),
    "too few cells": ("t.csv", b"text,label,x\na,b,c\na,b\na,b,c\n", r"row 3: 2 cells, where the header names 3"),
    "a quote that stays open": ("t.csv", b'text,label\na,b\n"c,d\n', r"row 3 \(line 3\): unexpected end.*\n.*quote"),
    "words after a quote": ("t.csv", b'text,label\n"a" b,c\n', r"row 2 \(line 2\): ',' expected after '\"'"),
    "two columns of one name": ("t.csv", b"text,text\na,b\n", r"row 1: different names.*'text' is there more"),
    "no JSON": ("t.jsonl", b'{"text": "a"}\n{"text": \n', r"row 2: invalid JSON \(.*one JSON object per line"),
    "a JSON list": ("t.jsonl", b'["a", "b"]\n', r"row 1: a JSON object was expected.*got list"),
    "an object in a cell": ("t.jsonl", b'{"text": {"a": 1}}\n', r"row 1: 'text' is an object"),
    "JSON too deep": ("t.jsonl", b'{"text": ' + b"[" * 100_000, r"row 1: invalid JSON"),
    "no parquet": ("t.parquet", b"PAR1 and then nothing", r"t\.parquet cannot be read as a parquet file"),
    "no table by its name": ("t.xlsx", b"PK", r"t\.xlsx is not a table by its name\. Tables end in \.csv"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_row_is_named_with_its_number(case: str, tmp_path: Path) -> None:
    name, content, words = BAD[case]
    if content:
        (tmp_path / name).write_bytes(content)
    elif name != "absent.csv":
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=words) as raised:
        cells(tmp_path / name, ("text",))
    assert str(raised.value).count("\n") < 3


def test_a_link_to_itself_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").symlink_to("t.csv")
    with pytest.raises(DataError, match=r"t\.csv is a link"):
        open_table(tmp_path / "t.csv")


SENTENCES = """\
# sent_id = 1
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2-3\tdogs\t_\t_\t_\t_\t_\t_\t_\t_
2\tdog\tdog\tNOUN\t_\t_\t0\troot\t_\tSpaceAfter=No
3\ts\ts\tPART\t_\t_\t2\tcase\t_\t_
3.1\truns\trun\tVERB\t_\t_\t_\t_\t_\t_

# text = No
1\tNo\tno\tINTJ\t_\t_\t0\troot\t_\t_
"""


def test_a_sentence_of_conllu_is_a_row_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "t.conllu"
    for end in ("\n", "", "\n\n\n"):
        path.write_text(SENTENCES.rstrip("\n") + end)
        rows = list(open_table(path).rows(["form", "upos"]))
        assert [row.cells for row in rows] == [
            (["The", "dog", "s"], ["DET", "NOUN", "PART"]),
            (["No"], ["INTJ"]),
        ]
        assert [row.number for row in rows] == [1, 8]


@pytest.mark.parametrize("line", ["1\tThe\tDET", "The dog runs", "x" + "\t_" * 9])
def test_a_line_that_is_no_word_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "t.conllu").write_text(SENTENCES + line + "\n")
    with pytest.raises(DataError, match=r"t\.conllu, line 10: expected a word's ten columns"):
        list(open_table(tmp_path / "t.conllu").rows(["form"]))


def test_a_folder_for_each_label_is_a_table(tmp_path: Path) -> None:
    for name, content in {
        "good/1.txt": b"fine",
        "good/2.txt": b"\xef\xbb\xbfvery fine",
        "bad/deep/1.txt": b"dull",
        "bad/picture.png": bytes(range(256)),
        "readme.txt": b"not in a folder",
        ".hidden/x.txt": b"hidden",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    table = open_table(tmp_path)
    assert [row.cells for row in table.rows(["text", "label"])] == [
        ("dull", "bad"),
        ("fine", "good"),
        ("very fine", "good"),
    ]
    assert next(table.place(row.number) for row in table.rows(["text"])) == str(tmp_path / "bad/deep/1.txt")
    assert table.skipped == (tmp_path / "bad/picture.png",)
    before = table.fingerprint()
    (tmp_path / "good/1.txt").write_text("finer")
    assert open_table(tmp_path).fingerprint() != before


def test_folders_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/1.txt").write_text("text")
    with pytest.raises(DataError, match=r"holds 1 files in 1 folders\. A folder for each label was expected"):
        open_table(tmp_path)
