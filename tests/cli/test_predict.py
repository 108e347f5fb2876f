"""`unroll predict`, and the other commands on a table, as a user runs them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import CommandResult, Unroll, check_refused, leaving_no_files, run_command
from data_files import write_csv

SMALL = ("--steps", "4", "--hidden-size", "16", "--batch-size", "16", "--threads", "1")
ROWS = [
    (f"{'good' if number % 2 else 'bad'} film number {number}", ("no", "yes")[number % 2]) for number in range(200)
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "films.csv", ROWS)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    """A run on the table of films, and what its training printed."""
    folder = tmp_path_factory.mktemp("films")
    write_csv(folder / "films.csv", ROWS)
    with contextlib.chdir(folder):
        result = run_command("train", "films.csv", *SMALL, "--out", "run")
    assert result.code == 0, result.err
    return folder / "run", result


@pytest.fixture
def run(trained: tuple[Path, CommandResult], here: Path) -> CommandResult:
    """A copy of that run in a test's own folder."""
    shutil.copytree(trained[0], here / "run", ignore=shutil.ignore_patterns("checkpoint"))
    return trained[1]


def test_training_prints_its_data_its_baseline_and_its_run(run: CommandResult) -> None:
    assert "200 rows of csv: text (words with character n-grams) -> label, one of 2 labels (no, yes)" in run.err
    assert "Baseline: linear on" in run.err
    assert "nats per prediction" in run.err
    assert "Now it predicts (step 4):" in run.err
    assert "good film" in run.err
    assert "rows/s" in run.err
    assert "Saved to run. Next: unroll predict run" in run.err
    assert run.out.startswith("label, test, by ")
    beside = next(line for line in run.out.splitlines() if line.startswith("Baselines: "))
    assert "accuracy " in beside and "%. The " in beside
    assert "always 'yes' " in beside or "always 'no' " in beside


def test_predictions_have_the_order_of_the_lines(run: CommandResult, unroll: Unroll, here: Path) -> None:
    (here / "new.txt").write_text("a good film\na bad film\n\na good\tfilm\n")
    result = unroll("predict", "run", "new.txt")
    assert result.code == 0
    assert result.err.startswith("label\tprobability\ttext\n1 input is empty")
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [line[0] for line in lines[:2]] == ["yes", "no"]
    assert [line[2] for line in lines] == ["a good film", "a bad film", "", "a good\\tfilm"]
    assert [line[1] == "" for line in lines] == [False, False, True, False]
    assert all(0.5 <= float(line[1]) <= 1 for line in lines if line[1])


