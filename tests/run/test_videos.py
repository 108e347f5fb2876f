"""Runs on videos: frames through the pretrained net and a memory, sources in one split, predictions, resumption."""

from __future__ import annotations

import csv
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import moving, write_sound, write_video

from unrolled.errors import MissingExtra, OptionError
from unrolled.run import load
from unrolled.run.training import Training
from unrolled.tasks import pretrained

pytest.importorskip("av", reason="needs the extra video")
pytestmark = pytest.mark.skipif(find_spec(pretrained.PACKAGE) is None, reason="needs the extra video")
COUNT = 40
SMALL: dict[str, Any] = {"hidden_size": 8, "threads": 1, "frames": 4, "image_size": 32, "batch_size": 8}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos for each of two labels, one file that cannot be read, and a table of them with sources."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for row in range(COUNT):
        label = ("right", "down")[row % 2]
        (folder / "films" / label).mkdir(parents=True, exist_ok=True)
        path = write_video(folder / "films" / label / f"{row}.mp4", moving(row, label == "down"))
        rows.append((path.relative_to(folder), label, f"original{row // 4}"))
    write_sound(folder / "films" / "down" / "sound.mp4")
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "source"), *rows])
    return folder


def trained(data: Path, out: Path, **options: Any) -> Training:
    training = Training(data, out=str(out), **{"steps": 6, **SMALL, **options})
    for _ in training:
        pass
    return training


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(trained(clips / "clips.csv", tmp_path_factory.mktemp("runs") / "run").folder)


def test_clips_of_one_source_stay_in_one_split(clips: Path, run: Path) -> None:
    facts = load(run).facts
    assert "clips of one 'source' are kept in one split (override: --group)" in facts["data"]["description"]
    assert "videos, as 4 frames of 32 x 32 with features by ImageNet weights" in facts["data"]["description"]
    training = Training(clips / "clips.csv", out=str(run.parent / "groups"), steps=1, **SMALL)
    examples = training.task.examples  # type: ignore[attr-defined]
    splits = [{row // 4 for row in rows.tolist()} for rows in examples.splits.values()]
    assert sum(map(len, splits)) == len(set.union(*splits)) == COUNT // 4
    training.run.release()
    chosen = Training(clips / "clips.csv", out=str(run.parent / "chosen"), steps=1, input="file", output="label",
                      group="file", **SMALL)  # fmt: skip
    assert "are kept in one split" not in chosen.description
    chosen.run.release()


def test_files_and_folders_are_predicted_and_evaluated(clips: Path, run: Path) -> None:
    opened = load(run)
    paths = sorted(str(path) for path in (clips / "films" / "down").glob("*.mp4"))
    predictions = list(opened.predict(paths))
    assert [one.text for one in predictions] == paths
    assert "has no pictures, only sound" in predictions[-1].error and all(one.labels for one in predictions[:-1])
    again = list(opened.predict(paths[3:4]))
    assert again[0].labels == predictions[3].labels, "a row does not depend on its batch"
    with (clips / "others.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label"), *((path, "down") for path in paths)])
    facts = opened.evaluate(clips / "others.csv").to_dict()
    assert facts["outputs"]["label"]["rows"] == COUNT // 2 and len(facts["unreadable"]) == 1


@pytest.mark.slow
def test_a_folder_for_each_label_is_learnt(clips: Path, tmp_path: Path) -> None:
    training = trained(clips / "films", tmp_path / "run", steps=60, model="gru")
    assert "1 file left out" in training.description or "sound.mp4" in training.description
    (down,) = load(tmp_path / "run").predict([str(next((clips / "films" / "down").glob("*.mp4")))])
    assert down.best("label") == "down"


def test_a_stopped_run_resumes_to_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    whole = trained(clips / "clips.csv", tmp_path / "whole", model="lstm")
    stopped = Training(clips / "clips.csv", out=str(tmp_path / "stopped"), steps=6, model="lstm", **SMALL)
    for report in stopped:
        if report.step >= 3:
            stopped.stop()
    for _ in Training.resume(tmp_path / "stopped"):
        pass
    ours = (Path(folder) / "model.safetensors" for folder in (whole.folder, stopped.folder))
    assert len({path.read_bytes() for path in ours}) == 1


def test_options_of_videos_are_for_videos(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, message in (
        ({"frames": 0}, "--frames is a whole number of at least 1; got 0"),
        ({"image_size": 9}, "--image-size is a number of pixels from 32 to 1,024; got 9"),
        ({"encoder": "lenet5"}, "--encoder lenet5 reads images, and the input here is videos"),
        ({"stem": "conv"}, "--stem conv applies to audio files and images"),
    ):
        with pytest.raises(OptionError, match=message):
            Training(clips / "clips.csv", out=str(tmp_path / "run"), **{"steps": 1, **SMALL, **options})
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((60, 5, 3)), y=np.arange(60) % 2)
    for option in ("frames", "image_size"):
        given: dict[str, Any] = {option: 64}
        with pytest.raises(OptionError, match="applies to videos, and the input here is"):
            Training(tmp_path / "x.npz", out=str(tmp_path / "run"), steps=1, **given)
    monkeypatch.setattr(pretrained, "find_imagenet", lambda: None)
    with pytest.raises(MissingExtra, match="needs the weights of EfficientNet-Lite0"):
        Training(clips / "clips.csv", out=str(tmp_path / "run"), steps=1)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match="Videos need PyAV, which is not installed"):
        Training(clips / "clips.csv", out=str(tmp_path / "run"), steps=1)
    assert not (tmp_path / "run").exists()
