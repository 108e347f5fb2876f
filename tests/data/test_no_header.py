"""A table without a header: the names of its columns; a run reads other tables in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import opened

import unrolled
from unrolled.data import TableOptions
from unrolled.data.tables.open import open_table
from unrolled.data.text.table_column import text_column
from unrolled.errors import OptionError
from unrolled.options import TrainOptions
from unrolled.run import Training, info_data

BARE = TableOptions(header=False)
ROWS = [(f"a {('dull', 'fine')[n % 2]} film number {n}", ("no", "yes")[n % 2]) for n in range(60)]


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


def test_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "t.csv", [("a", "1"), ("b", "2")]), BARE)
    assert table.columns == ("1", "2")
    assert [(row.number, row.cells) for row in table.rows(["2", "1"])] == [(1, ("1", "a")), (2, ("2", "b"))]


def test_a_run_reads_other_tables_as_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ROWS)
    training = Training(path, out=str(tmp_path / "run"), no_header=True, model="linear")
    for _ in training:
        pass
    run = unrolled.load(tmp_path / "run")
    more = write(tmp_path / "more.csv", ROWS[:20])
    rows = run.read_input(str(more))
    assert rows is not None
    assert [answer.best("2") for answer in run.predict(rows)] == [label for _, label in ROWS[:20]]
    score = run.evaluate(more).to_dict()["outputs"]["2"]
    assert (score["accuracy"], sum(map(sum, score["confusion_matrix"]))) == (1.0, 20)  # the first row among them


def test_one_column_without_a_header_is_a_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [(f"A message of number {n} and no more.",) for n in range(60)])
    assert text_column(open_table(path, BARE)) == "1"
    assert info_data(path, TrainOptions(no_header=True))["documents"] == 60
    training = Training(
        path, out=str(tmp_path / "run"), no_header=True, steps=1, hidden_size=8, batch_size=2, threads=1
    )
    for _ in training:
        pass
    whole = 59 + sum(
        len(f"A message of number {n} and no more.") for n in range(60)
    )  # with the BOS/EOS tokens between
    assert opened(tmp_path / "run").evaluate(path).score.characters == whole


@pytest.mark.parametrize("name", ["t.txt", "t.jsonl"])
def test_formats_without_headers_refuse_the_option(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"text": "a"}\n' * 300)
    with pytest.raises(OptionError, match=r"--no-header applies to csv and tsv files; by its name .* is neither"):
        info_data(tmp_path / name, TrainOptions(no_header=True))


def test_a_table_read_as_plain_text_refuses_the_option(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="which has no use for --no-header"):
        info_data(write(tmp_path / "t.csv", ROWS), TrainOptions(no_header=True, task="language-modeling"))
