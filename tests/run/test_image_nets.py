"""Nets for whole images, `--encoder`: trained, resumed, started from, and refused where they do not apply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

import unrolled
from unrolled.data.modalities.base import StepOptions, WholeImages
from unrolled.data.modalities.image import ImageInput
from unrolled.errors import OptionError, RunError
from unrolled.model.encoders import ImageEncoder
from unrolled.model.encoders import images as encoders
from unrolled.model.nets.table import make_net
from unrolled.run import training
from unrolled.run.training import Training
from unrolled.tasks.prediction import task as prediction
from unrolled.training.plan import Plan

NORMED = "cifar-resnet20:width=0.25"


def write_images(path: Path, colour: bool = True, classes: int = 3, side: int = 12) -> Path:
    """Images of noise in which a bright square has one of `classes` places."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % classes
    images = random.integers(0, 90, (90, side, side, 3 if colour else 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[: side // classes, side // classes * label : side // classes * (label + 1)] += 150
    np.savez(path, x=images, y=labels)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images") / "images.npz")


def train(path: Path, out: Path, steps: int = 4, **options: Any) -> Training:
    training = Training(path, out=str(out), steps=steps, threads=1, **options)
    for _ in training:
        pass
    return training


@pytest.mark.parametrize(("encoder", "steps"), [("lenet5", 60), pytest.param(NORMED, 120, marks=pytest.mark.slow)])
def test_a_net_learns_where_the_square_is(encoder: str, steps: int, images: Path, tmp_path: Path) -> None:
    training = train(images, tmp_path / "run", steps, encoder=encoder, augment="no")
    averaged = training.training_state.optimiser.averaged
    assert training.task.evaluate(averaged, "validation", 90).nats < 0.2, "ln 3 is 1.1"
    assert unrolled.load(tmp_path / "run").evaluate(images).lines


def test_a_resumed_training_has_the_same_weights(images: Path, tmp_path: Path) -> None:
    train(images, tmp_path / "whole", 6, encoder=NORMED)
    training = Training(images, out=str(tmp_path / "parts"), steps=6, threads=1, encoder=NORMED)
    for report in training:
        if report.step == 3:
            training.stop()
    for _ in Training.resume(tmp_path / "parts"):
        pass
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() and any("running_mean" in name for name in whole)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_padding_rows_do_not_reach_batch_norm() -> None:
    one, other = (ImageEncoder(make_net(NORMED)).train() for _ in range(2))
    other.load_state_dict(one.state_dict())
    rows = torch.randn(3, 3, 8, 8)
    padded = torch.cat([rows, torch.full((2, 3, 8, 8), 1e3)])
    found = other.encode(padded, torch.tensor([1, 1, 1, 0, 0])).features
    assert torch.equal(found[:3], one.encode(rows).features)
    assert not found[3:].any()
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


def test_a_batch_of_one_row_can_be_trained_on() -> None:
    encoder = ImageEncoder(make_net("resnet18:width=0.1")).train()
    assert encoder.encode(torch.randn(1, 3, 32, 32)).features.shape == (1, 1, encoder.size)


def test_images_smaller_than_the_net_reads_are_padded(tmp_path: Path) -> None:
    path = write_images(tmp_path / "grey.npz", colour=False)
    run = train(path, tmp_path / "run", 2, encoder="lenet5")
    assert run.training_state.model.memory.net.channels == 1
    encoder = ImageEncoder(make_net("lenet5")).eval()
    middle = torch.zeros(1, 1, 32, 32)
    middle[..., 10:22, 10:22] = torch.randn(12, 12)
    assert torch.equal(encoder.encode(middle).features, encoder.encode(middle[..., 10:22, 10:22]).features)


def test_images_smaller_than_a_side_are_enlarged() -> None:
    torch.manual_seed(0)
    net = make_net(NORMED)
    enlarging, plain = ImageEncoder(net, 24).eval(), ImageEncoder(make_net(NORMED)).eval()
    plain.load_state_dict(enlarging.state_dict())
    small, large = torch.randn(3, 3, 6, 12), torch.randn(2, 3, 12, 25)
    larger = F.interpolate(small, (12, 24), mode="bilinear", align_corners=False)
    assert torch.equal(enlarging.encode(small).features, plain.encode(larger).features), "in proportion"
    assert torch.equal(enlarging.encode(large).features, plain.encode(large).features)


def test_many_images_are_evaluated_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, images = ImageEncoder(make_net(NORMED)).eval(), torch.randn(10, 3, 8, 8)
    with torch.no_grad():
        whole = encoder.encode(images).features
        sizes: list[int] = []
        vector = encoder.net.vector

        def counted(some: torch.Tensor) -> torch.Tensor:
            sizes.append(len(some))
            return vector(some)

        monkeypatch.setattr(encoder.net, "vector", counted)
        monkeypatch.setattr(encoders, "AT_ONCE", 4)
        assert torch.allclose(encoder.encode(images).features, whole, atol=1e-5)
    assert sizes == [4, 4, 2]
    encoder.encode(images)
    assert sizes == [4, 4, 2, 10], "not in training: batch norm sees a whole batch"


@pytest.mark.parametrize("given", ["small", -1, 1 << 20])
def test_a_damaged_side_is_refused(given: Any) -> None:
    kind = ImageInput(8, 8, False)
    options = StepOptions(whole_images=WholeImages(32, ((0.5,) * 3, (0.5,) * 3), side=32))
    facts = kind.learn_featurizer([], options).to_json()
    assert kind.load_featurizer(facts).side == 32  # type: ignore[attr-defined]
    with pytest.raises(RunError, match=r"vocabulary\.json is damaged: the size of its enlarged images"):
        kind.load_featurizer(facts | {"side": given})
    del facts["side"]
    assert kind.load_featurizer(facts).side == 0, "as runs from before"  # type: ignore[attr-defined]


def test_only_a_net_for_images_has_early_layers_to_freeze(tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    table.write_text("text,label\n" + "a good film,yes\na dull film,no\n" * 30)
    before = train(table, tmp_path / "before", 2, hidden_size=4)
    with pytest.raises(
        OptionError, match=r"--freeze early keeps the first half of a net for images, and there is no"
    ):
        train(table, tmp_path / "after", 2, init_from=str(before.folder), freeze="early")


def test_a_frozen_encoder_starts_a_training_on_other_labels(images: Path, tmp_path: Path) -> None:
    before = train(images, tmp_path / "before", 4, encoder=NORMED)
    other = write_images(tmp_path / "four.npz", classes=4)
    after = train(other, tmp_path / "after", 3, init_from=str(before.folder), freeze="encoder")
    assert after.run.settings.encoder == NORMED
    kept, now = (load_file(one.folder / "model.safetensors") for one in (before, after))
    net = [name for name in now if name.startswith("memory.")]
    assert net and all(torch.equal(kept[name], now[name]) for name in net)
    assert now["heads.0.output.weight"].shape[0] == 4
    for name in ("embedding", "stem"):
        with pytest.raises(
            OptionError, match=rf"--freeze {name}: this model has no {name} with weights\. .*: encoder"
        ):
            train(other, tmp_path / "never", 3, init_from=str(before.folder), freeze=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "resnet19"}, "resnet1"),
        ({"encoder": "lenet5", "model": "gru"}, "--model is for models that read steps"),
        ({"encoder": "lenet5", "layers": 2}, "--layers is for models that read steps"),
        ({"encoder": "lenet5", "stem": "patches"}, "--stem is for models that read steps"),
        ({"encoder": "lenet5", "dropout": 0.5}, "--dropout is for models that read steps"),
        ({"encoder": "lenet5:wide=2"}, "wide"),
    ],
)
def test_what_does_not_go_with_a_net_is_refused(
    options: dict[str, Any], words: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=words):
        Training(images, out=str(tmp_path / "run"), steps=2, **options)
    assert not (tmp_path / "run").exists()


def test_only_images_have_a_net(tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    table.write_text("text,label\n" + "a good film,yes\na dull film,no\n" * 30)
    with pytest.raises(OptionError, match=r"--encoder lenet5 reads images, and the input here is"):
        Training(table, out=str(tmp_path / "run"), steps=2, encoder="lenet5")


@pytest.mark.parametrize("option", ["classes=7", "channels=1"])
def test_options_of_a_net_that_the_data_decide_are_refused(option: str, images: Path, tmp_path: Path) -> None:
    name = option.partition("=")[0]
    with pytest.raises(OptionError, match=rf"--encoder lenet5:{option}: the data decide the {name} of the net"):
        Training(images, out=str(tmp_path / "run"), steps=1, encoder=f"lenet5:{option}")


@pytest.mark.parametrize(("pace", "minutes", "needed"), [(0.5, 0.5, "1.4"), (3.0, 2.0, "8")])
def test_a_net_that_is_too_slow_for_the_budget_is_refused(
    pace: float, minutes: float, needed: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "time_updates", lambda plan, rehearse: repeat(pace * plan.batch_size / 8))
    with pytest.raises(
        OptionError, match=f"(?s)That leaves no time to train it. Give --minutes {needed}, a smaller net"
    ):
        Training(images, out=str(tmp_path / "run"), minutes=minutes, encoder="resnet152")
    assert not (tmp_path / "run").exists()
    Training(images, out=str(tmp_path / "long"), minutes=10 * minutes, encoder="lenet5").stop()


def test_a_net_that_is_slow_with_all_threads_alone_is_not_refused(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def timed(plan: Plan, rehearse: Any) -> Iterator[float]:
        tried.append(plan.threads)
        return repeat(0.01 if plan.threads == 1 else 60.0)

    monkeypatch.setattr(prediction, "time_updates", timed)
    monkeypatch.setattr(training, "threads_for", lambda threads: threads or 2)
    Training(images, out=str(tmp_path / "run"), minutes=1, encoder="lenet5").stop()
    assert tried == [1], "as beside a busy process"
    with pytest.raises(OptionError, match="That leaves no time"):
        Training(images, out=str(tmp_path / "never"), minutes=1, encoder="lenet5", threads=2)


@pytest.mark.slow
def test_a_large_net_ends_within_the_budget(images: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(OptionError, match="--encoder resnet152 needs about"):
        Training(images, out=str(tmp_path / "run"), minutes=0.3, encoder="resnet152")
    assert time.monotonic() - started < 18


def test_arrays_that_are_not_taken_as_images_are_told_how_to_be(tmp_path: Path) -> None:
    """The last of four channels is no alpha by its values."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 4), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.arange(40) % 2)
    with pytest.raises(OptionError, match=r"48 numbers per step\.\nIf its arrays are images: --input-type image"):
        Training(tmp_path / "a.npz", out=str(tmp_path / "run"), steps=1, encoder="lenet5")


def test_a_net_that_init_from_names_is_called_so(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=pixels, y=np.arange(40) % 2)
    np.savez(tmp_path / "b.npz", x=np.random.default_rng(0).normal(size=(40, 5)), y=np.arange(40) % 2)
    for name, message in (
        ("a", r"^--init-from imagenet \(the net efficientnet-lite0\) reads whole images; --model is for models"),
        ("b", r"^--init-from imagenet \(the net efficientnet-lite0\) reads images, and the input here is"),
    ):
        with pytest.raises(OptionError, match=message):
            Training(tmp_path / f"{name}.npz", out=str(tmp_path / "r"), steps=1, init_from="imagenet", model="lstm")
