"""Arrays and nested lists as images: grey or in colour, transparent, channels first or last, any range of values."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.modalities.base import WholeImages
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.image_arrays import BYTES, are_images, as_image, measure_arrays
from unrolled.errors import DataError

GENERATOR = np.random.default_rng(0)
COUNT = 40
LABELS = np.arange(COUNT) % 2
COLOUR = GENERATOR.integers(0, 256, (COUNT, 8, 6, 3)).astype(np.uint8)
COLOUR[:, 0, 0], COLOUR[:, 0, 1] = 0, 255  # so that each has the whole range
SEEN = np.where(GENERATOR.random((COUNT, 8, 6, 1)) < 0.6, 255, 0).astype(np.uint8)
HALF = np.full((COUNT, 8, 6, 1), 51, np.uint8)  # a fifth of 255
WHOLE = WholeImages(32)


def read(path: Path, x: Any, whole: WholeImages | None = None, kind: str | None = None) -> Examples:
    np.savez(path, x=x, y=LABELS)
    return read_examples(path, DatasetOptions(whole_images=whole, input_type=kind))


def items_of(examples: Examples) -> NDArray[np.uint8]:
    return np.stack([np.asarray(examples.items[row]) for row in range(COUNT)])


def on_white(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = alpha / 255
    return np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)


GREY, BITS16 = COLOUR[..., :1], COLOUR[..., 0].astype(np.uint16) * 256 + 255
CASES: dict[str, tuple[NDArray[Any], NDArray[np.uint8]]] = {
    "colours last": (COLOUR, COLOUR),
    "colours first": (np.moveaxis(COLOUR, 3, 1), COLOUR),
    "grey": (GREY[..., 0], GREY),
    "grey, channel first": (np.moveaxis(GREY, 3, 1), GREY),
    "transparent": (np.concatenate([COLOUR, SEEN], 3), on_white(COLOUR, SEEN)),
    "transparent, channels first": (np.moveaxis(np.concatenate([COLOUR, SEEN], 3), 3, 1), on_white(COLOUR, SEEN)),
}
OTHERS: dict[str, tuple[NDArray[Any], NDArray[np.uint8]]] = {  # images for a net that reads images
    "from 0 to 1": ((COLOUR / 255).astype(np.float32), COLOUR),
    "from 0 to 1, channels first": (np.moveaxis(COLOUR / 255, 3, 1), COLOUR),
    "bytes as other numbers": (COLOUR.astype(np.int64), COLOUR),
    "from 0 to 255 with decimals": (np.clip(COLOUR + 0.2, 0, 255), COLOUR),
    "16 bits": (BITS16, GREY),
    "12 bits": (GREY[..., 0].astype(np.uint16) * 16, GREY),
    "yes or no": (GREY[..., 0] > 99, np.where(GREY > 99, 255, 0).astype(np.uint8)),
    "grey and transparent": (np.concatenate([GREY, SEEN], 3), on_white(GREY, SEEN)),
    "half transparent": (np.concatenate([COLOUR, HALF], 3), on_white(COLOUR, HALF)),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_of_bytes_are_images(case: str, tmp_path: Path) -> None:
    x, expected = CASES[case]
    np.testing.assert_array_equal(items_of(read(tmp_path / "a.npz", x)), expected)


@pytest.mark.parametrize("case", OTHERS)
def test_other_numbers_are_images_for_whoever_asks_for_images(case: str, tmp_path: Path) -> None:
    x, expected = OTHERS[case]
    requested = [read(tmp_path / "a.npz", x, kind="image")]
    if case != "half transparent":  # bytes, of which the fourth channel may be infrared
        requested.append(read(tmp_path / "a.npz", x, whole=WHOLE))
    for examples in requested:
        assert isinstance(examples.featurizer.input, ImageInput)
        np.testing.assert_array_equal(items_of(examples), expected)
    assert not isinstance(read(tmp_path / "a.npz", x).featurizer.input, ImageInput)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_nested_lists_are_images(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    for x, expected in (CASES["colours last"], CASES["transparent"], CASES["grey"], OTHERS["from 0 to 1"]):
        if suffix == "jsonl":
            rows = [{"x": one.tolist(), "y": int(label)} for one, label in zip(x, LABELS, strict=True)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            polars = pytest.importorskip("polars")
            polars.DataFrame({"x": x.tolist(), "y": LABELS}).write_parquet(path)
        for options in (DatasetOptions(whole_images=WHOLE), DatasetOptions(input_type="image")):
            np.testing.assert_array_equal(items_of(read_examples(path, options)), expected)


def test_a_fourth_channel_that_is_not_alpha_is_no_image(tmp_path: Path) -> None:
    infrared = GENERATOR.integers(1, 255, (COUNT, 8, 6, 4)).astype(np.uint8)
    assert not are_images(list(infrared))
    assert read(tmp_path / "a.npz", infrared).featurizer.step_description == "24 numbers per step"


def test_transparent_drawings_in_white_lie_on_black() -> None:
    drawings = np.concatenate([np.full((COUNT, 8, 6, 3), 255, np.uint8), SEEN], 3)
    depth, ground = measure_arrays(list(drawings))
    assert (depth, ground) == (BYTES, 0)
    np.testing.assert_array_equal(as_image(drawings[0], "x", depth, ground), np.repeat(SEEN[0], 3, 2))


def test_images_of_another_range_are_named(tmp_path: Path) -> None:
    x = COLOUR / 255
    x[33] *= 255
    with pytest.raises(
        DataError, match=r"a\.npz, row 34: an image with numbers from 0 to 255; in other rows they are"
    ):
        np.savez(tmp_path / "a.npz", x=x, y=LABELS)
        as_image(x[33], f"{tmp_path}/a.npz, row 34", measure_arrays(list(x[:33]))[0])
    centred = GENERATOR.normal(size=(COUNT, 8, 6, 3))
    with pytest.raises(
        DataError, match=r"row 1: numbers that are not bytes; an image has whole numbers from 0 to 255"
    ):
        read(tmp_path / "a.npz", centred, kind="image")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ([["a", "b"]], "a list that is no rectangle of numbers; an image has height, width and 1 to 4 channels"),
        ([[1, 2], [3]], "a list that is no rectangle of numbers"),
        (np.zeros((6, 5, 7), np.uint8), r"an array of shape \(6, 5, 7\); an image has"),
        (np.zeros(7, np.uint8), r"an array of shape \(7,\); an image has"),
        ([[float("nan")]], "a list with a number that is not finite: nan or inf"),
        (np.full((6, 6), np.nan), "an array with a number that is not finite: nan or inf"),
    ],
)
def test_other_cells_are_no_images(cell: Any, words: str) -> None:
    with pytest.raises(DataError, match=f"^a, row 1: {words}"):
        as_image(cell, "a, row 1")


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 3, 3), (1, 9), (5, 5), (3, 5, 5)])
def test_small_images_are_read(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = GENERATOR.integers(0, 256, (COUNT, *shape)).astype(np.uint8)
    items = items_of(read(tmp_path / "a.npz", x))
    expected = np.moveaxis(x, 1, 3) if shape == (3, 5, 5) else x.reshape(COUNT, *shape[:2], -1)
    np.testing.assert_array_equal(items, expected)


def encode(pixels: NDArray[np.uint8], form: str = "PNG") -> bytes:
    content = BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


@pytest.mark.parametrize("with_path", [True, False])
def test_image_files_inside_a_parquet_file_are_read(with_path: bool, tmp_path: Path) -> None:
    """As in data sets on Hugging Face; they were read as text."""
    polars = pytest.importorskip("polars")
    files = [encode(one) for one in COLOUR]
    files[7] = files[7][:90]  # truncated
    cells = [{"bytes": one, "path": f"{number}.png"} for number, one in enumerate(files)] if with_path else files
    polars.DataFrame({"image": cells, "label": LABELS}).write_parquet(tmp_path / "a.parquet")
    found = read_examples(tmp_path / "a.parquet", DatasetOptions())
    assert found.featurizer.input == ImageInput(8, 6, False)
    others = np.delete(np.arange(COUNT), 7)
    np.testing.assert_array_equal(
        np.stack([np.asarray(found.items[row]) for row in range(COUNT - 1)]), COLOUR[others]
    )
    assert len(found.unreadable) == 1
    assert re.match(r".*a\.parquet, row 8 is damaged or truncated: ", found.unreadable[0])


def test_paths_in_a_parquet_file_of_images_are_read(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    cells = [{"bytes": None, "path": f"{number}.png"} for number in range(COUNT)]
    for number, one in enumerate(COLOUR):
        (tmp_path / f"{number}.png").write_bytes(encode(one))
    polars.DataFrame({"image": cells, "label": LABELS}).write_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(items_of(read_examples(tmp_path / "a.parquet", DatasetOptions())), COLOUR)


def test_other_bytes_in_a_parquet_file_are_refused(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    for cells in ([b"RIFF and a sound"] * COUNT, [{"bytes": b"RIFF and a sound", "path": "a.wav"}] * COUNT):
        polars.DataFrame({"audio": cells, "label": LABELS}).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(
            DataError, match=r"a\.parquet: 'audio' holds bytes that are no images\. Save them as files"
        ):
            read_examples(tmp_path / "a.parquet", DatasetOptions())
