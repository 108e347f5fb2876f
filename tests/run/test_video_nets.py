"""Runs of nets for video: clips of videos, weights from a file, options, resumption, evaluation of several clips."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from video_files import moving, write_video

from unrolled.data.modalities.base import StepOptions
from unrolled.data.modalities.video import VideoInput
from unrolled.data.modalities.video_clips import ClipFeaturizer
from unrolled.errors import OptionError, RunError
from unrolled.model.nets.table import make_video_net
from unrolled.run import load
from unrolled.run.training import Training

pytest.importorskip("av", reason="needs the extra video")
NET = "r2plus1d-18:width=0.05"
SMALL: dict[str, Any] = {"threads": 1, "frames": 4, "image_size": 32, "batch_size": 4, "encoder": NET}
COUNT = 16


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two clips of each video."""
    folder = tmp_path_factory.mktemp("clips")
    rows: list[tuple[Any, ...]] = []
    for row in range(COUNT):
        down = row % 2 == 1
        write_video(folder / f"{row}.mp4", moving(row, down, count=40, side=32))
        rows += [(f"{row}.mp4", "down" if down else "right", row, start, start + 0.8) for start in (0.0, 0.8)]
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "label", "video_id", "start", "end"), *rows])
    return folder / "clips.csv"


def trained(data: Path, out: Path, **options: Any) -> Training:
    training = Training(data, out=str(out), **{"steps": 3, **SMALL, **options})
    for _ in training:
        pass
    return training


def first_note(data: Path, out: Path, **options: Any) -> tuple[str, Any, Any]:
    """The first note of a training, its model, and the featurizer of its videos, after its first report."""
    training: Any = Training(data, out=str(out), **{**SMALL, **options})
    note = next(iter(training)).notes[0]
    for _ in training:
        pass
    return note, training.training_state.model, training.task.examples.featurizer


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(trained(clips, tmp_path_factory.mktemp("runs") / "run", model=NET).folder)


def test_a_net_is_trained_on_clips(clips: Path, run: Path) -> None:
    opened = load(run)
    described = opened.facts["data"]["description"]
    assert "each clip is from 'start' to 'end' of its file" in described
    assert "clips of one 'video_id' are kept in one split" in described
    assert "videos, as up to 10 clips of 4 frames of 32 x 32" in described
    whole, part = list(opened.predict([str(clips.parent / "3.mp4"), f"{clips.parent / '3.mp4'}#t=0.8,1.6"]))
    assert set(whole.labels) == {"label"} and part.text.endswith("3.mp4#t=0.8,1.6")
    (again,) = opened.predict([str(clips.parent / "3.mp4")])
    assert again.labels == whole.labels, "a row does not depend on its batch"
    table = list(opened.predict(opened.read_input(str(clips)) or ()))
    assert len(table) == 2 * COUNT and table[7].best("label") == part.best("label")
    assert dict(table[7].labels["label"]) == pytest.approx(dict(part.labels["label"]), abs=1e-5)
    assert opened.evaluate(clips).to_dict()["outputs"]["label"]["rows"] == 2 * COUNT


@pytest.mark.slow
def test_a_stopped_run_resumes_to_the_same_bytes(clips: Path, run: Path, tmp_path: Path) -> None:
    stopped = Training(clips, out=str(tmp_path / "stopped"), steps=3, model=NET, **SMALL)
    for report in stopped:
        if report.step == 2:
            stopped.stop()
    for _ in Training.resume(tmp_path / "stopped"):
        pass
    ours = (Path(folder) / "model.safetensors" for folder in (run, stopped.folder))
    assert len({path.read_bytes() for path in ours}) == 1


def test_weights_are_loaded_by_their_names(clips: Path, tmp_path: Path) -> None:
    net = make_video_net(f"{NET},middle=block,frames=4")
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    options = {"encoder": f"{NET},middle=block", "init_from": str(tmp_path / "weights.pth"), "freeze": "encoder"}
    note, model, featurizer = first_note(clips, tmp_path / "run", steps=2, **options)
    assert note.startswith("Loaded 222 of 222 tensors of the net from")
    theirs = dict(net.named_parameters())
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in model.memory.net.named_parameters())
    assert featurizer.mean.tolist() == pytest.approx([0.43216, 0.394666, 0.37645]), "as the weights expect"
    again: dict[str, Any] = {"encoder": None, "frames": None, "image_size": None}
    note, *_ = first_note(clips, tmp_path / "next", steps=1, init_from=str(tmp_path / "run"), **again)
    assert "all components" in note
    with pytest.raises(OptionError, match="The run to start from has --frames 4; 8 does not match"):
        Training(clips, out=str(tmp_path / "no"), steps=1, frames=8, init_from=str(tmp_path / "run"))


