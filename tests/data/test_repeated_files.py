"""A file that stands in several rows is decoded, hashed and stored once; each of its rows is a row."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Unroll

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.item_store import Arrays
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.modalities.image import ImageInput
from unrolled.errors import DataError

pytest.importorskip("PIL")
from PIL import Image

ROWS = 5  # that name a picture


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)).save(path)


def write_captions(folder: Path, pictures: int, apart: bool = False) -> Path:
    """A csv with ROWS captions of each picture. apart: the captions of a picture are not beside each other."""
    for number in range(pictures):
        draw(folder / f"images/{number}.png", number)
    pairs = [(number, row) for number in range(pictures) for row in range(ROWS)]
    if apart:
        pairs.sort(key=lambda pair: pair[1])
    lines = [f"images/{number}.png,caption {row} of {number}" for number, row in pairs]
    path = folder / "captions.csv"
    path.write_text("\n".join(["image,caption", *lines, ""]))
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counter[str]]:
    """How often each file is decoded, and how often its digest is computed."""
    counts: dict[str, Counter[str]] = {"decoded": Counter(), "hashed": Counter()}

    def count(what: str, place: str) -> None:
        module, name = place.rsplit(".", 1)
        original: Callable[..., Any] = getattr(__import__(module, fromlist=[name]), name)

        def counting(path: Path, *others: Any) -> Any:
            counts[what][Path(path).name] += 1
            time.sleep(0.002)  # so that other rows come while a file is decoded
            return original(path, *others)

        monkeypatch.setattr(place, counting)

    count("decoded", "unrolled.data.modalities.image.read_image")
    count("hashed", "unrolled.data.dataset.seen_files.digest_of")
    return counts


@pytest.mark.parametrize("apart", [False, True])
def test_a_picture_in_several_rows_is_decoded_and_hashed_once(
    apart: bool, tmp_path: Path, counted: dict[str, Counter[str]]
) -> None:
    pictures = 70
    path = write_captions(tmp_path, pictures, apart)
    found = read_examples(path, DatasetOptions(task="seq2seq"))
    assert counted["decoded"] == counted["hashed"] == Counter({f"{n}.png": 1 for n in range(pictures)})
    items = found.items
    assert isinstance(items, Arrays)
    assert (len(items), items.unique_count) == (pictures * ROWS, pictures)
    expected, digest = [], hashlib.sha256()
    for line in path.read_text().splitlines()[1:]:
        name = line.split(",")[0]
        expected.append(int(Path(name).stem))
        digest.update(f"{name}\0{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}\n".encode())
    assert [items.unique(row) for row in range(len(items))] == expected
    for row, number in enumerate(expected):
        drawn = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
        np.testing.assert_array_equal(items[row], drawn)
    assert found.fingerprints["files"] == digest.hexdigest()
    assert found.repeated == 0  # the captions differ
    assert found.lengths.tolist() == [6] * len(items)
    assert "unreadable" not in found.description


def test_rows_with_a_picture_and_its_caption_twice_are_counted(tmp_path: Path) -> None:
    path = write_captions(tmp_path, 20)
    lines = path.read_text().splitlines()
    draw(tmp_path / "images/copy.png", 0)  # the same pixels in another file
    more = ["images/copy.png,caption 0 of 0", "images/copy.png,another"]
    path.write_text("\n".join([lines[0], *lines[1:], *lines[1:], *more, ""]))
    found = read_examples(path, DatasetOptions(task="seq2seq"))
    assert "101 rows are the same as an earlier one" in found.notes
    assert isinstance(found.items, Arrays)
    assert found.items.unique_count == 21  # files are told apart by their paths


def test_pictures_of_one_name_in_two_folders_are_two_files(tmp_path: Path) -> None:
    path = write_captions(tmp_path / "train", 20)
    draw(tmp_path / "dev/images/0.png", 99)
    (tmp_path / "dev/captions.csv").write_text("image,caption\nimages/0.png,a\nimages/0.png,b\n")
    options = DatasetOptions(task="seq2seq", valid=str(tmp_path / "dev/captions.csv"), test=0.0)
    found = read_examples(path, options)
    assert isinstance(found.items, Arrays)
    rows = found.splits["validation"].tolist()
    assert [found.items.unique(row) for row in rows] == [20, 20]
    drawn = np.random.default_rng(99).integers(0, 256, (6, 8, 3), np.uint8)
    np.testing.assert_array_equal(found.items[rows[1]], drawn)


def test_an_unreadable_picture_counts_once_and_its_rows_are_left_out(
    tmp_path: Path, counted: dict[str, Counter[str]]
) -> None:
    path = write_captions(tmp_path, 21, apart=True)
    (tmp_path / "images/3.png").write_bytes(b"no picture")
    found = read_examples(path, DatasetOptions(task="seq2seq"))
    assert len(found.numbers) == 20 * ROWS
    assert found.unreadable_rows == ROWS
    assert len(found.unreadable) == 1
    assert "row 5: " in found.unreadable[0]  # the first of them; the header is row 1
    assert "; 1 unreadable file left out, with the 5 rows that name it (" in found.description
    assert counted["decoded"]["3.png"] == 1
    assert not {3 + 21 * row for row in range(ROWS)} & {number - 2 for number in found.numbers.tolist()}
    (tmp_path / "images/5.png").unlink()
    found = read_examples(path, DatasetOptions(task="seq2seq"))
    assert "; 2 unreadable files left out, with the 10 rows that name them (" in found.description


def test_pictures_that_are_missing_in_over_a_tenth_of_rows_are_refused(tmp_path: Path) -> None:
    path = write_captions(tmp_path, 30)
    for number in range(4):
        (tmp_path / f"images/{number}.png").unlink()
    said = (
        r"captions\.csv: 20 of 150 rows cannot be read, because of 4 of 30 files:\n"
        r"(.*, row \d+: there is no file .*\n){3}and 1 more\.\nUp to 10% would be left out\."
    )
    with pytest.raises(DataError, match=said):
        read_examples(path, DatasetOptions(task="seq2seq"))


def test_missing_pictures_with_a_row_each_are_counted_as_pictures(tmp_path: Path) -> None:
    path = write_captions(tmp_path, 20)
    lines = "".join(f"images/gone{number}.png,a caption of a missing picture\n" for number in range(4))
    path.write_text(path.read_text() + lines)
    said = r"4 of 104 rows cannot be read, because of 4 of 24 files:"
    with pytest.raises(DataError, match=said):
        read_examples(path, DatasetOptions(task="seq2seq"))


def test_a_picture_of_one_colour_counts_once(tmp_path: Path) -> None:
    path = write_captions(tmp_path, 20)
    Image.fromarray(np.full((6, 8, 3), 9, np.uint8)).save(tmp_path / "images/0.png")
    description = read_examples(path, DatasetOptions(task="seq2seq")).description
    assert "; 1 of the images is of one colour" in description


def test_rows_share_an_array() -> None:
    made: list[int] = []

    def again() -> np.ndarray[Any, Any]:
        made.append(1)
        return np.full((4, 5), 2, np.int16)

    arrays = Arrays(budget=100)  # two of 40 bytes
    arrays.add(np.full((4, 5), 0, np.int16))
    arrays.add_same(0)
    arrays.add(np.full((3, 5), 1, np.int16))
    arrays.add_same(0)
    arrays.add(np.full((4, 5), 2, np.int16), again)  # beyond the budget
    arrays.add_same(4)
    arrays.add_same(2)
    numbers = [0, 0, 1, 0, 2, 2, 1]
    for store, expected in ((arrays, numbers), (arrays.select(np.array([6, 5, 3, 4, 2])), [1, 2, 0, 2, 1])):
        assert len(store) == len(expected)
        assert [store[row][0, 0] for row in range(len(store))] == expected
        assert store.lengths.tolist() == [3 if one == 1 else 4 for one in expected]
        assert store.unique_count == 3
        for row, one in enumerate(expected):
            same = [store.unique(other) == store.unique(row) for other in range(len(store))]
            assert same == [other == one for other in expected]
    assert made


def test_arrays_of_images_in_a_table_are_not_files(tmp_path: Path) -> None:
    images = np.repeat(np.random.default_rng(0).integers(0, 256, (10, 8, 8), np.uint8), 2, axis=0)
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(20) % 2)
    found = read_examples(tmp_path / "a.npz", DatasetOptions())
    assert isinstance(found.featurizer.input, ImageInput)
    assert isinstance(found.items, Arrays)
    assert found.items.unique_count == 20


def test_unreadable_files_are_listed_in_the_run(tmp_path: Path, unroll: Unroll) -> None:
    for number in range(60):
        draw(tmp_path / f"photos/{'ab'[number % 2]}/{number}.png", number)
    for number in range(5):
        (tmp_path / f"photos/a/{number}.jpg").write_bytes(b"no picture")
    options = ("--encoder", "lenet5", "--steps", "1", "--out", tmp_path / "run")
    result = unroll("train", tmp_path / "photos", *options)
    assert result.code == 0, result.err
    names = [f"{tmp_path}/photos/a/{number}.jpg cannot be read as an image" for number in range(5)]
    assert f"; 5 unreadable files left out ({'; '.join(names[:3])}; and 2 more)" in result.err
    assert json.loads((tmp_path / "run/run.json").read_text())["data"]["unreadable"] == names
    assert json.loads(unroll("info", tmp_path / "photos", "--json").out)["unreadable"] == names
    assert unroll("info", tmp_path / "run").code == 0
