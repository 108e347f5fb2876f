"""predict and evaluate keep each row's place: empty cells, other delimiters, other column orders, extra columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Unroll

import unrolled
from unrolled.run import Training

TEXTS = [f"a {('dull', 'fine')[n % 2]} film number {n}" for n in range(60)]
TRAIN = "text,label\n" + "".join(f"{text},{('no', 'yes')[n % 2]}\n" for n, text in enumerate(TEXTS))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "train.csv").write_text(TRAIN)
    for _ in Training(folder / "train.csv", model="linear", out=str(folder / "run")):
        pass
    return folder / "run"


ASKED = {
    "a csv": ("t.csv", 'text\na fine film\n""\na dull film\n'),
    "a csv of one column": ("t.csv", "text\na fine film\n\na dull film\n\n\n"),
    "a tsv of one column": ("t.tsv", "text\na fine film\n\na dull film\n"),
    "a csv with blanks": ("t.csv", 'text,x\na fine film,1\n"  ",2\na dull film,3\n'),
    "semicolons, another order, columns more": ("t.csv", "id;text;x\n1;a fine film;\n2;;\n3;a dull film;\n"),
    "a tsv": ("t.tsv", "label\ttext\n\ta fine film\n\t\n\ta dull film\n"),
    "an index without a name": ("t.csv", ",text\n0,a fine film\n1,\n2,a dull film\n"),
    "sep=": ("t.csv", "sep=;\ntext;label\na fine film;\n;yes\na dull film;no\n"),
    "jsonl": ("t.jsonl", '{"text": "a fine film"}\n{"x": 1}\n{"text": "a dull film"}\n'),
    "json": ("t.json", '[{"text": "a fine film"}, {"text": null}, {"text": "a dull film"}]'),
    "lines": ("t.txt", "a fine film\n\na dull film\n"),
    "lines with blanks": ("t.txt", "a fine film\n \t\na dull film"),
}


@pytest.mark.parametrize("case", ASKED)
def test_an_empty_input_has_an_empty_prediction_in_its_place(
    case: str, run: Path, tmp_path: Path, unroll: Unroll
) -> None:
    name, text = ASKED[case]
    (tmp_path / name).write_text(text)
    result = unroll("predict", run, tmp_path / name)
    assert result.code == 0, result.err
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[0] for line in lines] == ["yes", "", "no"]
    assert [line[1] for line in lines][1] == ""
    assert lines[0][2:] == ["a fine film"]
    assert "1 input is empty and has an empty prediction; --skip-empty leaves it out." in result.err
    found = [json.loads(line) for line in unroll("predict", run, tmp_path / name, "--json").out.splitlines()]
    assert [one["outputs"]["label"]["prediction"] for one in found] == ["yes", None, "no"]
    skipped = unroll("predict", run, tmp_path / name, "--skip-empty")
    assert [line.split("\t")[0] for line in skipped.out.splitlines()] == ["yes", "no"]
    assert "1 empty input was left out." in skipped.err


def test_an_empty_text_has_an_empty_prediction_from_python(run: Path) -> None:
    first, empty = unrolled.load(run).predict(["a fine film", ""])
    assert (first.best("label"), first.empty) == ("yes", False)
    assert (empty.best("label"), empty.empty) == ("", True)


def test_evaluation_skips_empty_cells_on_request(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    path = tmp_path / "test.csv"
    path.write_text("text,label\na fine film,yes\n,no\na dull film,\na dull film,no\n")
    refused = unroll("evaluate", run, path)
    assert refused.code == 2
    assert "test.csv, row 3: 'text' is empty" in refused.err
    assert "--skip-empty" in refused.err
    result = unroll("evaluate", run, path, "--skip-empty", "--json")
    assert result.code == 0, result.err
    score = json.loads(result.out)["outputs"]["label"]
    assert (score["accuracy"], sum(map(sum, score["confusion_matrix"]))) == (1.0, 2)
    own = unroll("evaluate", run, "--skip-empty")
    assert own.code == 2
    assert "--skip-empty needs the path of a table" in own.err


def test_evaluation_reads_other_delimiters_orders_and_columns(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    for number, text in enumerate((
        "label;x;text\nyes;1;a fine film\nno;2;a dull film\n",
        "sep=|\nlabel|text\nyes|a fine film\nno|a dull film\n",
        ",label,text\n0,yes,a fine film\n1,no,a dull film\n",
    )):  # fmt: skip
        path = tmp_path / f"{number}.csv"
        path.write_text(text)
        result = unroll("evaluate", run, path, "--json")
        assert result.code == 0, result.err
        assert json.loads(result.out)["outputs"]["label"]["accuracy"] == 1.0


def test_evaluation_needs_no_column_of_groups(tmp_path: Path, unroll: Unroll) -> None:
    rows = [f"{text},{('no', 'yes')[n % 2]},{n % 12}\n" for n, text in enumerate(TEXTS)]
    (tmp_path / "grouped.csv").write_text("text,label,who\n" + "".join(rows))
    out = tmp_path / "run"
    trained = unroll("train", tmp_path / "grouped.csv", "--group", "who", "--model", "linear", "--out", out)
    assert trained.code == 0, trained.err
    (tmp_path / "new.csv").write_text("label,text\nyes,a fine film\nno,a dull film\n")
    result = unroll("evaluate", out, tmp_path / "new.csv")
    assert result.code == 0, result.err
    assert unroll("evaluate", out).code == 0  # its own split is cut by groups as before


def test_a_file_of_another_kind_is_not_predicted_line_by_line(run: Path, tmp_path: Path, unroll: Unroll) -> None:
    for content, words in ((b"PK\x03\x04" + bytes(99), "it is a zip archive"), (b"caf\xe9 film\n", "cp1252")):
        (tmp_path / "t.txt").write_bytes(content)
        result = unroll("predict", run, tmp_path / "t.txt")
        assert result.code == 2
        assert words in result.err


def test_a_line_without_an_end_is_refused(run: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.tables.base.LONGEST_LINE", 1000)
    result = unroll("predict", run, "/dev/zero")
    assert result.code == 2
    assert "A line has over 1,000 characters" in result.err
