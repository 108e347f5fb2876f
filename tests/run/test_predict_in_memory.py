"""Predictions on data in memory: frames keep the types of their labels, and what is unclear is refused."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unrolled
from unrolled.errors import DataError, OptionError
from unrolled.run.training import Training
from unrolled.tasks.run import Run

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

TINY: dict[str, Any] = {
    "steps": 2,
    "hidden_size": 8,
    "batch_size": 8,
    "threads": 1,
    "model": "lstm",
    "progress": False,
}
COUNT = 40
TEXTS = [f"{'good' if number % 2 else 'bad'} film {number}" for number in range(COUNT)]
LABELS = ["good" if number % 2 else "bad" for number in range(COUNT)]
FRAME = pandas.DataFrame({"text": TEXTS, "label": LABELS})
NUMBERS = np.random.default_rng(0).normal(size=(COUNT, 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of texts."""
    return unrolled.train(FRAME, out=tmp_path_factory.mktemp("texts") / "run", **TINY)


@pytest.mark.parametrize(
    ("labels", "kind"), [([0, 1], "int64"), ([0.0, 1.5], "float64"), ([True, False], "bool"), (["a", "b"], "str")]
)
def test_labels_of_a_frame_have_the_type_that_was_trained_on(labels: list[Any], kind: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"text": TEXTS, "label": labels * (COUNT // 2)})
    run = unrolled.train(frame, out=tmp_path / "run", **TINY, task="classification")
    found = run.predict(frame).label
    assert set(map(type, found.tolist())) == {type(labels[0])} and set(found) <= set(labels)
    assert kind == "str" or str(found.dtype) == kind
    here = run.predict(polars.DataFrame({"text": TEXTS}))["label"].to_list()
    assert here == found.tolist() and set(map(type, here)) == {type(labels[0])}
    assert all(isinstance(one.best("label"), str) for one in run.predict(TEXTS[:2]))
    frame.to_csv(tmp_path / "same.csv", index=False)  # writes True, and jsonl writes true
    frame.to_json(tmp_path / "same.jsonl", orient="records", lines=True)
    expected = run.evaluate(frame).to_dict()["outputs"]
    for name in ("same.csv", "same.jsonl"):
        assert run.evaluate(tmp_path / name).to_dict()["outputs"] == expected


def test_a_run_on_true_and_false_of_a_csv_is_evaluated_on_bools(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"text": TEXTS, "label": [True, False] * (COUNT // 2)})
    frame.to_csv(tmp_path / "same.csv", index=False)
    run = unrolled.train(tmp_path / "same.csv", out=tmp_path / "run", **TINY)
    assert run.evaluate(frame).to_dict()["outputs"] == run.evaluate(tmp_path / "same.csv").to_dict()["outputs"]


def test_lists_of_whole_numbers_come_back_as_such(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"text": TEXTS, "label": [[1, 2], [2, 3]] * (COUNT // 2)})
    run = unrolled.train(frame, out=tmp_path / "run", task="multilabel", **TINY)
    found = {label for labels in run.predict(frame).label for label in labels}
    assert found and found <= {1, 2, 3} and set(map(type, found)) == {int}


def test_a_frame_without_predictions_has_their_columns(run: Run) -> None:
    names = ["label", "label_probability"]
    found = run.predict(pandas.DataFrame({"text": [None, None]}, index=[4, 7]))
    assert list(found.columns) == names and list(found.index) == [4, 7] and found.isna().all().all()
    assert list(run.predict(FRAME[:0]).columns) == names
    other = run.predict(polars.DataFrame({"text": [None, None]}))
    assert other.columns == names and other.shape == (2, 2) and other["label"].to_list() == [None, None]


def test_any_index_is_given_back(run: Run) -> None:
    levels = pandas.MultiIndex.from_tuples([(1, 2), (1, 3)])
    for index in (["a", "b"], pandas.date_range("2026", periods=2), levels, pandas.Index([5, 6], name="id")):
        frame = FRAME[:2].set_axis(index, axis=0)
        assert run.predict(frame).index.equals(frame.index)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ({"train": FRAME, "test": FRAME}, {}, r"splits: train, test. Give one of them: predict\(data\['test'"),
        ((TEXTS, LABELS), {}, r"A pair is inputs and targets, .* of inputs alone: predict\(inputs\)"),
        (FRAME, {"top": 1}, "top applies to rows in a list; a frame gets the best of each row"),
        (FRAME, {"every": True}, "every applies to rows in a list; a frame gets the best of each row"),
        (["a", "a\ud800"], {}, r"text 2: 'a\?' holds half a character"),
        (torch.zeros(2, 3), {}, "^the data, row 1: an array of numbers, where a text was expected"),
        ([Path("a")], {}, "Each text is a str; number 1 is a P"),
        (polars.DataFrame({"text": TEXTS}).lazy(), {}, r"The data is a LazyFrame.*frame\.collect\(\)"),
    ],
)  # fmt: skip
def test_what_is_unclear_is_refused(run: Run, rows: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, OptionError), match=message):
        list(run.predict(rows, **options))


def test_arrays_of_objects_are_predicted_as_lists(run: Run) -> None:
    found = list(run.predict(np.array([TEXTS[0], None], object)))
    assert found[0].labels == next(run.predict(TEXTS[:1])).labels and found[1].empty


def test_two_outputs_never_share_a_column(tmp_path: Path) -> None:
    frame = FRAME.assign(label_probability=NUMBERS[:, 0])
    run = unrolled.train(frame, out=tmp_path / "run", input="text", output="label,label_probability", **TINY)
    with pytest.raises(OptionError, match="Two columns of the predictions would be called 'label_probability'"):
        run.predict(frame)
    assert len(list(run.predict(frame.to_dict("records")))) == COUNT


def test_unused_columns_of_odd_values_are_not_read(tmp_path: Path) -> None:
    frame = FRAME.assign(z=[datetime.time(1)] * COUNT)
    run = unrolled.train(frame, out=tmp_path / "run", **TINY)
    assert "not read: z" in run.facts["data"]["description"]
    with pytest.raises(DataError, match="the data, row 1: 'z' holds a time, which is no cell"):
        unrolled.train(frame, input="z", output="label", out=tmp_path / "other", **TINY)
    training = Training.resume(run, steps=1)
    list(training)
    assert training.folder == run.path


def test_options_of_csv_files_are_refused(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"text": TEXTS, "y": [f"0,{number}" for number in range(COUNT)]})
    with pytest.raises(OptionError, match=r"decimal applies to csv and tsv files.*\n.*replace"):
        unrolled.train(frame, decimal=",", out=tmp_path / "run", **TINY)
    with pytest.raises(OptionError, match="no_header applies to csv and tsv files"):
        unrolled.train(FRAME, no_header=True, out=tmp_path / "run", **TINY)


def test_masked_and_missing_values_are_empty_cells(tmp_path: Path) -> None:
    masked = np.ma.masked_array(NUMBERS, np.zeros_like(NUMBERS, bool))
    masked[3] = np.ma.masked
    targets = [0, 1] * (COUNT // 2)
    with pytest.raises(DataError, match=r"the data, row 4: 'x' is empty. A row needs"):
        unrolled.train((masked, targets), out=tmp_path / "run", **TINY)
    run = unrolled.train((masked, targets), skip_empty=True, out=tmp_path / "run", **TINY)
    assert [one.empty for one in run.predict(masked[:5])] == [False, False, False, True, False]
    with pytest.raises(DataError, match="the data, row 1: 'x' holds a complex number"):
        list(run.predict(NUMBERS + 0j))
    with pytest.raises(DataError, match=r"the data, row 40: 'x' is empty. A row needs"):
        unrolled.train({"x": [*NUMBERS[:-1], None], "y": targets}, out=tmp_path / "other", **TINY)


def test_several_targets_in_a_frame_are_several_outputs(tmp_path: Path) -> None:
    targets = pandas.DataFrame({"p": NUMBERS[:, 0], "q": NUMBERS[:, 1]})
    run = unrolled.train((pandas.DataFrame(NUMBERS), targets), out=tmp_path / "run", **TINY)
    assert list(run.outputs) == ["p", "q"]
    inputs = pandas.DataFrame(NUMBERS, columns=["a", "b", "label"])
    other = unrolled.train((inputs, pandas.Series(LABELS, name="found")), out=tmp_path / "other", **TINY)
    assert list(other.outputs) == ["found"]


def test_pictures_and_their_paths_are_inputs(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    draw = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        pixels = draw.random((9, 8, 3)) * (100 if number % 2 else 255)
        image_module.fromarray(pixels.astype(np.uint8)).save(path)
    run = unrolled.train({"image": paths, "label": LABELS}, out=tmp_path / "run", **TINY)
    with image_module.open(paths[0]) as file:
        picture = file.copy()
    pixels = np.array(picture)
    forms: list[Any] = [[str(paths[0])], paths[:1], paths[0], picture, [picture], [pixels], [pixels / 255]]
    found = [next(iter(run.predict(form))).labels for form in forms]
    assert all(one == found[0] for one in found)
    for wrong, message in (
        (np.zeros((30, 45, 3), np.uint8), r"an image of shape \(30, 45, 3\);.*\n.*PIL\.Image\.fromarray\(array\)"),
        (np.full((9, 8, 3), np.nan), "row 1: an array with a number that is not finite"),
    ):
        with pytest.raises(DataError, match=message):
            list(run.predict([wrong]))
