"""Runs on vectors, audio and images, and runs that predict values, sets and tags: from file to prediction."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import opened
from data_files import write_wav
from training_runs import check_same_bytes, finish

import unrolled
from unrolled.errors import DataError, OptionError
from unrolled.metrics.classification import LabelScore
from unrolled.metrics.regression import LabelSetScore, ValueScore
from unrolled.options import TrainOptions
from unrolled.run import Training
from unrolled.run.cross_validation import Folds
from unrolled.tasks.prediction.summary import PredictionSummary
from unrolled.tasks.results import RowPrediction

SMALL: dict[str, Any] = {"steps": 12, "hidden_size": 8, "batch_size": 16, "threads": 1}
RATE = 8_000


def summary_of(training: Training) -> PredictionSummary:
    assert isinstance(training.summary, PredictionSummary)
    json.dumps(training.run.facts["scores"])
    return training.summary


def best(training: Training, output: str) -> Any:
    summary = summary_of(training)
    return summary.scores[output][summary.model]


def ask(run: Path, source: Path) -> list[RowPrediction]:
    """A run's predictions for the rows in a path."""
    loaded = unrolled.load(run)
    given = loaded.read_input(str(source))
    assert given is not None
    return list(loaded.predict(given))


# values of vectors


def write_vectors(path: Path, rows: int = 150, seed: int = 0) -> Path:
    """One to six steps of two numbers; the value depends on their number and on the last step's first number."""
    generator = np.random.default_rng(seed)
    with path.open("w") as file:
        for _ in range(rows):
            steps = generator.normal(size=(int(generator.integers(1, 7)), 2)).round(3)
            value = 100 + 10 * steps[-1, 0] + len(steps) + 0.1 * generator.normal()
            facts = {"x": steps.tolist(), "y": float(value), "big": "yes" if value > 103 else "no"}
            file.write(json.dumps(facts) + "\n")
    return path


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vectors(tmp_path_factory.mktemp("vectors") / "t.jsonl")


@pytest.fixture(scope="module")
def valued(vectors: Path) -> Training:
    return finish(Training(vectors, out=str(vectors.parent / "run"), output="y", **SMALL))


def test_a_number_is_predicted_from_vectors(valued: Training) -> None:
    assert "150 rows of jsonl: x (2 numbers per step) -> y, a number (" in valued.description
    score = best(valued, "y")
    assert isinstance(score, ValueScore)
    assert score.r2 > 0.95
    assert score.rows == 15
    summary = summary_of(valued)
    assert set(summary.scores["y"]) == {"lstm", "linear", "lstm+linear"}
    words = "\n".join(summary.lines)
    assert "MAE " in words
    assert "RMSE " in words
    median = np.median([json.loads(line)["y"] for line in (valued.folder.parent / "t.jsonl").open()])
    constant, figure = summary.constants["y"]
    assert float(constant.removeprefix("always ")) == pytest.approx(median, abs=3)
    assert figure > 3 * score.mae
    assert valued.run.facts["interval_half_widths"]["y"][0] > 0
    assert "(correct" in (valued.first_sample or (0, ""))[1]


def test_a_loaded_run_has_the_same_scores_for_numbers(valued: Training) -> None:
    evaluation, score = opened(valued.folder).evaluate(errors=True), best(valued, "y")
    found = evaluation.scores["y"]
    assert isinstance(found, ValueScore)
    assert found.mae == pytest.approx(score.mae, rel=1e-4)
    assert found.coverage == score.coverage
    assert found.width == pytest.approx(score.width, rel=1e-4)
    assert evaluation.lines[0].startswith("y, test: MAE ")
    assert any(line.startswith("Others: ") and "MAE" in line for line in evaluation.lines)


