"""Videos on pages: film strips of wrong predictions, and the frames that a prediction looks at."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run_command
from video_files import moving, write_video

from unrolled.data.media.thumbnails import film_strip
from unrolled.pages.overlay import overlay_frames
from unrolled.run import Training
from unrolled.tasks.pretrained import PACKAGE

pytest.importorskip("av", reason="needs the extra video")
image_module = pytest.importorskip("PIL.Image")
COUNT = 16
LABELS = ("right", "down")
NET = "r3d-18:width=0.03"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films with a table, and a run of a net for video alone."""
    folder = tmp_path_factory.mktemp("pages")
    rows = []
    for row in range(COUNT):
        label = LABELS[row % 2]
        write_video(folder / f"{row}.mp4", moving(row, label == "down", side=32))
        rows.append((f"{row}.mp4", label))
    with (folder / "films.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("film", "label"), *rows])
    train(folder, "net", encoder=NET, model=NET)
    return folder


def train(folder: Path, name: str, **options: Any) -> None:
    training = Training(
        folder / "films.csv", out=str(folder / name), threads=1, frames=4, image_size=32,
        **{"steps": 1, "batch_size": 4, **options},
    )  # fmt: skip
    for _ in training:
        pass


def test_a_page_shows_film_strips_of_wrong_predictions(folder: Path) -> None:
    with (folder / "swapped.csv").open("w", newline="") as file:  # each label is wrong for one of the two
        csv.writer(file).writerows([("film", "label"), *((f"{row}.mp4", one) for row in (3, 9) for one in LABELS)])
    (folder / "9.mp4").write_bytes((folder / "3.mp4").read_bytes())
    ran = run_command("evaluate", folder / "net", folder / "swapped.csv", "--errors", folder / "errors.html")
    assert ran.code == 0
    page = (folder / "errors.html").read_text()
    assert page.count('width="640" height="159" alt="3.mp4"') == 1 and page.count("data:image/jpeg") == 2
    assert "right → down" in page or "down → right" in page


@pytest.mark.parametrize("name", ["net", pytest.param("frames", marks=pytest.mark.slow)])
def test_maps_over_frames_are_a_picture_a_page_or_numbers(folder: Path, name: str) -> None:
    if name == "frames":
        if find_spec(PACKAGE) is None:
            pytest.skip("needs the extra video")
        train(folder, name, model="lstm", hidden_size=8)
    picture = folder / f"{name}.png"
    ran = run_command("predict", folder / name, folder / "3.mp4", "--json", "--show-attention", picture)
    assert ran.code == 0, ran
    assert image_module.open(picture).size == (4 * 114 - 2, 112)
    weights = np.array(_weights(json.loads(ran.out)))
    assert weights.ndim == 3 and len(weights) == 4 and weights.sum() == pytest.approx(1)
    lines = run_command("predict", folder / name, folder / "3.mp4", "--show-attention").out.splitlines()
    assert len(lines[-1].split()) == 4, "a number for each frame"
    ran = run_command("predict", folder / name, folder / "films.csv", "--show-attention", folder / f"{name}.html")
    assert (folder / f"{name}.html").read_text().count("data:image/jpeg") == 2 * COUNT


@pytest.mark.slow
def test_a_linear_model_has_no_frames_to_show(folder: Path) -> None:
    train(folder, "linear", encoder="frames", model="linear", steps=None, batch_size=None)
    ran = run_command("predict", folder / "linear", folder / "3.mp4", "--show-attention")
    assert ran.code == 2 and "shows which frames a net looks at, but the selected model is linear" in ran.err


def _weights(facts: Any) -> Any:
    """The weights of the first map in JSON."""
    if isinstance(facts, dict):
        if "weights" in facts:
            return facts["weights"]
        return next((found for one in facts.values() if (found := _weights(one)) is not None), None)
    return None


def test_many_frames_are_shown_by_some_with_the_sums_of_their_maps() -> None:
    frames = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None, None], 3, 3).repeat(8, 1).repeat(8, 2)
    weights = np.zeros((40, 1, 1))
    weights[39] = 1.0
    plain, mapped = overlay_frames(frames, weights.tolist())
    assert plain.shape == mapped.shape == (2 * 114 - 2, 8 * 114 - 2, 3)
    bright = mapped[56::114, 56::114].sum(2)
    assert bright.shape == (2, 8) and bright.argmax() == 15, "the last of sixteen"
    assert plain[56, 56].tolist() == [1, 1, 1], "the frame in the middle of the first two"
    assert film_strip([frames[0]] * 3, 16).shape == (16, 3 * 18 - 2, 3)
