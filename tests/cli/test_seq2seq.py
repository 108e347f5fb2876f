"""`unroll train`, `predict`, `evaluate`, `info` and `sample` for sequence to sequence, as a user types them."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from commands import Unroll


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of letters and the same letters reversed, and a run that was trained on it for a few epochs."""
    from unrolled.run import Training

    folder, generator = tmp_path_factory.mktemp("writing"), random.Random(0)
    texts = ["".join(generator.choices("abc", k=generator.randint(1, 4))) for _ in range(300)]
    with (folder / "turned.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "output"), *((text, text[::-1]) for text in texts)])
    settings: dict[str, Any] = {
        "steps": 20,
        "hidden_size": 16,
        "batch_size": 16,
        "threads": 1,
        "out": str(folder / "run"),
    }
    for _ in Training(folder / "turned.csv", task="seq2seq", input_type="text", **settings):
        pass
    return folder


def test_generated_texts_have_the_order_of_the_lines(unroll: Unroll, folder: Path) -> None:
    (folder / "lines.txt").write_text("abc\nb\n\ncab\n")
    result = unroll("predict", folder / "run", folder / "lines.txt")
    assert result.code == 0
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert [row[3] for row in rows] == ["abc", "b", "", "cab"]
    assert [row[:3] == ["", "", ""] for row in rows] == [False, False, True, False]
    assert all(float(row[1]) < 0 and 0 < float(row[2]) < 1 for row in rows if row[1])
    assert result.err.startswith("output\tscore\tprobability per word\ttext")
    skipped = unroll("predict", folder / "run", folder / "lines.txt", "--skip-empty", "--quiet")
    assert [line.split("\t")[3] for line in skipped.out.splitlines()] == ["abc", "b", "cab"]
    table = unroll("predict", folder / "run", folder / "turned.csv", "--quiet")
    assert len(table.out.splitlines()) == 300
    assert table.err == ""


def test_json_has_the_score_and_the_attention_weights(unroll: Unroll, folder: Path) -> None:
    result = unroll("predict", folder / "run", "--text", "abca", "--json", "--show-attention", "--beam", "3")
    facts = json.loads(result.out)
    output = facts["outputs"]["output"]
    assert facts["text"] == "abca"
    assert output["score"] < 0
    assert output["attention"]["source_tokens"] == ["", "a", "b", "c", "a"]
    assert len(output["attention"]["weights"]) == len(output["attention"]["target_tokens"])
    for weights in output["attention"]["weights"]:
        assert sum(weights) == pytest.approx(1.0, abs=1e-5)
    plain = json.loads(unroll("predict", folder / "run", "--text", "abca", "--json").out)
    assert "attention" not in plain["outputs"]["output"]


def test_the_best_texts_are_printed_each_in_a_line(unroll: Unroll, folder: Path) -> None:
    (folder / "some.txt").write_text("abc\n\nb\n")
    plain = [line.split("\t") for line in unroll("predict", folder / "run", folder / "some.txt").out.splitlines()]
    top = unroll("predict", folder / "run", folder / "some.txt", "--top", "3", "--quiet")
    rows = [line.split("\t") for line in top.out.splitlines()]
    assert [row[3] for row in rows] == ["abc"] * 3 + [""] + ["b"] * 3
    assert [rows[0], rows[3], rows[4]] == plain
    lines = unroll("predict", folder / "run", folder / "some.txt", "--top", "3", "--json").out.splitlines()
    first, empty, _ = (json.loads(line)["outputs"]["output"] for line in lines)
    assert empty == {"prediction": None}
    assert [f"{one['text']} {one['score']:.3f} {one['word_probability']:.3f}" for one in first["alternatives"]] == [
        " ".join(row[:3]) for row in rows[:3]
    ]
    best = first["alternatives"][0]
    assert (best["text"], best["score"]) == (first["prediction"], first["score"])
    for one in first["alternatives"]:
        words = len(one["text"].split()) + 1  # all of them end
        assert one["word_probability"] == pytest.approx(math.exp(one["score"] / words), rel=1e-12)
    assert "alternatives" not in json.loads(unroll("predict", folder / "run", "--text", "abca", "--json").out)


def test_sampled_texts_depend_on_the_seed(unroll: Unroll, folder: Path) -> None:
    (folder / "twenty.txt").write_text("abc\nbca\n" * 10)

    def drawn(seed: int) -> str:
        result = unroll("predict", folder / "run", folder / "twenty.txt", "--temperature", 2, "--seed", seed)
        return str(result.out)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


REFUSED = [
    (["--top", "3", "--temperature", "1"], r"--top lists the likeliest texts, and --temperature samples one"),
    (["--top", "3", "--beam", "2"], r"--beam 2 finds 2 texts at most. For --top 3: --beam 3"),
    (["--top", "0"], r"--top is a whole number of at least 1; got 0"),
    (["--every"], r"--every applies to labels and tags, but this run generates texts"),
    (["--show-attention"], r"--show-attention prints a table of weights for each text. Add --json"),
    (["--beam", "2", "--temperature", "1"], r"--beam searches for the likeliest text, --temperature samples one"),
    (["--beam", "0"], r"--beam is a whole number of at least 1; got 0"),
    (["--temperature", "0"], r"--temperature is a number above 0; got 0"),
    (["--temperature", "nan"], r"--temperature is a number above 0; got nan"),
    (["--seed", "1"], r"--seed is the seed of sampling and needs --temperature"),
]


@pytest.mark.parametrize(
    ("options", "words"), REFUSED, ids=lambda one: " ".join(one) if isinstance(one, list) else ""
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str], words: str, unroll: Unroll, folder: Path
) -> None:
    result = unroll("predict", folder / "run", "--text", "abc", *options)
    assert result.code == 2
    assert result.out == ""
    assert words in result.err