def test_errors_of_numbers_are_all_rows_the_largest_first(valued: Training) -> None:
    wrong = unrolled.load(valued.folder).evaluate(errors=True).errors
    assert len(wrong) == 15
    off = [abs(float(one["target"]) - float(one["prediction"])) for one in wrong]
    assert off == pytest.approx(sorted(off, reverse=True), abs=0.002), "but for the digits that are written"
    assert off[0] > 2 * off[-1]
    rows = (valued.folder.parent / "t.jsonl").read_text().splitlines()
    for one in wrong:
        right = json.loads(rows[one["row"] - 1])["y"]
        assert float(one["target"]) == pytest.approx(right, rel=1e-4)


def test_predictions_for_a_table_and_lines_of_numbers_have_intervals(valued: Training, tmp_path: Path) -> None:
    steps = [[[1.0, 0.0]], [[0, 0], [-1, 0.5]], [[2.0, 2.0]] * 3]
    table = tmp_path / "new.jsonl"
    table.write_text("".join(json.dumps({"x": one}) + "\n" for one in steps))
    predictions = ask(valued.folder, table)
    assert [prediction.text for prediction in predictions] == [f"{table}, row {row}" for row in (1, 2, 3)]
    run = unrolled.load(valued.folder)
    lines = list(run.predict([json.dumps(one) for one in steps]))
    for prediction, typed, right in zip(predictions, lines, (111, 92, 123), strict=True):
        (found,) = prediction.values["y"]
        assert found.value == pytest.approx(right, abs=4)
        assert found.low < found.value < found.high
        assert found.value - found.low == pytest.approx(found.high - found.value)
        assert typed.values["y"][0] == pytest.approx(found, rel=1e-5)
        facts = prediction.to_dict()["outputs"]["y"]
        assert facts == {"prediction": found.value, "interval": [found.low, found.high]}
    for nothing in run.predict(["", "nan 1"]):
        assert nothing.values == {"y": []}, "what is missing has an empty answer in its place"
    (flat,) = run.predict(["1, 0"])
    assert flat.values["y"][0].value == pytest.approx(predictions[0].values["y"][0].value, rel=1e-5)
    for line, words in (
        ("one two", r"'one two' is not a list of numbers\. Expected: 0\.5"),
        ("1 2 3", r"1 2 3: 3 numbers per step; 2 were expected"),
        ("[[1, 2], [3]]", r"where numbers were expected"),
        ("inf 1", r"inf 1: a number that is not finite"),
    ):
        with pytest.raises(DataError, match=words):
            list(run.predict([line]))
    assert [one.empty for one in run.predict(["", "1, 0", "nan 1"])] == [True, False, True]


def test_labels_and_numbers_are_heads_of_one_model(vectors: Path, tmp_path: Path) -> None:
    training = finish(Training(vectors, out=str(tmp_path / "run"), input="x", output="big,y", **SMALL))
    assert isinstance(best(training, "big"), LabelScore)
    assert isinstance(best(training, "y"), ValueScore)
    assert best(training, "big").accuracy > 0.7
    (prediction,) = unrolled.load(tmp_path / "run").predict(["[[2, 0], [1, 0]]"])
    assert set(prediction.labels) == {"big"}
    assert set(prediction.values) == {"y"}
    assert prediction.best("big") == "yes"
    assert set(training.run.facts["interval_half_widths"]) == {"y"}, "only values have intervals"
    wrong = unrolled.load(tmp_path / "run").evaluate(errors=True).errors
    assert {one["output"] for one in wrong} >= {"y"}
    with pytest.raises(
        OptionError, match=r"--class-weights balanced gives each label the same weight.*are not single labels"
    ):
        Training(vectors, input="x", output="big,y", class_weights="balanced", steps=1)


def test_the_plan_reports_padding(vectors: Path, tmp_path: Path) -> None:
    """One batch holds all rows, so it is as long as the longest of them."""
    training = Training(vectors, out=str(tmp_path / "run"), output="y", **SMALL | {"batch_size": 200, "steps": 1})
    examples = training.task.examples  # type: ignore[attr-defined]
    lengths = examples.lengths[examples.splits["training"]]
    padding = 1 - lengths.sum() / (len(lengths) * lengths.max())
    assert 0.2 < padding < 0.8
    assert training.run.log.read_plans()[0]["padding"] == pytest.approx(padding, abs=1e-4)
    assert f" steps, {padding:.0%} padding" in training.plan_line