def test_predictions_for_texts_a_column_and_a_pipe(
    run: CommandResult, unroll: Unroll, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = unroll("predict", "run", "--text", "good", "--text", "bad", "--quiet", "--top", "2")
    assert [line.split("\t")[0] for line in typed.out.splitlines()] == ["yes, no", "no, yes"]
    table = unroll("predict", "run", "films.csv", "--json")
    found = [json.loads(line) for line in table.out.splitlines()]
    assert [one["text"] for one in found] == [text for text, _ in ROWS]
    assert found[1]["outputs"]["label"]["prediction"] == "yes"
    assert sum(found[1]["outputs"]["label"]["probabilities"].values()) == pytest.approx(1.0)
    end, start = os.pipe()
    os.write(start, b"a good one\n")
    os.close(start)
    with os.fdopen(end) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert unroll("predict", "run", "-", "--quiet").out.startswith("yes\t")


def test_a_table_without_the_column_is_refused_before_anything_is_printed(
    run: CommandResult, unroll: Unroll, here: Path
) -> None:
    write_csv(here / "other.csv", [("1", "good film")], header=("id", "body"))
    for path, words in (
        ("other.csv", "other.csv has no column 'text'; it has: id, body."),
        ("gone.csv", "no such file"),
    ):
        result = unroll("predict", "run", path)
        assert result.code == 2
        assert result.err.startswith(f"unroll: {path}") and words in result.err
        assert result.out == ""


def test_a_prediction_is_printed_before_the_next_line_is_read(run: CommandResult, here: Path) -> None:
    code = "import sys; from unrolled.cli import main; sys.exit(main(['predict', 'run', '-', '--quiet']))"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    for word, label in (("good", "yes"), ("bad", "no")):
        child.stdin.write(f"a {word} film\n")
        child.stdin.flush()
        assert child.stdout.readline().startswith(label)
    child.stdin.close()
    assert child.wait() == 0
    child.stdout.close()


def test_the_newest_run_is_used_where_none_is_named(here: Path, unroll: Unroll) -> None:
    assert unroll("train", "films.csv", *SMALL).code == 0
    (here / "new.txt").write_text("good\n")
    assert unroll("predict", "new.txt", "--quiet").out.startswith("yes")
    assert unroll("predict", "--text", "bad", "--quiet").out.startswith("no")
    listed = unroll("runs")
    assert "%" in listed.out
    assert "films.csv" in listed.out


@pytest.mark.slow
def test_a_causal_run_predicts_at_every_step(here: Path, unroll: Unroll) -> None:
    requested = ("--model", "gru", "--direction", "causal", "--pool", "last", "--out", "ahead")
    assert unroll("train", "films.csv", "--steps", "20", *SMALL[2:], *requested).code == 0
    result = unroll("predict", "ahead", "--text", "a good film", "--every", "--quiet")
    assert len(result.out.splitlines()) == 4
    assert result.out.splitlines()[-1].startswith("yes")


def test_evaluate_prints_scores_and_writes_errors(run: CommandResult, unroll: Unroll, here: Path) -> None:
    result = unroll("evaluate", "run", "--errors", "wrong.csv")
    assert result.code == 0
    assert result.out.startswith("label, test: ")
    assert "predicted:" in result.out
    facts = json.loads(unroll("evaluate", "run", "--json").out)
    assert facts["outputs"]["label"]["rows"] == 20
    with (here / "wrong.csv").open(newline="") as file:
        wrong = list(csv.DictReader(file))
    assert len(wrong) == round((1 - facts["outputs"]["label"]["accuracy"]) * 20)
    write_csv(here / "other.csv", [("good", "no"), ("good", "yes"), ("bad", "perhaps")])
    other = unroll("evaluate", "run", "other.csv", "--errors", "other-wrong.csv")
    assert "accuracy 33.3%" in other.out
    assert "(unknown)" in other.out
    assert (
        "1 of 3 have a label that the run does not know (perhaps): they count as wrong and are left out of the nats"
    ) in other.out
    assert json.loads(unroll("evaluate", "run", "other.csv", "--json").out)["outputs"]["label"]["unknown"] == {
        "count": 1, "labels": ["perhaps"],
    }  # fmt: skip
    assert "does not know" not in result.out
    with (here / "other-wrong.csv").open(newline="") as file:
        wrong = list(csv.DictReader(file))
    assert {(one["file"], int(one["row"])) for one in wrong} == {("other.csv", 2), ("other.csv", 4)}
    assert float(wrong[0]["confidence"]) >= float(wrong[1]["confidence"])
    known = unroll("evaluate", "run", "films.csv")
    assert "the run was trained on this table" in known.out


def test_info_describes_a_table_and_its_run(run: CommandResult, unroll: Unroll) -> None:
    result = unroll("info", "films.csv", "--steps", "10")
    assert result.code == 0
    assert "200 rows of csv" in result.out
    assert "plan:" in result.out
    assert unroll("info", "run").code == 0
    assert json.loads(unroll("info", "films.csv", "--json").out)["targets"] == {"label": {"no": 100, "yes": 100}}


def test_train_prints_one_json_object_per_line(here: Path, unroll: Unroll) -> None:
    result = unroll("train", "films.csv", *SMALL, "--model", "linear", "--json")
    assert result.code == 2
    result = unroll("train", "films.csv", "--model", "linear", "--json")
    kinds = [json.loads(line)["kind"] for line in result.out.splitlines()]
    assert kinds == ["start", "report", "end"]
    end = json.loads(result.out.splitlines()[-1])
    assert end["summary"]["outputs"]["label"]["accuracy"] == 1.0


BAD: list[tuple[str, tuple[str, ...]]] = [
    ("predict run absent.txt", ("absent.txt", "no such file")),
    ("predict absent new.txt", ("absent", "does not exist")),
    ("predict run new.txt more.txt", ("3 paths came",)),
    ("predict run new.txt --text a", ("2 paths came",)),
    ("predict run new.txt --top 0", ("--top", "at least 1")),
    ("predict run folder", ("folder", "a file of lines")),
    ("predict run columns.csv", ("columns.csv", "no column 'text'", "words")),
    ("evaluate run holes.csv", ("holes.csv, row 3", "'text' is empty", "--skip-empty")),
    ("evaluate run --skip-empty", ("--skip-empty needs the path of a table",)),
    ("evaluate language --skip-empty", ("--skip-empty applies to tables", "predicts the next token of a text")),
    ("predict run new.txt --every", ("only at the end of a row", "--direction causal")),
    (
        "predict language new.txt",
        ("of kind 'language-modeling', which has no predict()", "unroll sample, unroll score"),
    ),
    ("evaluate language --errors w.csv", ("--errors", "predicts the next token of a text")),
    ("evaluate run --adapt", ("--adapt", "predicts labels, tags or numbers")),
    ("evaluate run --errors films.csv", ("films.csv exists",)),
    ("evaluate run --errors absent/w.csv", ("absent/w.csv", "cannot be written")),
    ("evaluate run columns.csv", ("columns.csv", "no column 'text'")),
    ("evaluate run text.txt", ("is a run of kind 'prediction'", "is read as language")),
    ("sample run", ("of kind 'prediction'", "unroll predict")),
    ("score run new.txt", ("of kind 'prediction'", "unroll predict")),
    ("train films.csv --model lstn", ("lstn", "did you mean 'lstm'")),
    ("train films.csv --pool last", ("--pool last", "--direction causal")),
    ("train films.csv --pool max", ("--pool", "last, mean, attention")),
    ("train films.csv --task tag", ("--task", "classification")),
    ("train films.csv --output nothing", ("--output", "no column 'nothing'", "text, label")),
    ("train films.csv --documents line", ("a table", "--documents")),
    ("train films.csv --tokenizer words", ("--tokenizer", "word")),
    ("train films.csv --valid holes.csv", ("holes.csv, row 3", "'text' is empty")),
    ("train films.csv --valid columns.csv", ("columns.csv has no column 'text'",)),
    ("train films.csv --test absent.csv", ("absent.csv", "no such file")),
    ("train columns.csv --group words", ("input is not clear",)),
    ("train header.csv", ("header.csv holds a header, but no rows",)),
    ("train text.txt --output label", ("read as a text", "--output")),
    ("train text.txt --class-weights balanced", ("read as a text", "--class-weights")),
    ("info films.csv --model linear --minutes 1", ("linear model has no plan",)),
    ("compare films.csv --steps 1", ("films.csv", "table")),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind, and invalid files."""
    from unrolled.run import Training

    folder = tmp_path_factory.mktemp("bad")
    write_csv(folder / "films.csv", ROWS)
    write_csv(folder / "columns.csv", ROWS, ("words", "label"))
    write_csv(folder / "holes.csv", [("a", "yes"), ("", "no")])
    write_csv(folder / "header.csv", [])
    (folder / "text.txt").write_text("line after line of text\n" * 50)
    (folder / "new.txt").write_text("good\n")
    (folder / "folder").mkdir()
    for data, out in (("films.csv", "run"), ("text.txt", "language")):
        for _ in Training(folder / data, steps=2, hidden_size=8, batch_size=4, threads=1, out=str(folder / out)):
            pass
    return folder


@pytest.mark.parametrize(("command", "words"), BAD, ids=[command for command, _ in BAD])
def test_a_wrong_command_is_refused(
    command: str, words: tuple[str, ...], bad: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad)
    with leaving_no_files(bad):
        check_refused(unroll(*command.split()), *words, notes=("…", "\ttext"))


def test_standard_input_is_a_text(here: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text,label\nthis is one text\n" * 30)))
    assert unroll("train", "-", "--steps", "1", "--hidden-size", "8", "--threads", "1", "--out", "piped").code == 0
    assert json.loads((here / "piped" / "run.json").read_text())["kind"] == "language-modeling"


@pytest.mark.slow
def test_folds_are_printed_as_one_table(here: Path, unroll: Unroll) -> None:
    result = unroll("train", "films.csv", *SMALL, "--folds", "2", "--out", "folds")
    assert result.code == 0, result.err
    assert "Fold 2 of 2" in result.err
    assert result.out.splitlines()[-1].startswith("label, 2 folds: ")
    again = unroll("train", "films.csv", *SMALL, "--folds", "2", "--out", "folds", "--json")
    assert json.loads(again.out)["kind"] == "folds"
    assert json.loads(again.out)["table"]["label"]["accuracy"]["mean"] > 0.9


def test_tags_are_written_into_their_column(here: Path, unroll: Unroll) -> None:
    row = "{}\t{}\t_\t{}\t_\t_\t_\t_\t_\tkept"
    sentence = "\n".join([row.format(1, "the", "DET"), row.format(2, "cat", "NOUN"), "", ""])
    (here / "t.conllu").write_text((sentence + sentence.replace("cat", "dog")) * 30)
    assert unroll("train", "t.conllu", *SMALL, "--out", "tags").code == 0
    (here / "new.conllu").write_text("# a comment\n" + sentence.replace("NOUN", "_"))
    result = unroll("predict", "tags", "new.conllu")
    assert result.out == "# a comment\n" + sentence
    assert result.err == ""
    typed = unroll("predict", "tags", "--text", "the cat", "--quiet")
    assert typed.out.startswith("DET NOUN\t")
    found = json.loads(unroll("predict", "tags", "new.conllu", "--json").out)
    assert found["outputs"]["upos"]["prediction"] == ["DET", "NOUN"]
    assert "2 tags, one per step" in unroll("info", "t.conllu").out
    top = unroll("predict", "tags", "new.conllu", "--top", "2", "--quiet")
    assert top.out.startswith("DET|NOUN NOUN|DET\t")
    rows = [(" ".join(["the", "cat"]), "D N")] * 60
    write_csv(here / "own.csv", [*rows, ("a dog runs", "D N V")] * 3, ("text", "tags"))
    assert unroll("train", "own.csv", *SMALL, "--out", "own").code == 0
    nowhere = unroll("predict", "own", "new.conllu")
    assert nowhere.code == 2
    assert "new.conllu has no column for tags" in nowhere.err
    (here / "bad.conllu").write_text("the cat\n")
    refused = unroll("predict", "tags", "bad.conllu")
    assert refused.code == 2
    assert "bad.conllu, line 1" in refused.err


def test_folders_of_texts_are_labels_unless_a_text_is_requested(here: Path, unroll: Unroll) -> None:
    for number, (text, label) in enumerate(ROWS[:60]):
        path = here / "mail" / label / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text * 3)
    (here / "mail/yes/picture").write_bytes(bytes(range(256)))
    result = unroll("train", "mail", "--task", "classification", *SMALL, "--out", "run")
    assert result.code == 0, result.err
    assert "60 rows of folders: text (words with character n-grams) -> label, one of 2 labels (no, yes)" in result.err
    assert "1 files of another kind left out" in result.err
    assert unroll("evaluate", "run", "mail").code == 0
    assert unroll("evaluate", "run", "--errors", "w.csv").code == 0
    said = unroll("info", "mail").out
    assert "one of 2 labels (no, yes)" in said
    assert "its folders are labels; for all of it as one text: --task language-modeling" in said
    assert (
        unroll(
            "train", "mail", "--task", "language-modeling", "--steps", "1", "--hidden-size", "8", "--out", "text"
        ).code
        == 0
    )
    assert json.loads((here / "text" / "run.json").read_text())["kind"] == "language-modeling"
    (here / "mail/no/empty.txt").touch()
    refused = unroll("train", "mail", "--task", "classification", *SMALL)
    assert refused.code == 2
    assert "mail/no/empty.txt: 'text' is empty" in refused.err
