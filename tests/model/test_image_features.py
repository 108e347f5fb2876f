"""Features of images by a frozen net: the same as those of the net, computed once for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unrolled.errors import RunError
from unrolled.model.image_features import (
    AT_ONCE,
    FeatureSource,
    ImageFeatures,
    MemoryStore,
    fold_batch_norms,
    resize,
    side_for,
)
from unrolled.model.nets.base import Net
from unrolled.model.nets.table import NETS, make_net
from unrolled.model.weights import named_tensors

NET = "efficientnet-lite0:width=0.25"
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
SMALL = {name: "image_size=32," if name == "vit-tiny" else "" for name in NETS}


def source(net: str = NET, size: int = 64, precision: str = "float32") -> FeatureSource:
    return FeatureSource(net, "drawn at random", size, MEAN, STD, precision)


def net_with_statistics(name: str = NET, channels: int = 3) -> Net:
    torch.manual_seed(3)
    net = make_net(f"{name}{',' if ':' in name else ':'}channels={channels}").eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    return net


def drawn(count: int, height: int = 40, width: int = 30) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


class Counting(MemoryStore):
    """A store that counts what is written into it."""

    def __init__(self, most: int = 1 << 20) -> None:
        super().__init__(most)
        self.written = 0

    def write(self, values: Mapping[bytes, bytes]) -> None:
        self.written += len(values)
        super().write(values)


def grids_of(net: Net, images: Sequence[NDArray[np.uint8]], size: int) -> torch.Tensor:
    pixels = torch.cat([resize(image, size) for image in images]) / 255
    scaled = (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    with torch.no_grad():
        return net.grid(scaled)


def test_features_are_those_of_the_net() -> None:
    net, images = net_with_statistics(), drawn(3)
    features = ImageFeatures(source(), named_tensors(net))
    grids, vectors = features(images), features.vectors(images)
    expected = grids_of(net, images, 64)
    assert [grid.shape for grid in grids] == [(features.places, features.width)] * 3
    assert (features.places, features.width, features.size) == (4, 80, 320)
    torch.testing.assert_close(torch.from_numpy(vectors), expected.mean((2, 3)), rtol=5e-3, atol=5e-3)
    half = ImageFeatures(source(precision="bfloat16"), named_tensors(net))
    off = torch.from_numpy(half.vectors(images)) - expected.mean((2, 3))
    assert 0 < off.abs().mean() < 0.1 * expected.abs().mean()


@pytest.mark.parametrize("name", list(NETS))
def test_folding_batch_norms_changes_no_features(name: str) -> None:
    options = "width=0.125" if name not in ("lenet5-1998", "vit-tiny") else "width=1" if name == "lenet5-1998" else ""
    options = "width=0.3333,image_size=32" if name == "vit-tiny" else options
    net = net_with_statistics(f"{name}:{options}" if name != "lenet5-1998" else name)
    size = max(64, net.smallest) if name not in ("vit-tiny",) else 32
    net, images = net.double(), torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        before = net.grid(images)
        norms = sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in net.modules())
        assert fold_batch_norms(net, size) == norms
        torch.testing.assert_close(net.grid(images), before, rtol=1e-8, atol=1e-8)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in net.modules())


def test_an_image_is_computed_once_however_often_it_is_asked_for() -> None:
    store, images = Counting(), drawn(AT_ONCE + 3)
    features = ImageFeatures(source(), named_tensors(net_with_statistics()), store)
    first = features([*images, images[0], images[1]])
    assert store.written == len(images)
    again = features([*reversed(images)])
    assert store.written == len(images)
    assert all(np.array_equal(a, b) for a, b in zip(first[: len(images)], reversed(again), strict=True))
    assert np.array_equal(first[0], first[len(images)])


def test_images_are_independent_of_their_batch() -> None:
    images = drawn(5)
    features = ImageFeatures(source(), named_tensors(net_with_statistics()), MemoryStore(0))  # keeps nothing
    alone = [features([image])[0] for image in images]
    for one, other in zip(alone, features(images), strict=True):
        np.testing.assert_allclose(one.astype(np.float32), other.astype(np.float32), rtol=2e-3, atol=2e-3)


def test_a_key_depends_on_pixels_shape_size_weights_and_scaling() -> None:
    tensors = dict(named_tensors(net_with_statistics()))
    features, image = ImageFeatures(source(), tensors), drawn(1)[0]
    changed = image.copy()
    changed[0, 0, 0] ^= 1
    other_tensors = tensors | {"_conv_stem.weight": tensors["_conv_stem.weight"] + 1e-3}
    others = [
        features.key(changed),
        features.key(image.reshape(30, 40, 3)),
        ImageFeatures(source(size=96), tensors).key(image),
        ImageFeatures(source(precision="bfloat16"), tensors).key(image),
        ImageFeatures(source(), other_tensors).key(image),
    ]
    assert len({features.key(image), *others}) == 6
    assert features.key(image) == ImageFeatures(source(), tensors).key(image.copy())
    renamed = replace(source(), weights="the same weights, in another file")
    assert features.key(image) == ImageFeatures(renamed, tensors).key(image)
    assert features.key(image) != features.key(image, "early")


def test_a_memory_store_keeps_no_more_than_its_bytes() -> None:
    store = MemoryStore(10)
    store.write({b"a": b"12345", b"b": b"123456", b"c": b"12345"})
    assert store.read([b"a", b"b", b"c"]) == {b"a": b"12345", b"c": b"12345"}


def test_values_of_another_length_are_computed_again() -> None:
    features = ImageFeatures(source(), named_tensors(net_with_statistics()), MemoryStore())
    image = drawn(1)[0]
    features.store.write({features.key(image): b"short"})
    assert features([image])[0].shape == (4, 80)


def test_features_are_saved_and_loaded() -> None:
    features, images = ImageFeatures(source(), named_tensors(net_with_statistics())), drawn(2)
    loaded = ImageFeatures.from_tensors(features.tensors(), features.facts())
    assert loaded.digest == features.digest
    assert all(np.array_equal(a, b) for a, b in zip(features(images), loaded(images), strict=True))
    with pytest.raises(RunError, match="damaged"):
        ImageFeatures.from_tensors({}, features.facts())
    for facts in ({}, features.facts() | {"size": "64"}, features.facts() | {"mean": [0.5]}, None):
        with pytest.raises(RunError, match="damaged"):
            ImageFeatures.from_tensors(features.tensors(), facts)


@pytest.mark.parametrize(("size", "side"), [(8, 128), (128, 128), (150, 160), (223, 224), (224, 224)])
def test_small_images_are_enlarged(size: int, side: int) -> None:
    assert side_for(size, 224) == side


@pytest.mark.parametrize(("size", "side"), [(8, 32), (32, 32), (50, 64), (224, 224)])
def test_a_net_for_small_images_gets_them_small(size: int, side: int) -> None:
    assert side_for(size, 32) == side
