"""A table's column of text as documents: how it is read, when a file is a table, and what a run does with it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import opened
from data_files import write_csv, write_jsonl

from unrolled.data import read_corpus
from unrolled.data.tables.open import open_table
from unrolled.data.text import table_column
from unrolled.data.text.table_column import TextColumn, read_texts, text_column
from unrolled.errors import DataError, OptionError
from unrolled.options import TrainOptions
from unrolled.run import Training, info_data
from unrolled.tasks.resolve import DataSource, inspect_path

TEXTS = [f"Line {number}, it says:\n{number * number}." for number in range(120)]


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "messages.csv", [[text] for text in TEXTS], ["body"])


def documents(path: Path, column: str) -> list[str]:
    found: list[str] = []
    for chunk in read_texts(path, "row", False, TextColumn(column)).chunks():
        found += [chunk.text[start:stop] for start, stop in pairwise([*chunk.starts.tolist(), len(chunk.text)])]
    return found


@pytest.mark.parametrize("chunk", [1, 50, 1 << 22])
def test_cells_are_documents_and_empty_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(table_column, "BYTES_AT_ONCE", chunk)
    rows = [[str(number), text] for number, text in enumerate(TEXTS)]
    path = write_csv(
        tmp_path / "t.csv", [*rows[:50], ["x", ""], *rows[50:], ["y", "one\r\ntwo\rthree"]], ["id", "text"]
    )
    assert documents(path, "text") == [*TEXTS, "one\ntwo\nthree"]


def test_a_table_gives_the_corpus_of_a_file_with_one_text_per_line(tmp_path: Path) -> None:
    lines = [text.replace("\n", " ") for text in TEXTS]
    (tmp_path / "t.txt").write_text("\n".join(lines))
    table = write_jsonl(tmp_path / "t.jsonl", [{"text": line} for line in lines])
    one = read_corpus(tmp_path / "t.txt", "line", seed=3)
    other = read_corpus(table, "row", seed=3, column=TextColumn("text"))
    np.testing.assert_array_equal(one.tokens, other.tokens)
    for part, segments in one.splits.items():
        np.testing.assert_array_equal(segments, other.splits[part])
    assert "120 rows, each a document" in other.description
    of_lines = read_corpus(
        tmp_path / "t.txt", "row", valid=0.0, test=0.0, vocabulary=other.vocabulary, column=TextColumn("text")
    )
    assert of_lines.document_count == len(TEXTS)  # if a file is not a table, a line is a document


@pytest.mark.parametrize(
    ("columns", "rows", "found"),
    [
        (["body"], [["a text"], ["another"]], "body"),
        (["body"], [["1"], ["2.5"]], None),  # numbers
        (["body"], [["a.wav"], ["b.wav"]], None),  # sounds
        (["body", "id"], [["a text", "1"]], None),
    ],
)
def test_a_table_of_one_column_of_text_is_known(
    tmp_path: Path, columns: list[str], rows: list[list[str]], found: str | None
) -> None:
    assert text_column(open_table(write_csv(tmp_path / "t.csv", rows, columns))) == found


@pytest.mark.parametrize("cells", [["a.ply", "b.ply"], ["one.txt", "two.txt"]])
def test_one_column_of_file_names_is_text_only_on_request(tmp_path: Path, cells: list[str]) -> None:
    path = write_csv(tmp_path / "t.csv", [[cell] for cell in cells], ["body"])
    with pytest.raises(DataError, match=r"(?s)'body' holds names of files.*--task language-modeling\."):
        inspect_path(path, TrainOptions())
    assert inspect_path(path, TrainOptions(task="language-modeling")) == DataSource(text=True, column="body")


def test_one_column_without_a_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text\n")
    with pytest.raises(DataError, match=r"t\.csv holds a header and no rows\. Give it some rows\."):
        text_column(open_table(path))


def test_a_cell_that_is_no_text_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [{"text": "a"}] * 99 + [{"text": None}, {"text": 7}])
    with pytest.raises(DataError, match=r"t\.jsonl, row 101: 'text' is 7, not text"):
        documents(path, "text")
    path.write_text('{"text": "a"}\n{"text": "b \\ud800 c"}\n')
    with pytest.raises(DataError, match=r"t\.jsonl, row 2: 'text' holds half a character"):
        documents(path, "text")


def test_one_column_of_text_trains_a_language_model_that_reads_tables(messages: Path, tmp_path: Path) -> None:
    training = Training(messages, out=str(tmp_path / "run"), steps=2, hidden_size=8, batch_size=4, threads=1)
    for _ in training:
        pass
    run = opened(tmp_path / "run")
    assert (run.settings.task, run.settings.documents, run.settings.input) == ("language-modeling", "row", "body")
    assert training.task.facts()["documents"] == len(TEXTS)
    again = [{"body": text, "more": "x"} for text in TEXTS]
    whole = run.evaluate(write_jsonl(tmp_path / "again.jsonl", again)).score
    here = run.evaluate(messages).score
    assert (whole.nats, whole.accuracy) == (here.nats, here.accuracy)
    one, two = run.score(["a line", "a line"])
    assert one.nats == two.nats  # each cell is a document
    more = Training.resume(tmp_path / "run", steps=1)
    for _ in more:
        pass
    assert more.task.fingerprints == training.task.fingerprints


def test_one_of_several_columns_is_selected_by_its_name(tmp_path: Path) -> None:
    rows = [[text, "yes" if number % 2 else "no"] for number, text in enumerate(TEXTS)]
    path = write_csv(tmp_path / "t.csv", rows, ["text", "label"])
    assert info_data(path, TrainOptions(task="language-modeling", input="text"))["documents"] == len(TEXTS)
    assert info_data(path, TrainOptions(documents="row", input="text"))["documents"] == len(TEXTS)
    assert info_data(path, TrainOptions(task="language-modeling"))["documents"] == 1  # the file as plain text
    assert "label" in info_data(path)["description"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"documents": "line"}, "--documents line: .* each row is a document"),
        ({"task": "language-modeling", "input": "boby"}, "no column 'boby'. Did you mean 'body'"),
        ({"group": "body"}, "no use for --group"),
    ],
)
def test_options_that_do_not_fit_are_refused(messages: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        info_data(messages, TrainOptions(**options))


def test_rows_applies_to_tables_and_one_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a text\n" * 99)
    with pytest.raises(OptionError, match=r"--documents row applies to tables; by its name .*t\.txt is not one"):
        info_data(tmp_path / "t.txt", TrainOptions(documents="row"))
    path = write_csv(tmp_path / "two.csv", [["x", "y"]], ["a", "b"])
    with pytest.raises(OptionError, match="several columns; name the one"):
        info_data(path, TrainOptions(documents="row"))
