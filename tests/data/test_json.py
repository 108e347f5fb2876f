"""json and jsonl: arrays and lines are tables, late names are columns, and what is not a table is named with its
row."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables import base
from unrolled.data.tables.columns import Columns
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import DataError
from unrolled.options import TrainOptions
from unrolled.run import info_data

ROWS: list[dict[str, Any]] = [
    {"text": f'Nö, ] number {n}, "{{', "label": "ab"[n % 2], "list": [1, [n]]} for n in range(60)
]
SPELLINGS = {
    "an array": json.dumps(ROWS),
    "an array of lines": json.dumps(ROWS, indent=1, ensure_ascii=False),
    "lines": "\n".join(map(json.dumps, ROWS)) + "\n",
    "a mark": "\ufeff" + json.dumps(ROWS),
}


def write(tmp_path: Path, text: str, name: str = "t.json") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "T.JSON"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_json_is_a_table_in_every_notation(
    tmp_path: Path, spelling: str, name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK", block)
    path = write(tmp_path, SPELLINGS[spelling], name)
    table = open_table(path)
    assert is_table(path)
    assert table.columns == ("text", "label", "list")
    assert [row.cells for row in table.rows(["label", "text", "list"])] == [
        (row["label"], row["text"], row["list"]) for row in ROWS
    ]
    assert info_data(path)["targets"]["label"] == {"a": 30, "b": 30}


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
@pytest.mark.parametrize("array", [True, False])
def test_a_name_that_comes_late_is_a_column(tmp_path: Path, name: str, array: bool) -> None:
    rows = [{"text": f"number {n}", **({"label": "ab"[n % 2]} if n >= 60 else {})} for n in range(120)]
    text = json.dumps(rows) if array else "\n".join(json.dumps(row) for row in rows)
    path = write(tmp_path, text, name)
    assert open_table(path).columns == ("text", "label")
    with pytest.raises(DataError, match=r"row 1: 'label' is empty.*\n.*--skip-empty"):
        info_data(path)
    assert info_data(path, TrainOptions(skip_empty=True))["skipped"] == 60


def test_a_rewritten_file_has_its_new_names(tmp_path: Path) -> None:
    path = write(tmp_path, '{"a": 1}\n')
    assert open_table(path).columns == ("a",)
    os.utime(write(tmp_path, '{"b": 1}\n'), (1, 1))
    assert open_table(path).columns == ("b",)


def test_json_is_a_text_on_request(tmp_path: Path) -> None:
    path = write(tmp_path, SPELLINGS["lines"])
    assert "characters of text" in info_data(path, TrainOptions(task="language-modeling"))["description"]


BAD: dict[str, tuple[str, str]] = {
    "an array of arrays": ("[[1, 2], [3, 4]]", r"row 1: a JSON object was expected.*got list"),
    "a fault in an array": ('[{"a": 1},\n {"a": 2},\n {"a": }]', r"row 3: invalid JSON .*an array of objects"),
    "an array without an end": ('[{"a": 1}, {"a": 2}', r"after row 2: the array is not closed"),
    "an object without an end": ('[{"a": 1}, {"a": 2', r"row 2: invalid JSON"),
    "more after the end": ('[{"a": 1}] {"b": 2}', r"there is text after the end of its array, which is row 1"),
    "an object over lines": ('{\n"a": 1\n}\n', r"row 1: invalid JSON .*\n.*--task language-modeling"),
    "numbers without end": ('[{"a": ' + "1" * 5000 + "}]", r"row 1: invalid JSON\. A json file"),
    "too deep": ('[{"a": ' + "[" * 100_000 + "]", r"row 1: invalid JSON"),
    "pandas by columns": ('{"a": {"0": 1, "1": 2}}\n', r"one object of columns \(a\).*\n.*orient=\"records\""),
    "a name twice": ('[{"a": 1, "b": 2},\n{"a": 1, "a": 2}]', r"row 2: the key 'a' is twice in one object"),
    "a name twice in a line": ('{"a": 1}\n{"a": 1, "a": 1}\n', r"row 2: the key 'a' is twice in one object"),
    "objects in a list": ('[{"a": [1, {"b": 2}]}]', r"row 1: 'a' is an object"),
    "csv": ("text,label\na,b\n", r"row 1: invalid JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_json_that_is_no_table_is_refused_with_its_row(tmp_path: Path, case: str) -> None:
    text, words = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=words) as raised:
        for _ in open_table(path).rows(["a"]):
            pass
    assert str(raised.value).count("\n") < 3


HALF: dict[str, list[dict[str, Any]]] = {
    "a label": [{"text": f"a word {n}", "label": ["a", "\ud800b"][n % 2]} for n in range(60)],
    "a text": [{"text": ["a word", "a \udfff word"][n % 2], "label": "ab"[n % 2]} for n in range(60)],
    "a list": [{"text": "a word", "label": [["a"], ["b", "\ud800"]][n % 2]} for n in range(60)],
    "a name": [{"text": "a word", ["label", "\ud800"][n % 2]: "b"} for n in range(60)],
}


@pytest.mark.parametrize("case", HALF)
@pytest.mark.parametrize("array", [True, False])
def test_half_a_character_is_named_with_its_row(tmp_path: Path, case: str, array: bool) -> None:
    text = json.dumps(HALF[case]) if array else "\n".join(json.dumps(row) for row in HALF[case])
    with pytest.raises(DataError, match=r"row 2: '.*' holds half a character \(a lone surrogate") as raised:
        info_data(write(tmp_path, text))
    str(raised.value).encode()  # the message itself has no markup


WHOLE: dict[str, tuple[Any, str]] = {
    "columns": ({"text": ["a", "b"], "label": ["x", "y"]}, r"of columns \(text, label\), each a list of its rows"),
    "pandas": ({"text": {"0": "a"}, "label": {"0": "x"}}, r"of columns \(text, label\), each an object of its rows"),
    "pandas, split": ({"columns": ["text"], "index": [0], "data": [["a"]]}, r"orient=\"split\"\)"),
    "pandas, by index": ({"0": {"text": "a"}, "1": {"text": "b"}}, r"whose keys \(0, 1\) are names of rows"),
    "pandas, table": ({"schema": {"fields": []}, "data": [{"text": "a"}]}, r"with a schema"),
    "wrapped": ({"version": "1", "data": [{"text": "a"}, {"text": "b"}]}, r"around the rows, .* under 'data'"),
    "wrapped under another name": ({"examples": [{"text": "a"}]}, r"around the rows, .* under 'examples'"),
}


@pytest.mark.parametrize("case", WHOLE)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_table_within_one_object_is_refused_with_advice(case: str, indent: int | None, tmp_path: Path) -> None:
    value, words = WHOLE[case]
    with pytest.raises(DataError, match=words) as raised:
        open_table(write(tmp_path, json.dumps(value, indent=indent)))
    said = str(raised.value)
    assert "expected: an array of objects, or one object per line" in said
    assert ('orient="records"' in said) == (not case.startswith("wrapped"))
    assert said.count("\n") < 3
    if indent is None and case == "columns":
        assert "If it is a single row, rename the file to .jsonl" in said
        assert len(list(open_table(write(tmp_path, json.dumps(value), "t.jsonl")).rows(["text"]))) == 1


def test_a_single_row_is_a_table(tmp_path: Path) -> None:
    for value in ({"text": "a", "label": "x"}, {"x": [1, 2]}, {"text": "a", "words": ["b", "c"]}):
        table = open_table(write(tmp_path, json.dumps(value)))
        assert [row.cells for row in table.rows(list(value))] == [tuple(value.values())]


ODD = {
    "a list": (["a"], r"row 13: 'text' is \[\"a\"\], where a text was expected, as in most rows\.\nCorrect it"),
    "an empty list": ([], r"row 13: 'text' is \[\], where a text was expected"),
    "numbers in a list": ([1, 2], r"row 13: 'text' is \[1, 2\], where a text was expected"),
    "true": (True, "row 13: 'text' is true, where a text was expected"),
    "an object": ({"a": 1}, "row 13: 'text' is an object; text, a number or a list was expected"),
}


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("case", ODD)
def test_a_cell_that_is_no_text_among_texts_is_refused_with_the_row(case: str, form: str, tmp_path: Path) -> None:
    odd, words = ODD[case]
    rows = [{"text": f"text of number {n}", "label": "ab"[n % 2]} for n in range(60)]
    rows[12]["text"] = odd  # type: ignore[assignment]
    path = tmp_path / f"t.{form}"
    path.write_text(json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=words):
        read_examples(path, DatasetOptions())


def test_numbers_are_texts_and_lists_of_words_are_tokens(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": f"title {n}", "label": "ab"[n % 2]} for n in range(60)]
    rows[12]["text"], rows[13]["text"] = 2012, 3.5
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read_examples(path, DatasetOptions()).items[12] == "2012"
    for row in rows:
        row["text"] = ["a", str(row["text"])]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read_examples(path, DatasetOptions()).items[12] == "a\n2012\n"
    rows[12]["text"] = "a 2012"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="row 13: 'text' is \"a 2012\", where a list was expected, as in most rows"):
        read_examples(path, DatasetOptions())
    assert read_examples(path, DatasetOptions(input_type="text")).items[12] == "a 2012"


@pytest.mark.parametrize("texts", [True, False])
def test_a_list_among_targets_is_refused_with_the_row(texts: bool, tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "answer": f"words {n if texts else n % 2}"} for n in range(60)]
    rows[12]["answer"] = ["words 0"]  # type: ignore[assignment]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    kind = "texts" if texts else "labels"
    with pytest.raises(
        DataError, match=rf"row 13: 'answer' is '\['words 0'\]', a list, where single {kind} were exp"
    ):
        read_examples(path, DatasetOptions())
    for row in rows:
        row["answer"] = [row["answer"]]  # type: ignore[assignment]
    rows[12]["answer"] = "words 0"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"row 13: 'answer' is 'words 0', where lists of names were expected"):
        read_examples(path, DatasetOptions())


NESTED = [
    {"text": f"day {n} was fine", "mood": "ab"[n % 2], "user": {"id": n}, "tags": [{"t": 1}]} for n in range(40)
]


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_objects_in_unused_columns_are_accepted(name: str, tmp_path: Path) -> None:
    rows = [*NESTED, {"text": "the last day", "mood": "a", "late": {"a": 1}}]
    path = tmp_path / name
    path.write_text(json.dumps(rows) if name == "t.json" else "\n".join(map(json.dumps, rows)))
    found = read_examples(path, DatasetOptions(input="text", output="mood"))
    assert found.columns == Columns(("text",), ("mood",)) and len(found.numbers) == 41


@pytest.mark.parametrize("used", ["user", "tags"])
def test_objects_in_used_columns_are_refused_with_advice(used: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(NESTED))
    for options in (DatasetOptions(input=used, output="mood"), DatasetOptions(input="text", output=used)):
        with pytest.raises(DataError, match=rf"row 1: '{used}' is an object.*\n.*pandas\.json_normalize"):
            read_examples(path, options)
