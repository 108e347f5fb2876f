"""Pretrained weights of nets for images: from files, and from the package with ImageNet weights."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unrolled.errors import InputError, MissingExtra, OptionError, RunError
from unrolled.model.nets.table import make_net
from unrolled.model.predictor import NetMember
from unrolled.run.training import Training
from unrolled.tasks import pretrained
from unrolled.tasks.prediction.baselines import load_baseline
from unrolled.tasks.pretrained import CUSTOMARY, OF_LITE, PACKAGE, read_pretrained

NET = "cifar-resnet20:width=0.25"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, x=random.integers(0, 256, (60, 12, 12, 3), np.uint8), y=np.arange(60) % 3)
    return path


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(5)
    return make_net(NET)


def train(path: Path, out: Path, steps: int = 1, **options: Any) -> Training:
    return Training(path, out=str(out), steps=steps, threads=1, **options)


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    prefix = "memory.net."
    kept = load_file(training.folder / "model.safetensors")
    return {name.removeprefix(prefix): tensor for name, tensor in kept.items() if name.startswith(prefix)}


@pytest.mark.parametrize("ending", [".safetensors", ".pth", "wrapped.pt", "parallel.pth"])
def test_a_file_of_weights_is_the_start(ending: str, net: nn.Module, images: Path, tmp_path: Path) -> None:
    path, state = tmp_path / f"weights{ending}", net.state_dict()
    if ending == ".safetensors":
        save_file(state, path)
    elif ending == "wrapped.pt":
        torch.save({"state_dict": state}, path)
    else:
        torch.save({f"module.{name}" if "parallel" in ending else name: one for name, one in state.items()}, path)
    training = train(images, tmp_path / "run", init_from=str(path), encoder=NET)
    found = weights_of(training)
    assert found and all(torch.equal(found[name], state[name]) for name in found)
    (note,) = (one for one in training.monitor.notes if "Loaded" in one)  # type: ignore[union-attr]
    assert note.endswith("; not in the net: fc.bias, fc.weight.")
    featurizer = training.task.examples.featurizer  # type: ignore[attr-defined]
    assert featurizer.mean.tolist() == pytest.approx(CUSTOMARY[0])
    assert featurizer.std.tolist() == pytest.approx(CUSTOMARY[1])


def test_what_does_not_fit_is_named(net: nn.Module, images: Path, tmp_path: Path) -> None:
    state = net.state_dict()
    state.pop("layer1.0.bn1.bias")
    state["conv1.weight"] = torch.zeros(4, 1, 3, 3)
    save_file(state, tmp_path / "weights.safetensors")
    training = train(images, tmp_path / "run", init_from=str(tmp_path / "weights.safetensors"), encoder=NET)
    (note,) = (one for one in training.monitor.notes if "Loaded" in one)  # type: ignore[union-attr]
    assert "missing there: layer1.0.bn1.bias; of another shape: conv1.weight; not in the net: fc.bias" in note


class Planted:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("planted"),)


def test_code_in_a_file_is_not_run(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": Planted()}, tmp_path / "weights.pth")
    with pytest.raises(RunError, match="more than tensors"):
        train(images, tmp_path / "run", init_from="weights.pth", encoder=NET)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(RunError):
        train(images, tmp_path / "run", init_from="raw.pth", encoder=NET)
    assert not (tmp_path / "planted").exists() and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("contents", "options", "words"),
    [
        (b"", {}, "cannot be read as weights"),
        (b"no weights at all", {}, "cannot be read as weights|more than tensors"),
        (None, {}, "there is no such file"),
        ({"conv1.weight": torch.tensor([1.0, torch.nan])}, {}, r"'conv1\.weight' holds numbers that are not finite"),
        (
            {"bn1.running_var": torch.tensor([1.0, -1.0])},
            {},
            r"'bn1\.running_var' holds variances .* below zero",
        ),
        ({"fc.bias": torch.tensor([torch.inf])}, {}, r"'fc\.bias' holds numbers that are not finite"),
        ({"other": torch.zeros(2)}, {}, r"no tensor fits the net.\nIt has other; the net has conv1.weight"),
        (
            {"conv1.weight": torch.zeros(2)},
            {},
            r"other shapes: conv1\.weight is \(2,\) there, and \(\d+, .*in the net",
        ),
        ({}, {}, "holds no tensors"),
        ([torch.zeros(2)], {}, "holds no state dict"),
        ({"fc.weight": torch.zeros(2)}, {"encoder": None}, "Name the net: --encoder resnet50"),
    ],
)
def test_files_that_are_no_weights_are_refused(
    contents: Any, options: dict[str, Any], words: str, images: Path, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    elif contents is not None:
        torch.save(contents, path)
    with pytest.raises(InputError, match=words):
        train(images, tmp_path / "run", init_from=str(path), **{"encoder": NET} | options)
    assert not (tmp_path / "run").exists()


def test_weights_whose_features_are_not_finite_are_refused(net: nn.Module, images: Path, tmp_path: Path) -> None:
    """Each number is finite, and their products are not."""
    huge = {name: tensor * (1e20 if tensor.ndim == 4 else 1) for name, tensor in net.state_dict().items()}
    save_file(huge, tmp_path / "huge.safetensors")
    with pytest.raises(RunError, match=r"features of images by .*huge\.safetensors are not finite \(nan or inf\)"):
        list(train(images, tmp_path / "run", init_from=str(tmp_path / "huge.safetensors"), encoder=NET))


def test_imagenet_weights_are_of_one_net(images: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has weights of efficientnet-lite0, and --encoder resnet18 was given"):
        train(images, tmp_path / "run", init_from="imagenet", encoder="resnet18")


def test_the_extra_is_named_where_it_is_missing(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrained, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtra, match=r"\[vision\]"):
        train(images, tmp_path / "run", init_from="imagenet")


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")
def test_imagenet_weights_are_loaded_whole_and_checked(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = train(images, tmp_path / "run", init_from="imagenet", freeze="encoder")
    assert training.run.settings.encoder == "efficientnet-lite0"
    assert any("Apache License 2.0" in note for note in training.monitor.notes)  # type: ignore[union-attr]
    featurizer = training.task.examples.featurizer  # type: ignore[attr-defined]
    assert featurizer.mean.tolist() == pytest.approx(OF_LITE[0])
    kept, found = read_pretrained("imagenet").tensors, weights_of(training)
    assert found.keys() | {"_fc.weight", "_fc.bias"} >= kept.keys() - found.keys()
    assert all(torch.equal(found[name], kept[name]) for name in found)
    monkeypatch.setattr(pretrained, "DIGEST", "0" * 64)
    with pytest.raises(RunError, match="not the file of weights"):
        read_pretrained("imagenet")


def test_grey_images_are_read_in_color_for_pretrained_weights(net: nn.Module, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "grey.npz", x=random.integers(0, 256, (60, 12, 12), np.uint8), y=np.arange(60) % 3)
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    training = train(
        tmp_path / "grey.npz", tmp_path / "run", init_from=str(tmp_path / "weights.safetensors"), encoder=NET
    )
    examples = training.task.examples  # type: ignore[attr-defined]
    first = examples.featurizer.encode(examples.items[0])
    mean, std = (np.array(one, np.float32)[:, None, None] for one in CUSTOMARY)
    back = first * std + mean
    assert first.shape == (3, 12, 12) and np.allclose(back[0], back[1], atol=1e-6)


def test_fine_tuning_keeps_statistics_and_with_freeze_early_the_first_layers(images: Path, tmp_path: Path) -> None:
    net = make_net(NET)
    for name, buffer in net.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 1.5)
    state = net.state_dict()
    save_file(state, tmp_path / "weights.safetensors")
    options: dict[str, Any] = {"init_from": str(tmp_path / "weights.safetensors"), "encoder": NET}
    for freeze in (None, "early"):
        training = train(images, tmp_path / f"run-{freeze}", 3, freeze=freeze, **options)
        for _ in training:
            pass
        tuned = training.training_state.model.memory.net.state_dict()
        same = {name for name, tensor in tuned.items() if torch.equal(tensor, state[name])}
        assert same >= {name for name in tuned if "running" in name}
        first = {name for name in tuned if name.startswith(("conv1.", "bn1.", "layer1."))}
        changed = {name for name, _ in training.training_state.model.memory.net.named_parameters()} - same
        assert changed and bool(changed & first) == (freeze is None)
        assert any(name.startswith("layer2.") for name in changed)


@pytest.mark.parametrize("output", ["label", "value"])
def test_heads_start_as_the_linear_model_on_the_same_features(output: str, net: nn.Module, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    targets = np.arange(240) % 3 if output == "label" else random.normal(size=240).round(3)
    path = tmp_path / "images.npz"
    images = random.integers(0, 90, (240, 12, 12, 3)) + 50 * (np.round(targets).clip(-1, 2)[:, None, None, None] + 1)
    np.savez(path, x=images.astype(np.uint8), y=targets)  # the brighter, the higher
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    options: dict[str, Any] = {"init_from": str(tmp_path / "weights.safetensors"), "encoder": NET, "cache": "none"}
    training = train(path, tmp_path / "run", 2, **options)
    reports = iter(training)
    assert next(reports).step == 0
    examples = training.task.examples  # type: ignore[attr-defined]
    linear = load_baseline(training.run, "linear", examples.featurizer)
    items = [examples.items[row] for row in range(20)]
    for model in (training.training_state.model, training.training_state.optimiser.averaged):
        model.eval()
        own = NetMember(model, examples.featurizer).predict(items)["y"]
        expected = linear.predict(items)["y"]  # from features in bfloat16, where that is faster
        assert torch.allclose(own, expected.to(own.dtype), rtol=0.05, atol=0.1)
    assert expected.std(0).max() > 0.2, "and that says something"
    training.stop()
    for _ in reports:
        pass


def test_small_images_are_enlarged_for_pretrained_weights(net: nn.Module, images: Path, tmp_path: Path) -> None:
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    options: dict[str, Any] = {"init_from": str(tmp_path / "weights.safetensors"), "encoder": NET}
    training = train(images, tmp_path / "run", **options)
    for _ in training:
        pass
    examples, model = training.task.examples, training.training_state.optimiser.averaged  # type: ignore[attr-defined]
    assert examples.items[0].shape == (12, 12, 3), "items stay small"
    assert model.memory.side == 32, "the size for which the net was made, and at most 128"
    again: Any = training.task.model_of(training.run, training.monitor.plans[0])  # type: ignore[union-attr]
    assert again.memory.side == 32, "of a run that is loaded"
    after = train(images, tmp_path / "after", init_from=str(tmp_path / "run"))
    assert after.training_state.model.memory.side == 32
