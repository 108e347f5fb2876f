"""Arrays that may be images and are read as vectors get a note with the option that reads them as images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.options import TrainOptions
from unrolled.run import info_data

GENERATOR = np.random.default_rng(0)
LABELS = np.arange(60) % 2
SAID = "may be images, but each of their rows is read as a step; as images: "
PICTURES: dict[str, tuple[NDArray[Any], str, str]] = {
    "floats": (GENERATOR.random((60, 3, 12, 12)).astype(np.float32), "3 x 12 x 12", "--input-type image"),
    "whole numbers": (GENERATOR.integers(0, 256, (60, 3, 32, 32)), "3 x 32 x 32", "--input-type image"),
    "colours last": (GENERATOR.integers(0, 256, (60, 9, 8, 3)) * 1.0, "9 x 8 x 3", "--input-type image"),
    "grey floats": (GENERATOR.random((60, 28, 28)), "28 x 28", "--input-type image"),
    "a colour": (GENERATOR.integers(0, 256, (60, 1, 9, 8)), "1 x 9 x 8", "--input-type image"),
    "broken numbers": (GENERATOR.random((60, 28, 28)) * 255, "28 x 28", "--input-type image"),
    "no alpha": (GENERATOR.integers(0, 256, (60, 12, 12, 4), np.uint8), "12 x 12 x 4", "--input-type image"),
    "centred": (GENERATOR.normal(size=(60, 3, 12, 12)), "3 x 12 x 12", "whole numbers from 0 to 255"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_arrays_that_may_be_images_have_a_note(case: str, tmp_path: Path) -> None:
    x, sides, cure = PICTURES[case]
    path = tmp_path / "a.npz"
    np.savez(path, x=x, y=LABELS)
    told = info_data(path)["description"]
    assert f"x: arrays of {sides} {SAID}" in told
    assert cure in told
    if cure.startswith("--input-type"):
        assert "x (images of " in info_data(path, TrainOptions(input_type="image"))["description"]
    np.savez(path, x=x, y=LABELS)
    assert SAID not in info_data(path, TrainOptions(input_type="vectors"))["description"]  # where it is requested


OTHERS: dict[str, NDArray[Any]] = {
    "a series": GENERATOR.normal(size=(60, 50, 6)),
    "a series of three": GENERATOR.normal(size=(60, 3, 50)),
    "numbers": GENERATOR.random((60, 20)),
    "few steps": GENERATOR.random((60, 4, 4)),
    "a square below zero": GENERATOR.normal(size=(60, 12, 12)),
    "bytes": GENERATOR.integers(0, 256, (60, 8, 8)).astype(np.uint8),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_arrays_have_no_note(case: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=OTHERS[case], y=LABELS)
    assert "may be images" not in info_data(tmp_path / "a.npz")["description"]


def test_arrays_and_lists_are_no_paths_of_audio_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=GENERATOR.integers(0, 256, (60, 8, 8)).astype(np.uint8), y=LABELS)
    lists = [{"x": ["a", "b"], "y": f"{number % 2}"} for number in range(60)]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    for name, found in (("a.npz", "an array"), ("b.jsonl", "a list")):
        with pytest.raises(DataError, match=f"{found}, where the path of a file was expected.\nLeave out --input"):
            info_data(tmp_path / name, TrainOptions(input_type="audio", input="x", output="y"))


def test_a_cell_that_is_too_long_for_a_path_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{'long ' * 2000},{number % 2}\n" for number in range(60)))
    with pytest.raises(DataError, match=r"a\.csv, row 2: there is no file '.*(long )+lo?n?g?…'"):
        info_data(tmp_path / "a.csv", TrainOptions(input_type="audio"))
