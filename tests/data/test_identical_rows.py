"""Rows that are equal once they are decoded stop a training, whatever made them equal; decoding keeps its memory
limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.media.base import Budget, InFlight
from unrolled.data.modalities.image import ImageInput
from unrolled.errors import DataError

COUNT = 20


def save_pictures(folder: Path, picture: Callable[[int], np.ndarray[Any, Any]]) -> Path:
    image = pytest.importorskip("PIL.Image")
    for number in range(COUNT):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(picture(number)).save(path)
    return folder


def save_sounds(folder: Path, samples: Callable[[int], np.ndarray[Any, Any]]) -> Path:
    soundfile = pytest.importorskip("soundfile")
    for number in range(COUNT):
        path = folder / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples(number), 8000)
    return folder


def see_through(number: int) -> np.ndarray[Any, Any]:
    """Images that look blank although their colours differ."""
    picture = np.full((8, 8, 4), 10 * number, np.uint8)
    picture[..., 3] = 0
    return picture


def noise(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).normal(0, 0.1, 800 + 10 * count)


def test_images_that_show_nothing_stop_a_training(tmp_path: Path) -> None:
    folder = save_pictures(tmp_path, see_through)
    with pytest.raises(
        DataError,
        match=r"16 of the 16 rows checked are nearly the same image, white throughout, so there",
    ) as raised:
        read_examples(folder, DatasetOptions())
    assert str(raised.value).count("\n") < 3


def test_silent_audio_stops_a_training_and_some_silent_files_are_counted(tmp_path: Path) -> None:
    silent = save_sounds(tmp_path / "silent", lambda number: np.zeros(800 + 10 * number))
    with pytest.raises(DataError, match=r"16 of the 16 rows checked are silent throughout"):
        read_examples(silent, DatasetOptions())
    some = save_sounds(tmp_path / "some", lambda number: noise(number) * (number % 4 > 0))
    assert "; 5 of the audio files are silent" in read_examples(some, DatasetOptions()).description


def test_16_bit_images_and_white_drawings_differ_after_decoding(tmp_path: Path) -> None:
    """Images that were black, or white, throughout before bit depth and background were considered."""

    def deep(number: int) -> np.ndarray[Any, Any]:
        return np.full((8, 8), 100 + number, np.uint16)

    examples = read_examples(save_pictures(tmp_path / "deep", deep), DatasetOptions())
    assert examples.featurizer.input == ImageInput(8, 8, True, 100, 119)
    assert len({examples.items[row].tobytes() for row in range(COUNT)}) == COUNT  # type: ignore[union-attr]

    def drawn(number: int) -> np.ndarray[Any, Any]:
        picture = np.full((8, 8, 4), 255, np.uint8)
        picture[..., 3] = 0
        picture[number % 8, :, 3] = 255
        return picture

    examples = read_examples(save_pictures(tmp_path / "drawn", drawn), DatasetOptions())
    assert examples.featurizer.input == ImageInput(8, 8, False, ground=0)
    assert len({examples.items[row].tobytes() for row in range(COUNT)}) == 8  # type: ignore[union-attr]


@pytest.mark.parametrize("x", [np.zeros((COUNT, 6, 5), np.uint8), np.ones((COUNT, 4))])
def test_equal_arrays_stop_a_training(x: np.ndarray[Any, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=x, y=np.array(["a", "b"] * (COUNT // 2)))
    with pytest.raises(DataError, match=r"16 of the 16 rows checked are "):
        read_examples(tmp_path / "t.npz", DatasetOptions())


def test_equal_texts_stop_a_training(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "the same film,a\nthe same film,b\n" * 10)
    with pytest.raises(DataError, match=r"are the same, 'the same film', so there is .*\nChoose"):
        read_examples(tmp_path / "t.csv", DatasetOptions())


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_with_channels_first_are_images(channels: int, tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (COUNT, channels, 6, 8), np.uint8)
    np.savez(tmp_path / "t.npz", x=stack, y=np.array(["a", "b"] * (COUNT // 2)))
    examples = read_examples(tmp_path / "t.npz", DatasetOptions())
    assert examples.featurizer.input == ImageInput(6, 8, channels == 1)
    np.testing.assert_array_equal(examples.items[3], np.moveaxis(stack[3], 0, 2))
    np.savez(tmp_path / "f.npz", x=stack / 255, y=np.array(["a", "b"] * (COUNT // 2)))
    examples = read_examples(tmp_path / "f.npz", DatasetOptions())
    assert examples.lengths.tolist() == [6] * COUNT  # one row of the image per step
    expected = np.moveaxis(stack[3], 0, 2).reshape(6, -1) / 255
    np.testing.assert_allclose(np.asarray(examples.items[3]), expected, rtol=1e-6)


def test_a_budget_is_kept_by_all_threads_together() -> None:
    budget, together, most = Budget(100), [0], [0]
    lock = threading.Lock()

    def decode(count: int) -> None:
        with budget.hold(count):
            with lock:
                together[0] += count
                most[0] = max(most[0], together[0])
            time.sleep(0.002)
            with lock:
                together[0] -= count

    threads = [threading.Thread(target=decode, args=(count,)) for count in [40, 50, 60, 300, 30] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most[0] == 300  # items that alone take more memory were decoded alone
    assert budget.used == 0


def test_waiting_items_stay_within_a_budget_but_for_the_next() -> None:
    flight, done = InFlight(10), list[int]()

    def decode(number: int) -> None:
        flight.wait(number)
        flight.add(20)
        done.append(number)

    flight.add(20)
    threads = [threading.Thread(target=decode, args=(number,)) for number in (2, 1, 0)]
    for thread in threads:
        thread.start()
    threads[2].join(10)
    time.sleep(0.01)
    assert done == [0]
    flight.take(20)
    threads[1].join(10)
    assert done == [0, 1]
    flight.end()
    threads[0].join(10)
    assert done == [0, 1, 2]


def test_reading_that_fails_in_the_middle_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that wait for memory are released."""
    monkeypatch.setattr("unrolled.data.dataset.read_rows.HELD", 1)
    monkeypatch.setattr("unrolled.data.dataset.read_rows.AHEAD", 4)
    folder = save_pictures(tmp_path, lambda number: np.full((8, 8), 10 * number, np.uint8))
    assert len(read_examples(folder, DatasetOptions()).numbers) == COUNT

    def fail(*_: Any) -> None:
        raise DataError("in the middle")

    monkeypatch.setattr("unrolled.data.dataset.read_rows.RowReader._add_cells", fail)
    with pytest.raises(DataError, match="in the middle"):
        read_examples(folder, DatasetOptions())