def test_folds_of_numbers_are_one_table(vectors: Path, tmp_path: Path) -> None:
    settings = TrainOptions(folds=2, output="y", out=str(tmp_path / "folds"), **SMALL | {"steps": 4})
    folds = Folds(vectors, settings, "t")
    for _, training in folds.trainings():
        finish(training)
    lines = folds.conclude()
    kept = json.loads((tmp_path / "folds" / "folds.json").read_text())
    for figure in ("mae", "rmse", "r2", "nats"):
        values = [kept["folds"][number]["outputs"]["y"][figure] for number in ("1", "2")]
        assert kept["table"]["y"][figure]["mean"] == pytest.approx(sum(values) / 2)
        assert kept["table"]["y"][figure]["min"] == min(values)
        assert kept["table"]["y"][figure]["std"] == pytest.approx(float(np.std(values, ddof=1)))
    assert "accuracy" not in kept["table"]["y"]
    assert sum(scores["outputs"]["y"]["rows"] for scores in kept["folds"].values()) == 150
    assert lines[0].startswith("y, fold 1: MAE ")
    assert lines[-1].startswith("y, 2 folds: MAE ")
    assert "RMSE " in lines[-1]


# sets of texts


def test_sets_of_labels_are_learnt_from_texts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "labels"))
        for _ in range(200):
            there = [name for name in ("war", "love", "sea") if generator.random() < 0.5]
            words = [*there, *generator.choice(["a", "story", "of", "old", "times"], 4)]
            writer.writerow((" ".join(generator.permutation(words)), "|".join(there) or "none"))
    training = finish(Training(tmp_path / "t.csv", out=str(tmp_path / "run"), task="multilabel", **SMALL))
    assert "labels, any of 4 labels (love, none, sea, war)" in training.description
    score = best(training, "labels")
    assert isinstance(score, LabelSetScore)
    assert score.micro_f1 > 0.9
    run = opened(tmp_path / "run")
    predictions = list(run.predict(["a story of war and of love", "old times at sea"]))
    assert [sorted(prediction.predicted_labels("labels")) for prediction in predictions] == [["love", "war"], ["sea"]]
    probabilities = predictions[0].to_dict()["outputs"]["labels"]["probabilities"]
    assert set(probabilities) == {"war", "love", "sea", "none"}
    assert [len(one.sets["labels"]) for one in run.predict(["war and love"], top=1)] == [2], "what is there is told"
    evaluation = run.evaluate(errors=True)
    found = evaluation.scores["labels"]
    assert isinstance(found, LabelSetScore)
    assert found.micro_f1 == score.micro_f1
    assert len(evaluation.errors) == round((1 - found.accuracy) * found.rows)
    assert sum(line.startswith("  F1 ") for line in evaluation.lines) == 4


# audio


