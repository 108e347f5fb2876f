"""Validation and test files of rows that are trained on too are refused, each by itself, unless rows recur anyway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError

COLOURS, PLACES = ("red", "green", "blue"), ("hill", "lake")


def texts(path: Path, start: int, stop: int) -> Path:
    rows = [f"a text with the number {n} and the colour {COLOURS[n % 3]},{PLACES[n % 2]}" for n in range(start, stop)]
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


def numbers(path: Path, start: int, stop: int) -> Path:
    rows = [f"{n * 1.37:.2f},{n % 7}.5,{PLACES[n % 2]}" for n in range(start, stop)]
    path.write_text("\n".join(["length,width,label", *rows]) + "\n")
    return path


def images(path: Path, start: int, stop: int) -> Path:
    pixels = np.stack([np.random.default_rng(n).integers(0, 256, (8, 8, 3), np.uint8) for n in range(start, stop)])
    path = path.with_suffix(".npz")
    np.savez(path, x=pixels, y=np.arange(start, stop) % 2)
    return path


@pytest.mark.parametrize("write", [texts, numbers, images])
def test_a_file_of_training_rows_is_refused_for_every_kind_of_rows(
    tmp_path: Path, write: Callable[[Path, int, int], Path]
) -> None:
    path = write(tmp_path / "t.csv", 0, 100)
    held = str(write(tmp_path / "held.csv", 92, 100))
    for split, options in (("validation", DatasetOptions(valid=held)), ("test", DatasetOptions(test=held))):
        with pytest.raises(DataError, match=rf"of the 8 rows of the {split} split are in the training split too"):
            read_examples(path, options)
    fresh = str(write(tmp_path / "fresh.csv", 100, 120))
    with pytest.raises(DataError, match=r"5 of the 10 rows of the test split are in the validation split too"):
        read_examples(path, DatasetOptions(valid=fresh, test=str(write(tmp_path / "more.csv", 115, 125))))


def test_up_to_a_tenth_is_counted(tmp_path: Path) -> None:
    path, held = texts(tmp_path / "t.csv", 0, 100), texts(tmp_path / "held.csv", 99, 109)
    examples = read_examples(path, DatasetOptions(valid="none", test=str(held)))
    assert examples.repeated == 1
    assert "; 1 row of validation and test is in the training split too" in examples.description


def test_rows_that_recur_in_training_may_recur(tmp_path: Path) -> None:
    """Four different rows: every file of such rows has rows of training."""
    rows = [f"{n % 2},{n // 2 % 2},{PLACES[(n + n // 2) % 2]}" for n in range(40)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,label", *rows]) + "\n")
    held = tmp_path / "held.csv"
    held.write_text("\n".join(["a,b,label", *rows[:12]]) + "\n")
    assert read_examples(path, DatasetOptions(valid=str(held))).repeated > 12
