"""A fovea, `--encoder glimpse`: trained, resumed, what it looked at, where it stops, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import Unroll
from safetensors.torch import load_file

import unrolled
from unrolled.errors import OptionError
from unrolled.run.training import Training

SMALL = "glimpse:glimpses=3,size=4,scales=2,width=16"


def write_images(path: Path, **more: Any) -> Path:
    """Images of noise in which a bright square has one of three places, and more columns."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = random.integers(0, 90, (90, 12, 9), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4, :4] += 150
    np.savez(path, x=images, y=labels, **more)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images") / "images.npz")


def train(path: Path, out: Path, steps: int = 4, **options: Any) -> Training:
    training = Training(path, out=str(out), steps=steps, threads=1, encoder=SMALL, **options)
    for _ in training:
        pass
    return training


@pytest.fixture(scope="module")
def learnt(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a fovea alone, which knows where the square is."""
    out = tmp_path_factory.mktemp("learnt") / "run"
    train(images, out, 40, model=SMALL, augment="no", learning_rate=0.02)
    return out


def test_a_fovea_learns_where_the_square_is(learnt: Path, images: Path) -> None:
    evaluation = unrolled.load(learnt).evaluate(images)
    assert evaluation.to_dict()["outputs"]["y"]["accuracy"] > 0.95, "a third are right by chance"


def test_a_resumed_training_has_the_same_weights(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "whole", 6)
    training = Training(images, out=str(tmp_path / "parts"), steps=6, threads=1, encoder=SMALL)
    for report in training:
        if report.step == 3:
            training.stop()
    for _ in Training.resume(tmp_path / "parts"):
        pass
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    names = [sorted(file.name for file in (tmp_path / run / "checkpoint").iterdir()) for run in ("whole", "parts")]
    assert names[0] == names[1], "with their checksums"


def test_json_has_the_path_of_the_gaze(learnt: Path, images: Path, unroll: Unroll) -> None:
    rows = [json.loads(line) for line in unroll("predict", learnt, images, "--json").out.splitlines()]
    assert len(rows) == 90
    for row in rows[:5]:
        places = row["gaze"]["places"]
        assert len(places) == 3 and places[0] == [0.5, 0.5]
        assert all(0 <= share <= 1 for place in places for share in place)
        assert row["gaze"]["sides"] == [[4 / 12, 4 / 9], [8 / 12, 8 / 9]]
    assert rows[0]["gaze"] != rows[1]["gaze"], "it looks where the image says"


def test_the_path_is_shown_as_a_picture_a_page_and_numbers(
    learnt: Path, images: Path, tmp_path: Path, unroll: Unroll
) -> None:
    image_module = pytest.importorskip("PIL.Image")
    with np.load(images) as arrays:
        image_module.fromarray(arrays["x"][0]).save(tmp_path / "one.png")
    shown = unroll("predict", learnt, tmp_path / "one.png", "--show-attention")
    assert "glimpses, in percent from the left and from the top: 50 50, " in shown.out, shown.err
    for name in ("out.png", "page.html"):
        result = unroll("predict", learnt, tmp_path / "one.png", "--show-attention", tmp_path / name)
        assert result.code == 0, result.err
    with image_module.open(tmp_path / "out.png") as drawn:
        assert drawn.mode == "RGB" and len(drawn.getcolors(1 << 20)) > 3, "squares in colours over a grey image"
    assert "the path of the gaze" in (tmp_path / "page.html").read_text()


def test_it_stops_when_it_is_sure(learnt: Path, images: Path, unroll: Unroll) -> None:
    run = unrolled.load(learnt)
    with np.load(images) as arrays:
        some = list(arrays["x"])
    whole = [(len(one.gaze.places), one.labels["y"]) for one in run.predict(some) if one.gaze]
    never = [(len(one.gaze.places), one.labels["y"]) for one in run.predict(some, stop_when_sure=1.0) if one.gaze]
    assert never == whole and {count for count, _ in whole} == {3}
    first = list(run.predict(some, stop_when_sure=0.3))
    assert {len(one.gaze.places) for one in first if one.gaze} == {1}, "one of three labels has that much always"
    sure = float(np.median([one.labels["y"][0][1] for one in first]))
    early = list(run.predict(some, stop_when_sure=sure))
    assert 30 < sum(len(one.gaze.places) == 1 for one in early if one.gaze) < 60, "half of them need one glimpse"
    for one, after_one in zip(early, first, strict=True):
        assert one.gaze is not None and (one.labels["y"][0][1] >= sure or len(one.gaze.places) == 3)
        assert (one.labels == after_one.labels) == (len(one.gaze.places) == 1)
    lines = unroll("predict", learnt, images, "--stop-when-sure", sure).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [one.best("y") for one in early]


@pytest.mark.parametrize("given", ["0", "1.5", "-1", "nan"])
def test_a_wrong_probability_is_refused(given: str, learnt: Path, images: Path, unroll: Unroll) -> None:
    result = unroll("predict", learnt, images, "--stop-when-sure", given)
    assert result.code == 2 and "--stop-when-sure is a probability above 0 and at most 1" in result.err


def test_only_a_fovea_alone_stops(images: Path, tmp_path: Path, unroll: Unroll) -> None:
    training = Training(images, out=str(tmp_path / "net"), steps=1, threads=1, encoder="lenet5", model="lenet5")
    for _ in training:
        pass
    result = unroll("predict", tmp_path / "net", images, "--stop-when-sure", "0.9")
    assert result.code == 2 and "--stop-when-sure applies to nets that look by glimpses" in result.err


@pytest.mark.slow
def test_stopping_needs_labels_and_no_ensemble(images: Path, tmp_path: Path, unroll: Unroll) -> None:
    path = write_images(tmp_path / "numbers.npz", more=np.linspace(0, 1, 90))
    train(path, tmp_path / "several", 2, model=SMALL, input="x", output="more")
    result = unroll("predict", tmp_path / "several", path, "--stop-when-sure", "0.9")
    assert result.code == 2 and "an output here is no single label" in result.err
    train(images, tmp_path / "ensemble", 2, model=None)
    run = json.loads((tmp_path / "ensemble" / "run.json").read_text())
    if len(run["selected"]) > 1:
        result = unroll("predict", tmp_path / "ensemble", images, "--stop-when-sure", "0.9")
        assert result.code == 2 and "--stop-when-sure needs a fovea alone" in result.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "glimpse:glimpses=0"}, "glimpses is a whole number from 1 to 1000; got 0"),
        ({"encoder": "glimps"}, "Unknown encoder 'glimps'. Did you mean 'glimpse'"),
        ({"encoder": SMALL, "hidden_size": 8}, "--hidden-size is for models that read steps"),
        ({"encoder": f"{SMALL},channels=3"}, "the data decide the channels"),
        ({"encoder": SMALL, "init_from": "weights.safetensors"}, "looks by glimpses"),
        ({"encoder": SMALL, "init_from": "run", "freeze": "early"}, "has no such half"),
        ({"encoder": SMALL, "task": "seq2seq"}, "predicts labels and numbers, not texts"),
    ],
)
def test_what_does_not_go_with_a_fovea_is_refused(
    options: dict[str, Any], words: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=words):
        Training(images, out=str(tmp_path / "run"), steps=2, **options)
    assert not (tmp_path / "run").exists()


def test_a_glimpse_may_be_larger_than_the_image(images: Path, tmp_path: Path) -> None:
    training = Training(images, out=str(tmp_path / "run"), steps=1, threads=1, encoder="glimpse:size=20,scales=3")
    for _ in training:
        pass
    assert training.summary is not None