def write_sound(path: Path, pitch: float, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    length = int(generator.integers(800, 1_600))
    tone = np.sin(2 * np.pi * pitch * np.arange(length) / RATE + generator.uniform(0, 6))
    return write_wav(path, 9_000 * tone + 300 * generator.normal(size=length), RATE)


@pytest.fixture(scope="module")
def pitches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("sounds") / "pitches"
    for number in range(60):
        label, pitch = (("low", 300), ("high", 1_500))[number % 2]
        write_sound(folder / label / f"{number}.wav", pitch, number)
    return folder


@pytest.fixture(scope="module")
def heard(pitches: Path) -> Training:
    return finish(Training(pitches, out=str(pitches.parent / "run"), **SMALL))


def test_a_folder_of_audio_files_is_learnt(heard: Training) -> None:
    assert (
        "60 rows of folders: audio (audio at 8,000 Hz, 64 bands every 10 ms) -> label, one of 2 labels (high, low)"
        in (heard.description)
    )
    assert heard.task.augmented  # type: ignore[attr-defined]
    assert best(heard, "label").accuracy == 1.0
    assert ".wav -> " in (heard.first_sample or (0, ""))[1]


def test_a_folder_a_path_and_a_table_of_paths_are_predicted(heard: Training, tmp_path: Path) -> None:
    for name, pitch in (("a", 300), ("b", 1_500)):
        write_sound(tmp_path / "new" / f"{name}.wav", pitch, 99)
    (tmp_path / "new" / "notes.txt").write_text("not a sound")
    right = {"a": "low", "b": "high"}
    predictions = ask(heard.folder, tmp_path / "new")
    assert {Path(prediction.text).stem: prediction.best("label") for prediction in predictions} == right
    (alone,) = ask(heard.folder, tmp_path / "new" / "b.wav")
    assert alone.best("label") == "high"
    assert alone.text == str(tmp_path / "new" / "b.wav")
    (tmp_path / "t.csv").write_text("audio\nnew/b.wav\nnew/a.wav\n")
    assert [prediction.best("label") for prediction in ask(heard.folder, tmp_path / "t.csv")] == ["high", "low"]
    (typed,) = unrolled.load(heard.folder).predict([str(tmp_path / "new" / "a.wav")])
    assert typed.best("label") == "low"
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("not a sound")
    with pytest.raises(DataError, match=r"none holds no audio files, which this run reads: \.wav"):
        ask(heard.folder, tmp_path / "none")
    given = ["absent.wav", str(tmp_path / "new" / "a.wav")]
    absent, there = unrolled.load(heard.folder).predict(given)
    assert (absent.text, absent.to_dict().get("outputs")) == ("absent.wav", None)
    assert "there is no file 'absent.wav'" in absent.error
    assert (there.best("label"), there.error) == ("low", "")


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [1, 5])
def test_a_resumed_run_of_augmented_audio_ends_with_the_same_bytes(
    stopped: int, pitches: Path, tmp_path: Path
) -> None:
    requested: dict[str, Any] = {"augment": "yes", "dropout": 0.2, **SMALL, "steps": 6}
    for stop in (None, stopped):
        folder = tmp_path / f"run-{stop}"
        training = Training(pitches, out=str(folder), **requested)
        for report in training:
            if report.step == stop:
                training.stop()
        if stop is not None:
            assert training.stopped
            finish(Training.resume(folder))
    check_same_bytes(tmp_path / "run-None", tmp_path / f"run-{stopped}")
    if stopped == 1:
        plain = finish(Training(pitches, out=str(tmp_path / "plain"), **requested | {"augment": "no"}))
        weights = [(run / "model.safetensors").read_bytes() for run in (tmp_path / "run-None", plain.folder)]
        assert weights[0] != weights[1], "sounds that are varied teach something else"


def test_a_changed_audio_file_is_detected(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    names = [f"{number}.wav" for number in range(20)]
    for number, name in enumerate(names):
        write_sound(tmp_path / name, (300, 1_500)[number % 2], number)
    rows = [f"{name},{'ab'[number % 2]}" for number, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["sound,label", *rows]) + "\n")
    training = Training(tmp_path / "t.csv", out=str(tmp_path / "run"), **SMALL)
    for report in training:
        if report.step == 1:
            training.stop()
    write_sound(tmp_path / "7.wav", 700, 7)
    with pytest.raises(DataError, match=r"The table that .* was trained on has changed since"):
        Training.resume(tmp_path / "run")


# images


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square at a random place in the left or the right half."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 120)
    stack = generator.integers(0, 40, (120, 10, 9), np.uint8)
    for picture, label in zip(stack, labels, strict=True):
        top, left = generator.integers(0, 7), generator.integers(0, 2) + 5 * label
        picture[top : top + 3, left : left + 3] = 220
    path = tmp_path_factory.mktemp("pictures") / "t.npz"
    np.savez(path, x=stack, y=labels, classes=np.array(["left", "right", "nowhere"]))
    return path