def test_the_default_has_a_name_and_nets_are_for_their_inputs(clips: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.arange(60 * 64, dtype=np.uint8).reshape(60, 8, 8), y=np.arange(60) % 2)
    np.savez(tmp_path / "v.npz", x=np.random.default_rng(0).random((60, 5, 3)), y=np.arange(60) % 2)
    for data, options, message in (
        (tmp_path / "x.npz", {"encoder": NET}, "reads videos, and the input here is images"),
        (tmp_path / "v.npz", {"encoder": "frames"}, "frames reads videos, and the input here is 3 numbers per step"),
        (clips, SMALL | {"encoder": f"{NET},frames=8"}, "the frames of a clip are an option of their own: --frames"),
        (clips, SMALL | {"pool": "mean"}, "reads whole clips; --pool is for models that read steps"),
        (clips, SMALL | {"task": "seq2seq"}, "predicts labels and numbers of videos"),
        (clips, SMALL | {"encoder": "lenet5"}, "--encoder lenet5 reads images, and the input here is videos"),
    ):
        with pytest.raises(OptionError, match=message):
            Training(data, out=str(tmp_path / "run"), steps=1, **options)
    assert not (tmp_path / "run").exists()


def test_training_draws_a_clip_and_evaluation_reads_all() -> None:
    modality = VideoInput(4, 32, 10)
    generator = np.random.default_rng(0)
    items = [generator.integers(0, 256, (clips, 4, 32, 32, 3), np.uint8) for clips in (3, 1)]
    featurizer = modality.learn_featurizer(items, StepOptions())
    assert isinstance(featurizer, ClipFeaturizer)
    assert [one.shape for one in featurizer.encode_all(items)] == [(3, 3, 4, 32, 32), (1, 3, 4, 32, 32)]
    varied = featurizer.encode_all(items, np.random.default_rng(1))
    assert [one.shape for one in varied] == [(1, 3, 4, 32, 32)] * 2
    whole = featurizer.encode(items[0])
    expected = (items[0].transpose(0, 4, 1, 2, 3) / 255 - featurizer.mean[:, None, None, None]) / featurizer.std[
        :, None, None, None
    ]
    np.testing.assert_allclose(whole, expected, atol=1e-5)
    (steps,) = featurizer.steps(items[:1])
    squares = items[0].reshape(3, 4, 8, 4, 8, 4, 3).mean((3, 5)) / 255  # (K, T, 8, 8, C)
    np.testing.assert_allclose(steps[0, :192], squares.mean((0, 1)).ravel(), atol=1e-5)
    np.testing.assert_allclose(steps[0, 192:], np.abs(np.diff(squares, axis=1)).mean((0, 1)).ravel(), atol=1e-5)
    again = modality.load_featurizer(featurizer.to_json())
    np.testing.assert_array_equal(again.encode(items[1]), featurizer.encode(items[1]))
    with pytest.raises(RunError, match="lacks the scaling of the numbers"):
        modality.load_featurizer(featurizer.to_json() | {"mean": [0.0]})


@pytest.mark.slow
def test_lists_of_data_sets_are_trained_on_as_they_are(clips: Path, tmp_path: Path) -> None:
    kinetics, epic = tmp_path / "kinetics", tmp_path / "epic"
    listed = ["label,youtube_id,time_start,time_end,split"]
    spoken = ["participant_id,video_id,start_timestamp,stop_timestamp,verb,noun"]
    for row in range(COUNT):
        film = (clips.parent / f"{row}.mp4").read_bytes()
        label, split = ("right", "down")[row % 2], "validate" if row < 4 else "train"
        for folder, name in (
            (kinetics / split / label, f"id{row}_000010_000011.mp4"),
            (epic / "P01", f"P01_{row}.MP4"),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            if row != COUNT - 1 or folder.parent != kinetics / split:  # one is missing
                (folder / name).write_bytes(film)
        listed.append(f"{label},id{row},10,11,{split}")
        spoken += [
            f"P01,P01_{row},00:00:0{start},00:00:0{start + 0.8},{label},{'ab'[row // 4 % 2]}" for start in (0.0, 0.8)
        ]
    (kinetics / "k400.csv").write_text("\n".join(listed) + "\n")
    (epic / "train.csv").write_text("\n".join(spoken) + "\n")
    training = trained(kinetics / "k400.csv", tmp_path / "k", steps=1)
    assert "1 of 12 clips left out, because their videos are missing (id15)" in training.description
    assert "the splits are those in 'split'" in training.description
    assert len(training.task.examples.splits["validation"]) == 4  # type: ignore[attr-defined]
    training = trained(epic / "train.csv", tmp_path / "e", steps=1)
    assert "clips of one 'video_id' are kept in one split" in training.description
    (found,) = load(tmp_path / "e").predict([f"{epic / 'P01' / 'P01_3.MP4'}#t=0,0.8"])
    assert set(found.labels) == {"verb", "noun"}
