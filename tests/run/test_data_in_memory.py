"""Training, evaluating and predicting on data in memory: as on the same data in a file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unrolled
from unrolled.errors import DataError, OptionError
from unrolled.run import training as run_training
from unrolled.run.training import Training

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

TINY: dict[str, Any] = {
    "steps": 6,
    "hidden_size": 8,
    "batch_size": 8,
    "threads": 1,
    "model": "lstm",
    "progress": False,
}
GOOD, BAD = ["fine", "lovely", "superb", "warm", "great"], ["awful", "dull", "poor", "cold", "bad"]


def rows(count: int = 80) -> list[dict[str, Any]]:
    draw = random.Random(0)
    return [
        {"text": " ".join(draw.choices((GOOD if n % 2 else BAD) + ["the", "a"], k=6)), "label": "good" if n % 2 else
         "bad", "stars": n % 5 + 0.5} for n in range(count)
    ]  # fmt: skip


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "form", ["pandas", "dict", *(pytest.param(one, marks=pytest.mark.slow) for one in ("list of dicts", "polars"))]
)
def test_the_same_data_by_path_and_from_memory_give_the_same_weights(form: str, tmp_path: Path) -> None:
    found = rows()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    data = {"list of dicts": found, "pandas": pandas.DataFrame(found), "polars": polars.DataFrame(found),
            "dict": {name: [row[name] for row in found] for name in found[0]}}[form]  # fmt: skip
    options = TINY | {"input": "text", "output": "label"}
    unrolled.train(tmp_path / "rows.jsonl", out=tmp_path / "file", **options)
    run = unrolled.train(data, out=tmp_path / "memory", **options)
    assert weights(tmp_path / "memory") == weights(tmp_path / "file")
    assert run.facts["data"]["description"].startswith("80 rows of data in memory: text ")
    by_file, here = unrolled.load(tmp_path / "file").evaluate(), run.evaluate()
    assert here.to_dict() == by_file.to_dict()
    assert (
        run.evaluate(data).to_dict()["outputs"]["label"]["accuracy"]
        == (run.evaluate(tmp_path / "rows.jsonl").to_dict()["outputs"]["label"]["accuracy"])
    )


def test_arrays_are_as_in_an_npz(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((60, 5, 3), np.float32)
    y = (x[:, 0, 0] > 0.5).astype(int)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    unrolled.train(tmp_path / "a.npz", out=tmp_path / "file", **TINY)
    run = unrolled.train((x, y), out=tmp_path / "memory", **TINY)
    assert weights(tmp_path / "memory") == weights(tmp_path / "file")
    assert len(list(run.predict(x[:4]))) == len(list(run.predict({"x": x[:4]}))) == 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_trained_on_where_they_are(dtype: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((60, 5, 3)).astype(dtype)
    training = Training(
        (x, (x[:, 0, 0] > 0.5).astype(int)), out=str(tmp_path / "run"), steps=1, model="lstm", threads=1
    )
    items = training.task.examples.items  # type: ignore[attr-defined]
    assert all(np.shares_memory(items[row], x) and np.array_equal(items[row], x[row]) for row in range(60))
    assert not items[0].flags.writeable and x.flags.writeable
    chosen = items.select(np.array([7, 7, 3]))
    assert all(np.shares_memory(chosen[place], x[row]) for place, row in enumerate((7, 7, 3)))


def test_a_list_of_texts_is_a_language_model(tmp_path: Path) -> None:
    texts = [row["text"] for row in rows(200)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    unrolled.train(tmp_path / "texts.jsonl", out=tmp_path / "file", **TINY)
    run = unrolled.train(texts, out=tmp_path / "memory", **TINY)
    assert run.kind == "language-modeling" and weights(tmp_path / "memory") == weights(tmp_path / "file")
    assert run.evaluate().to_dict() == unrolled.load(tmp_path / "file").evaluate().to_dict()
    assert run.evaluate(texts[:50]).to_dict()["nats"] > 0


def test_a_stopped_run_is_resumed_from_its_copy_with_the_same_bytes(tmp_path: Path) -> None:
    found = rows()
    own = {name: value for name, value in TINY.items() if name != "progress"}
    list(Training(found, out=str(tmp_path / "whole"), **own))
    stopped = Training(found, out=str(tmp_path / "stopped"), **own)
    said: list[str] = []
    for report in stopped:
        said += report.notes
        if report.step >= 3:
            stopped.stop()
    assert said == ["The run keeps a copy of the data (data.safetensors), and can be resumed."]
    list(Training.resume(tmp_path / "stopped"))
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")


def test_a_run_on_much_data_keeps_no_copy_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_training, "MOST_KEPT", 1 << 10)
    run = unrolled.train(rows(), out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run" / "data.safetensors").exists()
    assert len(list(run.predict(["a fine film"]))) == 1 and run.evaluate(rows(20))
    for again in (lambda: run.evaluate(), lambda: Training.resume(tmp_path / "run", steps=2)):
        with pytest.raises(DataError, match="was trained on data in memory, of which it has no copy"):
            again()


def test_splits_in_memory_are_splits(tmp_path: Path) -> None:
    found = rows()
    run = unrolled.train(
        {"train": found[:60], "validation": found[60:70], "test": pandas.DataFrame(found[70:])},
        out=tmp_path / "run", input="text", output="label", **TINY,
    )  # fmt: skip
    assert run.evaluate().to_dict()["outputs"]["label"]["rows"] == 10


def test_validation_and_test_data_are_given_as_the_data_is(tmp_path: Path) -> None:
    found = rows()
    parts = {"train": found[:60], "valid": found[60:70], "test": found[70:]}
    for name, part in parts.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    columns = {"input": "text", "output": "label", **TINY}
    paths: dict[str, Any] = {name: tmp_path / f"{name}.jsonl" for name in ("valid", "test")}
    unrolled.train(tmp_path / "train.jsonl", out=tmp_path / "file", **paths, **columns)
    own: dict[str, Any] = {"valid": pandas.DataFrame(parts["valid"]), "test": parts["test"]}
    run = unrolled.train(parts["train"], out=tmp_path / "memory", **own, **columns)
    assert weights(tmp_path / "memory") == weights(tmp_path / "file")
    assert run.evaluate().to_dict()["outputs"]["label"]["rows"] == 10
    share = unrolled.train(parts["train"], out=tmp_path / "share", valid=0.25, test=parts["test"], **columns)
    assert share.folder.facts["settings"]["valid"] == "0.25" and share.evaluate().split == "test"
    for data, given, message in (
        (
            tmp_path / "train.jsonl",
            {"valid": parts["valid"]},
            "valid= is data in memory, and the data to train on is",
        ),
        (
            {"train": found[:60], "test": found[60:]},
            {"test": found},
            "The data comes in splits already, so test= has",
        ),
        (found, {"test": [{"text": "a"}] * 9}, "the data \\(test\\).* has no column 'label'|has no column 'label'"),
        (found, {"valid": (row for row in found)}, "The data is a generator, which can be read only once"),
    ):
        with pytest.raises((OptionError, DataError), match=message):
            unrolled.train(data, out=tmp_path / "refused", **given, **columns)


def test_texts_in_memory_come_in_splits(tmp_path: Path) -> None:
    texts = [row["text"] + f" {number}" for number, row in enumerate(rows(300))]
    frames = {
        name: pandas.DataFrame({"text": part})
        for name, part in (("train", texts[:200]), ("validation", texts[200:250]), ("test", texts[250:]))
    }
    for name, frame in frames.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(frame.text) + "\n")
    one = unrolled.train(frames, out=tmp_path / "splits", **TINY)
    other = unrolled.train(texts[:200], out=tmp_path / "given", valid=texts[200:250], test=texts[250:], **TINY)
    paths: dict[str, Any] = {"valid": tmp_path / "validation.txt", "test": tmp_path / "test.txt"}
    file = unrolled.train(tmp_path / "train.txt", documents="line", out=tmp_path / "file", **paths, **TINY)
    assert weights(tmp_path / "splits") == weights(tmp_path / "given") == weights(tmp_path / "file")
    tokens = [run.folder.facts["data"]["description"] for run in (one, other, file)]
    assert all("300 rows" in text or "300 lines" in text for text in tokens), tokens
    expected = file.evaluate().to_dict()
    assert one.evaluate().to_dict() == other.evaluate().to_dict() == expected
    assert one.evaluate(frames).to_dict()["nats"] == pytest.approx(expected["nats"])
    columns = pandas.DataFrame({"other": texts[:9]})
    with pytest.raises(OptionError, match="test in data in memory has no column 'text'"):
        unrolled.train(frames | {"test": columns}, out=tmp_path / "refused", **TINY)


def test_predictions_for_a_frame_are_a_frame_with_its_index(tmp_path: Path) -> None:
    run = unrolled.train(rows(), out=tmp_path / "run", input="text", output="label,stars", **TINY)
    frame = pandas.DataFrame({"text": ["fine", None, "dull"], "other": [1, 2, 3]}, index=[7, 3, 9])
    found = run.predict(frame)
    assert list(found.columns) == ["label", "label_probability", "stars", "stars_low", "stars_high"]
    assert list(found.index) == [7, 3, 9] and found.isna().iloc[1].all()
    assert found.notna().iloc[[0, 2]].to_numpy().all()
    one, *_ = run.predict(["fine"])
    assert found.label.iloc[0] == one.best("label") and found.stars.iloc[0] == one.values["stars"][0].value
    other = run.predict(polars.DataFrame({"text": ["fine", "dull"]}))
    assert isinstance(other, polars.DataFrame) and other["label"].to_list() == [
        found.label.iloc[0],
        found.label.iloc[2],
    ]
    assert [one.best("label") for one in run.predict(frame["text"].dropna())] == other["label"].to_list()


def test_what_is_refused_in_a_file_is_refused_with_its_row(tmp_path: Path) -> None:
    found = rows()
    found[40]["text"] = None
    with pytest.raises(DataError, match="the data, row 41: "):
        unrolled.train(found, out=tmp_path / "run", input="text", output="label", **TINY)
    run = unrolled.train(rows(), out=tmp_path / "run", input="text", output="label", **TINY)
    with pytest.raises(DataError, match="data in memory has no column 'text'; it has: other"):
        list(run.predict({"other": ["a"]}))
    with pytest.raises(OptionError, match="can be read only once"):
        unrolled.train(iter(rows()), out=tmp_path / "other", **TINY)
    assert not (tmp_path / "other").exists()