@pytest.mark.parametrize("embedding", ["conv", "plain", "patches"])
def test_images_are_learnt(embedding: str, pictures: Path, tmp_path: Path) -> None:
    training = finish(Training(pictures, out=str(tmp_path / "run"), stem=embedding, **SMALL))
    step = "one patch of 4 x 4 per step" if embedding == "patches" else "one row per step"
    assert f"x (images of 9 x 10, {step}) -> y, one of 2 labels (left, right)" in training.description
    assert best(training, "y").accuracy > 0.9
    model: Any = training.training_state.model
    convolved = sum(p.numel() for p in model.stem.parameters()) if embedding == "conv" else 0
    assert (convolved > 0) is (embedding == "conv")
    batch: Any = training.batches.batch(0)
    assert batch.inputs.shape[1:] == ((9, 16) if embedding == "patches" else (10, 9))
    predictions = ask(tmp_path / "run", pictures)
    with np.load(pictures) as whole:
        right = [("left", "right")[label] for label in whole["y"]]
    assert sum(prediction.best("y") == label for prediction, label in zip(predictions, right, strict=True)) > 110
    assert predictions[7].text.endswith(f"{pictures.name}, row 8")


def test_options_of_audio_and_images_are_refused_elsewhere(vectors: Path, pictures: Path, tmp_path: Path) -> None:
    refused: list[tuple[Path, dict[str, Any], str]] = [
        (
            vectors,
            {"stem": "patches"},
            r"--stem patches applies to images, and the input here is 2 numbers per step",
        ),
        (
            vectors,
            {"stem": "conv"},
            r"--stem conv applies to audio files and images, and the input here is 2 numbers per step",
        ),
        (
            vectors,
            {"augment": "yes"},
            r"--augment applies to audio files and images, and the input here is 2 numbers per step",
        ),
        (vectors, {"tokenizer": "char"}, r"--tokenizer is for texts, but the input is of kind vectors"),
        (
            pictures,
            {"task": "tagging", "output": "y"},
            r"Tags need words or vectors as steps, but the input is of kind image",
        ),
        (vectors, {"stem": "round"}, r"--stem is one of auto, conv, plain, patches; got 'round'"),
        (vectors, {"augment": "some"}, r"--augment is one of auto, yes, no; got 'some'"),
        (
            vectors,
            {"input_type": "taste"},
            r"--input-type is one of text, category, vectors, audio, image, video; got 'taste'",
        ),
    ]
    for path, requested, words in refused:
        output = {} if path == pictures else {"output": "y"}
        with pytest.raises(OptionError, match=words):
            Training(path, out=str(tmp_path / "never"), steps=1, **output | requested)
    assert not (tmp_path / "never").exists()


# tags of vectors


def test_steps_of_sequences_are_tagged(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = ["who,a,b,tag"]
    for number in range(80):
        steps = generator.normal(size=(int(generator.integers(2, 7)), 2)).round(3)
        lines += [f"w{number},{a},{b},{'up' if a > 0 else 'down'}" for a, b in steps]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    requested: dict[str, Any] = {"sequence": "who", "input": "a,b", "output": "tag"}
    training = finish(Training(path, out=str(tmp_path / "run"), **requested, **SMALL))
    assert ": a, b (2 numbers per step) -> tag, one of 2 tags, one per step (down, up)" in (training.description)
    assert best(training, "tag").accuracy > 0.9
    new = tmp_path / "new.csv"
    new.write_text("who,a,b\nx,1,0\nx,-1,0\nx,1.5,1\ny,-2,1\n")
    first, second = ask(tmp_path / "run", new)
    assert first.best_tags("tag") == ["up", "down", "up"]
    assert second.best_tags("tag") == ["down"]
    (typed,) = unrolled.load(tmp_path / "run").predict(["[[1, 0], [-1, 0]]"])
    assert typed.best_tags("tag") == ["up", "down"]
    evaluation = opened(tmp_path / "run").evaluate(path, errors=True)
    score = evaluation.scores["tag"]
    assert isinstance(score, LabelScore)
    assert score.rows == len(lines) - 1
    assert len(evaluation.errors) == round((1 - score.accuracy) * score.rows)
    assert all(one["word"].isdecimal() for one in evaluation.errors)
