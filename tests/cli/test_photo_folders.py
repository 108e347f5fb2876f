"""A training by itself on folders of real photographs, and `unroll predict` on each kind of file."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from commands import CommandResult, Unroll, opened, run_command
from photo_folders import FORMS, LABELS, part_of, save_as, write_photo_folders
from sample_photos import needs_samples

from unrolled.tasks.pretrained import PACKAGE

pytestmark = [needs_samples, pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")]


class Trained(NamedTuple):
    run: Path
    photos: Path
    result: CommandResult


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("photo folders")
    photos = write_photo_folders(folder / "photos", 14)
    whole = (photos / "cat" / "1 turned.jpg").read_bytes()
    (photos / "cat" / "cut off.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "cat" / "notes.txt").write_text("the cat of a friend")
    options = ("--steps", "2", "--threads", "1", "--cache", folder / "cache", "--out", folder / "run")
    result = run_command("train", photos, *options)
    assert result.code == 0, result.err
    return Trained(folder / "run", photos, result)


def test_the_training_says_what_it_reads_and_what_it_leaves_out(trained: Trained) -> None:
    said = trained.result.err
    assert "56 rows of folders: image" in said
    assert "one of 4 labels (camera, cat, coffee, rocket)" in said
    assert "ImageNet weights of efficientnet-lite0 (Apache License 2.0)" in said
    assert "1 unreadable file left out" in said and "cut off.jpg is damaged or truncated" in said
    assert "1 files of another kind left out" in said
    assert json.loads((trained.run / "run.json").read_text())["scores"]["outputs"]["label"]["accuracy"] == 1.0


@pytest.mark.parametrize("label", LABELS)
def test_each_form_of_file_gets_the_right_label(label: str, trained: Trained, unroll: Unroll, tmp_path: Path) -> None:
    generator = np.random.default_rng(7)
    for form in FORMS:
        save_as(part_of(LABELS[label], generator), form, tmp_path)
    result = unroll("predict", trained.run, tmp_path, "--json")
    found = {Path(one["text"]).name: one["outputs"]["label"] for one in map(json.loads, result.out.splitlines())}
    assert found.keys() == set(FORMS)
    assert {form: one["prediction"] for form, one in found.items()} == dict.fromkeys(FORMS, label)


def test_a_damaged_photograph_has_its_reason_in_place_of_a_label(
    trained: Trained, unroll: Unroll, tmp_path: Path
) -> None:
    whole = save_as(part_of(LABELS["rocket"], np.random.default_rng(1)), "turned.jpg", tmp_path)
    (tmp_path / "cut off.jpg").write_bytes(whole.read_bytes()[:900])
    result = unroll("predict", trained.run, tmp_path, "--json")
    damaged, sound = map(json.loads, result.out.splitlines())
    assert result.code == 0
    assert "cut off.jpg is damaged or truncated" in damaged["error"]
    assert sound["outputs"]["label"]["prediction"] == "rocket"


def test_a_run_sees_one_photograph_in_all_forms_of_file(trained: Trained, tmp_path: Path) -> None:
    image, run = part_of(LABELS["rocket"], np.random.default_rng(1)), opened(trained.run)
    pixels = {form: run.reader.take(str(save_as(image, form, tmp_path))).astype(float) for form in FORMS}
    upright = pixels["as it is.png"]
    assert upright.shape == (96, 96, 3)
    assert np.array_equal(pixels["tagged.tif"], upright), "without loss"
    for form in ("turned.jpg", "inks.jpg", "palette.png", "moving.gif"):
        assert np.abs(pixels[form] - upright).mean() < 4, form
        assert np.abs(pixels[form][::-1] - upright).mean() > 12, f"{form} has a top"
    deep = pixels["16 bits.png"]
    assert np.abs(deep - upright @ [[0.299], [0.587], [0.114]]).mean() < 1, "grey, as a television shows colours"
