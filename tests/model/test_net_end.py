"""The last layers of a pretrained net in a model: they make the features that the frozen net would make."""

from __future__ import annotations

import pytest
import torch
from test_image_features import NET, drawn, net_with_statistics, source

from unrolled.errors import TensorError
from unrolled.model.image_features import ImageFeatures
from unrolled.model.net_end import NetEnd
from unrolled.model.weights import copy_tensors, named_tensors

NETS = (NET, "resnet18:width=0.125", "resnet50:width=0.125", "vgg11:width=0.125")


def frozen(net: str) -> ImageFeatures:
    return ImageFeatures(source(net), named_tensors(net_with_statistics(net)))


def end_of(features: ImageFeatures, mean: float = 0.0, std: float = 1.0) -> NetEnd:
    end = NetEnd(features.source, [mean] * features.width, [std] * features.width)
    copy_tensors(end.net, features.end_tensors())
    return end


@pytest.mark.parametrize("net", NETS)
def test_it_makes_the_features_of_the_frozen_net_scaled(net: str) -> None:
    features, images = frozen(net), drawn(3)
    end = end_of(features, 0.2, 2.0)
    early = torch.tensor([one.tolist() for one in features.early(images)])
    assert early.shape == (3, features.places, features.early_width) and end.width == features.early_width
    expected = (torch.tensor([one.tolist() for one in features(images)]) - 0.2) / 2.0
    with torch.no_grad():
        found = end(early)
        off = (found - expected).square().mean() / expected.square().mean()
        assert off.sqrt() < 5e-3, "early features are stored in float16"
        torch.testing.assert_close(end(early[1:2]), found[1:2], rtol=1e-4, atol=1e-4)
    assert set(named_tensors(end.net)) == set(features.end_tensors()), "nothing before the end is in it"


@pytest.mark.parametrize("net", NETS)
def test_all_of_its_weights_have_a_gradient(net: str) -> None:
    features = frozen(net)
    end = end_of(features)
    early = torch.tensor([one.tolist() for one in features.early(drawn(2))])
    end(early).square().sum().backward()
    for name, parameter in end.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_what_has_no_end_or_another_shape_is_refused() -> None:
    features = ImageFeatures(source("cifar10-quick"), named_tensors(net_with_statistics("cifar10-quick")))
    assert not features.has_end
    with pytest.raises(ValueError, match="cifar10-quick has no end"):
        NetEnd(features.source, [0.0] * features.width, [1.0] * features.width)
    end = end_of(frozen(NET))
    with pytest.raises(TensorError, match=r"NetEnd reads \(rows, 4, \d+\); got \(2, 3, 5\)"):
        end(torch.zeros(2, 3, 5))
    assert end(torch.zeros(2, 0, end.width)).shape == (2, 0, 80), "padding alone"
    with pytest.raises(ValueError, match="80 means and standard deviations"):
        NetEnd(source(NET), [0.0], [1.0])
