"""Rows of one input with several texts are scored as one text with several references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Unroll
from data_files import write_csv
from PIL import Image
from sacrebleu import corpus_bleu

import unrolled
from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.run import Training
from unrolled.tasks.seq2seq.references import distinct_rows, reference_texts, rows_with_inputs

SETTINGS: dict[str, Any] = {"steps": 3, "hidden_size": 16, "batch_size": 16, "threads": 1, "tokenizer": "char"}


def captions(path: Path, images: int = 20) -> Path:
    """A table with three captions of each image, in turn, so that those of one image are far apart."""
    for number in range(images):
        Image.new("RGB", (8, 8), (9 * number, 99, 7)).save(path.parent / f"{number}.png")
    rows = [(f"{number}.png", f"caption {turn} of image {number}") for turn in range(3) for number in range(images)]
    return write_csv(path, rows, ("image", "caption"))


def text_of(examples: Examples, row: int) -> str:
    assert examples.text_targets is not None
    return examples.text_targets.texts[row]


def test_an_image_is_one_row_with_all_its_captions(tmp_path: Path) -> None:
    examples = read_examples(captions(tmp_path / "t.csv"), DatasetOptions(valid=0.2, test=0.2))
    rows = distinct_rows(examples, "test")
    assert len(rows) == 4
    assert rows.tolist() == [row for row in examples.splits["test"].tolist() if row < 20]
    some = rows[1:3]
    assert reference_texts(examples, "test", some) == [
        [f"caption {turn} of image {number}" for turn in range(3)] for number in some.tolist()
    ]
    assert rows_with_inputs(examples, "test", some).tolist() == sorted([*some, *(some + 20), *(some + 40)])


def test_a_text_with_several_answers_is_one_row_but_only_within_a_split(tmp_path: Path) -> None:
    words = [f"a dog number {number}" for number in range(40)]
    rows = [(word, f"{start} {word}") for word in words for start in ("yes, it is", "no, it is not")]
    examples = read_examples(write_csv(tmp_path / "t.csv", rows, ("text", "answer")), DatasetOptions())
    rows_of_test = distinct_rows(examples, "test")
    found = reference_texts(examples, "test", rows_of_test)
    assert sorted(text for texts in found for text in texts) == sorted(
        text_of(examples, row) for row in examples.splits["test"].tolist()
    )
    for row, texts in zip(rows_of_test.tolist(), found, strict=True):
        assert texts[0] == text_of(examples, row)
        assert all(text.endswith(str(examples.items[row])) for text in texts)


@pytest.mark.parametrize("kind", ["category", "vectors", "text"])
def test_texts_of_categories_and_numbers_and_very_many_texts_of_an_input_are_rows(tmp_path: Path, kind: str) -> None:
    inputs = {"category": "red,blue,green", "vectors": "1,2,3", "text": "a dog runs,a cat sits,a man waits"}[kind]
    names = inputs.split(",")
    rows = [(names[n % 3], f"name {n} of {n * n} words") for n in range(700)]
    path = write_csv(tmp_path / "t.csv", rows, ("x", "output"))
    examples = read_examples(path, DatasetOptions(input_type=kind, task="seq2seq"))
    rows_of_test = distinct_rows(examples, "test")
    assert np.array_equal(rows_of_test, examples.splits["test"])
    found = reference_texts(examples, "test", rows_of_test)
    assert found == [[text_of(examples, row)] for row in rows_of_test.tolist()]


@pytest.mark.slow
def test_summary_and_evaluation_score_an_image_once(tmp_path: Path, unroll: Unroll) -> None:
    path = captions(tmp_path / "t.csv")
    training = Training(path, out=str(tmp_path / "run"), test="0.2", **SETTINGS)
    for _ in training:
        pass
    score = training.summary.score  # type: ignore[union-attr]
    assert (score.rows, score.references) == (4, 12)
    result = unroll("evaluate", tmp_path / "run", "--json", "--errors", tmp_path / "wrong.csv")
    facts = json.loads(result.out)
    assert facts["outputs"]["caption"]["rows"] == 4
    assert facts["outputs"]["caption"]["references"] == 12
    assert next(iter(facts["baselines"].values()))["rows"] == 4
    assert len((tmp_path / "wrong.csv").read_text().splitlines()) == 5
    examples = read_examples(path, DatasetOptions(test=0.2))
    rows = distinct_rows(examples, "test")
    written = [one.texts["caption"].text for one in unrolled.load(tmp_path / "run").predict(
        [str(tmp_path / f"{row}.png") for row in rows.tolist()]
    )]  # fmt: skip
    streams = list(zip(*reference_texts(examples, "test", rows), strict=True))
    assert facts["outputs"]["caption"]["bleu"] == pytest.approx(corpus_bleu(written, streams).score)
    printed = unroll("evaluate", tmp_path / "run").out
    assert "4 texts with 12 references" in printed
    assert f"CIDEr-D {facts['outputs']['caption']['cider_d']:.3f} (" in printed
    assert f"Different captions: {len(set(written))} of 4." in printed
    assert "Baseline: captions of the most similar images BLEU-1 " in printed
    assert training.summary.lines[1:3] == printed.splitlines()[1:3]  # type: ignore[union-attr]
    assert training.folder  # the scores of the run are those of the evaluation
    (selected,) = (line for line in training.summary.lines if line.startswith("Selected: "))  # type: ignore[union-attr]
    assert "by CIDEr-D on validation (greedy " in selected
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["scores"]["outputs"]["caption"]
    assert kept["metric"] == "cider_d"
    assert kept["cider_d"] == facts["outputs"]["caption"]["cider_d"]
