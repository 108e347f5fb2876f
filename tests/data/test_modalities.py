"""Laws of modalities, over their table: recognised, saved, encoded and batched alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import unrolled
from unrolled.data.dataset.batches import RowBatch, pad_items
from unrolled.data.dataset.item_store import Arrays
from unrolled.data.modalities.audio import AudioInput
from unrolled.data.modalities.base import STEP, Featurizer, FrozenNet, Modality, StepOptions, WholeImages
from unrolled.data.modalities.category import CategoryFeaturizer, CategoryInput
from unrolled.data.modalities.image import ImageInput
from unrolled.data.modalities.table import MODALITIES, featurizer_from_json, modality_from_json, modality_of
from unrolled.data.modalities.text import TOKENS, TextInput
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.modalities.video import VideoInput
from unrolled.options import CHOICES
from unrolled.seeds import numpy_generator

RANDOM = numpy_generator(0, "modalities")


@dataclass
class Row:
    """A row of the table of laws: a modality as measured, some of its items, and cells that it recognises."""

    modality: Modality
    items: list[Any]
    cells: list[Any]
    whole_images: WholeImages | None = None
    net: FrozenNet | None = None  # that a featurizer needs

    def options(self, stem: str) -> StepOptions:
        return StepOptions(stem=stem, whole_images=self.whole_images)


class MeanColours:
    """A pretrained net whose vector of an image is its mean colour."""

    width = places = early_width = 1
    size, has_end = 3, False

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float16]]:
        return [image.mean((0, 1))[:1].reshape(1, 1).astype(np.float16) for image in images]

    early = __call__

    def vectors(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return np.stack([image.mean((0, 1)) for image in images]).astype(np.float32)

    frame_vectors = vectors

    def facts(self) -> dict[str, Any]:
        return {"weights": "mean colours"}


NET = MeanColours()

ROWS = {
    "text": Row(TextInput(), ["the cat", "", "a dog that barks"], ["the cat", "12 dogs"]),
    "category": Row(CategoryInput(), ["red", "blue", "red"], []),
    "vectors": Row(VectorInput(3), [RANDOM.normal(size=(steps, 3)) for steps in (4, 1, 6)], ["1.5", "2", "-3e4"]),
    "audio": Row(
        AudioInput(8000), [RANDOM.integers(-9000, 9000, size).astype(np.int16) for size in (4000, 2000)],
        ["a/1.wav", "b/2.FLAC"],
    ),
    "image": Row(
        ImageInput(8, 12, grey=False), [RANDOM.integers(0, 256, (8, 12, 3), np.uint8) for _ in range(3)],
        ["a/1.png", "b/2.JPG"],
    ),
    "video": Row(
        VideoInput(4, 32), [RANDOM.integers(0, 256, (4, 32, 32, 3), np.uint8) for _ in range(3)],
        ["a/1.mp4", "b/2.MKV"], WholeImages(32, make_frozen=lambda side: NET), NET,
    ),
}  # fmt: skip
CASES = [(name, stem) for name, row in ROWS.items() for stem in ("auto", *row.modality.stems)]


def test_the_tables_agree() -> None:
    assert set(ROWS) == set(MODALITIES) == set(CHOICES["input_type"])
    assert set(CHOICES["stem"]) == {"auto"}.union(*(one.stems for one in MODALITIES.values()))
    assert all(name == one.name for name, one in MODALITIES.items())


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.cells])
def test_its_cells_are_recognised(name: str) -> None:
    assert modality_of(ROWS[name].cells) == name


@pytest.mark.parametrize("name", ROWS)
def test_it_is_saved_whole(name: str) -> None:
    modality = ROWS[name].modality
    assert modality_from_json(json.loads(json.dumps(modality.to_json()))) == modality


@pytest.mark.parametrize(("name", "stem"), CASES)
def test_items_become_arrays_with_the_axes_that_are_said(name: str, stem: str) -> None:
    row = ROWS[name]
    featurizer = row.modality.learn_featurizer(row.items, row.options(stem))
    assert featurizer.fits(row.options(stem)) and featurizer.input == row.modality
    again = featurizer_from_json(json.loads(json.dumps(featurizer.to_json())))
    if row.net is not None:
        again.attach(row.net)  # type: ignore[attr-defined]
    for item in row.items:
        encoded = featurizer.encode(item)
        assert encoded.ndim == len(featurizer.axes) and len(encoded) == len(featurizer.step_names(item))
        assert encoded.dtype == (np.int64 if featurizer.width is None else np.float32)
        assert featurizer.width in (None, encoded.shape[-1])
        assert np.array_equal(again.encode(item), encoded)


@pytest.mark.parametrize(("name", "stem"), CASES)
def test_a_row_is_the_same_in_any_batch(name: str, stem: str) -> None:
    row = ROWS[name]
    featurizer = row.modality.learn_featurizer(row.items, row.options(stem))
    inputs, lengths = pad_items(featurizer, row.items, size=5)
    assert len(inputs) == 5 and lengths.tolist()[len(row.items) :] == [0] * (5 - len(row.items))
    for place, item in enumerate(row.items):
        (alone,), (length,) = pad_items(featurizer, [item])
        assert lengths[place] == length
        here = inputs[place][tuple(slice(size) for size in alone.shape)]
        assert torch.equal(here, alone)
        assert inputs[place].count_nonzero() == alone.count_nonzero(), "all else is padding"


TARGETS = torch.tensor([4, 5, -100])  # the last row has none


class Pixels(Featurizer):
    """An item without an axis of steps."""

    kind, step_description, width = "pixels", "a picture at once", 5
    axes: ClassVar[tuple[str, ...]] = ("channel", "height", "width")
    recipe = TOKENS

    def encode(self, item: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.moveaxis(item, 2, 0), np.float32)

    def to_json(self) -> dict[str, Any]:
        return {}


class Frames(Pixels):
    """A film: steps, each a picture."""

    kind = "frames"
    axes: ClassVar[tuple[str, ...]] = (STEP, "channel", "height", "width")

    def encode(self, item: Any) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.moveaxis(item, 3, 1), np.float32)


def test_items_without_steps_are_one_step_each() -> None:
    pictures = [np.full((4, 5, 3), value, np.uint8) for value in (1, 2)]
    inputs, lengths = pad_items(Pixels(), pictures, size=3)
    assert inputs.shape == (3, 3, 4, 5) and lengths.tolist() == [1, 1, 0]
    assert [float(row.mean()) for row in inputs] == [1, 2, 0]
    batch = RowBatch(
        inputs, lengths, torch.ones(3, dtype=torch.bool), {"y": torch.tensor([4, 5, -100])}, axes=Pixels.axes
    )
    assert batch.steps == 1 and batch.doubled().axes == Pixels.axes
    assert torch.equal(batch.cut(0, 1).inputs, inputs)


def test_films_are_padded_in_time() -> None:
    films = [np.full((frames, 4, 5, 3), frames, np.uint8) for frames in (2, 3)]
    inputs, lengths = pad_items(Frames(), films)
    assert inputs.shape == (2, 3, 3, 4, 5) and lengths.tolist() == [2, 3]
    assert inputs[0, 2].count_nonzero() == 0
    batch = RowBatch(inputs, lengths, torch.ones(2, dtype=torch.bool), {"y": torch.tensor([4, 5])}, axes=Frames.axes)
    assert batch.steps == 3
    later = batch.cut(2, 3)
    assert later.inputs.shape == (2, 1, 3, 4, 5) and later.lengths.tolist() == [0, 1]
    assert later.targets["y"].tolist()[1] == 5 and later.targets["y"][0] != 4


def test_arrays_of_any_axes_are_stored() -> None:
    items = [np.arange(24).reshape(2, 3, 4), np.arange(5), np.arange(48).reshape(2, 3, 2, 2, 2)]
    store = Arrays()
    for item in items:
        store.add(item)
    assert [store[place].shape for place in range(3)] == [item.shape for item in items]
    assert all(np.array_equal(store[place], item) for place, item in enumerate(items))
    assert store.lengths.tolist() == [2, 5, 2]
    assert store.select(np.array([2, 0]))[0].shape == (2, 3, 2, 2, 2)


def test_a_new_modality_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class ColourFeaturizer(CategoryFeaturizer):
        kind = "colour"

    class ColourInput(CategoryInput):
        name, noun = "colour", "colours"

        def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> ColourFeaturizer:
            return ColourFeaturizer(sorted(set(items)))

        def load_featurizer(self, value: Mapping[str, Any]) -> ColourFeaturizer:
            return ColourFeaturizer(value["names"])

    monkeypatch.setattr(ColourFeaturizer, "input", ColourInput())
    monkeypatch.setitem(MODALITIES, "colour", ColourInput)
    monkeypatch.setitem(CHOICES, "input_type", (*CHOICES["input_type"], "colour"))
    rows = "".join(f"{('red', 'blue')[n % 2]},{('warm', 'cold')[n % 2]}\n" for n in range(60))
    (tmp_path / "colours.csv").write_text("paint,label\n" + rows)
    run = unrolled.train(
        tmp_path / "colours.csv", input_type="colour", model="lstm", steps=2, hidden_size=8, threads=1,
        out=tmp_path / "run",
    )  # fmt: skip
    assert [one.text for one in unrolled.load(run.path).predict(["red", "green"])] == ["red", "green"]
    assert run.evaluate(str(tmp_path / "colours.csv")).to_dict()["outputs"]["label"]["rows"] == 60
