"""ImageNet weights on real photographs: the net says what is in them, and its features find similar ones."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sample_photos import CAMERA, CAT, CLOCK, COFFEE, ROCKET, needs_samples, sample_photo

from unrolled.data.media.images import read_image
from unrolled.model.image_features import FeatureSource, ImageFeatures, Pixels
from unrolled.model.nets.table import make_net
from unrolled.tasks.pretrained import IMAGENET, IMAGENET_NET, OF_LITE, PACKAGE, Pretrained, read_pretrained

pytestmark = [needs_samples, pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")]

SIZE = 224
CLASSES = {  # numbers of ImageNet's classes
    CAT: {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    COFFEE: {967, 504},  # espresso, coffee mug
    ROCKET: {657, 744},  # missile, projectile
    CAMERA: {872},  # tripod
    CLOCK: {892},  # wall clock
}


@pytest.fixture(scope="module")
def weights() -> Pretrained:
    return read_pretrained(IMAGENET)


def photo(name: str) -> Pixels:
    return read_image(sample_photo(name), SIZE, SIZE, grey=False)


def features_of(weights: Pretrained, precision: str) -> ImageFeatures:
    mean, std = OF_LITE
    source = FeatureSource(IMAGENET_NET, weights.source, SIZE, mean, std, precision)  # type: ignore[arg-type]
    return ImageFeatures(source, weights.tensors)


def test_the_net_says_what_is_in_a_photograph(weights: Pretrained) -> None:
    net = make_net(IMAGENET_NET).eval()
    net.load_state_dict(weights.tensors)
    pixels = torch.from_numpy(np.stack([photo(name) for name in CLASSES])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = net((pixels - 127.0) / 128.0).softmax(1)
    assert found.shape == (len(CLASSES), 1000)
    for name, probabilities in zip(CLASSES, found, strict=True):
        best = probabilities.topk(5).indices.tolist()
        assert CLASSES[name] & set(best), f"{name}: {best}"
    assert set(found[0].topk(3).indices.tolist()) == CLASSES[CAT]
    assert found[1].argmax() == 967


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_features_of_a_photograph_are_those_of_the_net(weights: Pretrained, precision: str) -> None:
    vectors = torch.from_numpy(features_of(weights, precision).vectors([photo(CAT), photo(COFFEE)]))
    scores = vectors @ weights.tensors["_fc.weight"].T + weights.tensors["_fc.bias"]
    assert set(scores[0].topk(3).indices.tolist()) == CLASSES[CAT]
    assert scores[1].argmax() == 967


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_parts_of_a_photograph_are_more_similar_than_other_photographs(weights: Pretrained, precision: str) -> None:
    cat = photo(CAT)
    pictures = [cat[:, :150], cat[:, 74:], photo(COFFEE), photo(ROCKET)]
    vectors = features_of(weights, precision).vectors(pictures)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > 0.8
    assert alike[0, 1] > 2 * max(alike[0, 2:].max(), alike[1, 2:].max())