@pytest.mark.parametrize("options", [["--beam", "2"], ["--temperature", "1"], ["--seed", "0"], ["--show-attention"]])
def test_a_classification_run_refuses_options_of_generation(
    options: list[str], unroll: Unroll, tmp_path: Path
) -> None:
    rows = "".join(f"a {('dull', 'fine')[n % 2]} film {n},{('no', 'yes')[n % 2]}\n" for n in range(60))
    (tmp_path / "r.csv").write_text("text,label\n" + rows)
    assert unroll("train", tmp_path / "r.csv", "--model", "linear", "--out", tmp_path / "run").code == 0
    result = unroll("predict", tmp_path / "run", "--text", "fine", "--json", *options)
    assert result.code == 2
    assert f"{options[0]} applies to runs that generate texts" in result.err


def test_it_is_evaluated_with_the_nearest_neighbour_baseline(unroll: Unroll, folder: Path, tmp_path: Path) -> None:
    result = unroll("evaluate", folder / "run", "--errors", tmp_path / "wrong.csv")
    assert result.code == 0
    assert "output, test, " in result.out
    assert "word error rate" in result.out
    assert "Baseline: nearest neighbour by n-grams of characters chrF" in result.out
    wrong = list(csv.DictReader(io.StringIO((tmp_path / "wrong.csv").read_text())))
    figures = [float(row["chrf"]) for row in wrong]
    assert figures == sorted(figures)
    assert all(row["target"] == row["text"][::-1] != row["prediction"] for row in wrong)
    facts = json.loads(unroll("evaluate", folder / "run", folder / "turned.csv", "--json").out)
    assert facts["outputs"]["output"]["rows"] == 84, "of the 300 inputs many are the same"
    assert facts["outputs"]["output"]["references"] == 300
    assert set(facts["outputs"]["output"]) >= {
        "bleu",
        "chrf",
        "wer",
        "exact_match",
        "nats",
        "perplexity",
        "bleu_interval",
    }
    refused = unroll("evaluate", folder / "run", "--adapt")
    assert refused.code == 2
    assert "--adapt applies to language models" in refused.err


def test_info_runs_and_sample_of_a_seq2seq_run(unroll: Unroll, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = unroll("info", folder / "turned.csv", "--task", "seq2seq", "--input-type", "text", "--steps", 5)
    assert result.code == 0
    assert "text (characters) -> output, texts of up to 5 characters" in result.out
    assert "smoothing" in result.out
    assert "seq2seq" in unroll("info", folder / "run").out
    monkeypatch.chdir(folder)
    runs = unroll("runs", "--under", ".")
    assert "chrF" in runs.out
    sampled = unroll("sample", folder / "run")
    assert sampled.code == 2
    assert "unroll predict" in sampled.err


def test_training_ends_with_a_summary(unroll: Unroll, folder: Path, tmp_path: Path) -> None:
    requested = ["--task", "seq2seq", "--input-type", "text", "--steps", "3", "--hidden-size", "16", "--threads", "1"]
    result = unroll("train", folder / "turned.csv", *requested, "--out", tmp_path / "run")
    assert result.code == 0
    assert "Selected: " in result.out
    assert f"Saved to {tmp_path / 'run'}. Next: unroll predict {tmp_path / 'run'}" in result.err
    folds = unroll("train", folder / "turned.csv", *requested, "--folds", "2", "--out", tmp_path / "folds")
    assert folds.code == 0
    assert "output, 2 folds: chrF " in folds.out
