"""ResNet, ViT and EfficientNet-Lite0 against independent implementations, with the same weights, at full width."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled.model.nets import Net, make_net
from unrolled.tasks.pretrained import find_imagenet

pytestmark = pytest.mark.slow
WITHIN = 1e-5


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers is not installed; it is in the extra 'dev'")


def drawn(name: str) -> Net:
    """A net in evaluation, with statistics of batch norm that differ from those of the start."""
    torch.manual_seed(0)
    net = make_net(name).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.uniform_(layer.weight, 0.2, 0.6)
            nn.init.normal_(layer.bias, std=0.1)
    return net


def renamed_resnet(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names as those of transformers' ResNetModel."""
    rules = (
        (r"^(conv|bn)1\.", r"embedder.embedder.\1."),
        (r"^layer(\d)\.(\d+)\.downsample\.0\.", r"encoder.stages.\1.layers.\2.shortcut.convolution."),
        (r"^layer(\d)\.(\d+)\.downsample\.1\.", r"encoder.stages.\1.layers.\2.shortcut.normalization."),
        (r"^layer(\d)\.(\d+)\.(conv|bn)(\d)\.", r"encoder.stages.\1.layers.\2.layer.\4.\3."),
        (r"\.conv\.", ".convolution."),
        (r"\.bn\.", ".normalization."),
        (r"stages\.(\d)", lambda found: f"stages.{int(found[1]) - 1}"),
        (r"layer\.(\d)", lambda found: f"layer.{int(found[1]) - 1}"),
    )
    result = {}
    for name, weight in weights.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        if not name.startswith("fc."):
            result[name] = weight
    return result


def renamed_vit(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names as those of transformers' ViTModel, which has queries, keys and values apart."""
    rules = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "attn.proj": "attention.o_proj",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "blocks.": "layers.",
    }
    result = {}
    for name, weight in weights.items():
        for ours, theirs in rules.items():
            name = name.replace(ours, theirs)
        if name.startswith("norm."):
            name = name.replace("norm.", "layernorm.")
        if "attn.qkv" in name:
            for part, third in zip("qkv", weight.chunk(3), strict=True):
                result[name.replace("attn.qkv", f"attention.{part}_proj")] = third
        elif not name.startswith("head."):
            result[name] = weight
    return result


@pytest.mark.parametrize(("name", "kind", "depths", "sizes"), [
    ("resnet18", "basic", [2, 2, 2, 2], [64, 128, 256, 512]),
    ("resnet34", "basic", [3, 4, 6, 3], [64, 128, 256, 512]),
    ("resnet50", "bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048]),
    ("resnet101", "bottleneck", [3, 4, 23, 3], [256, 512, 1024, 2048]),
    ("resnet152", "bottleneck", [3, 8, 36, 3], [256, 512, 1024, 2048]),
])  # fmt: skip
@pytest.mark.parametrize("side", [224, 97])
def test_resnet_equals_that_of_transformers(
    transformers: Any, name: str, kind: str, depths: list[int], sizes: list[int], side: int
) -> None:
    net = drawn(name)
    config = transformers.ResNetConfig(depths=depths, hidden_sizes=sizes, layer_type=kind)
    reference = transformers.ResNetModel(config).eval()
    reference.load_state_dict(renamed_resnet(net.state_dict()))
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        expected = reference(images)
        assert_equal(net.grid(images), expected.last_hidden_state)
        assert_equal(net.vector(images), expected.pooler_output.flatten(1))


@pytest.mark.parametrize("size", [(224, 224), (160, 256)])
def test_vit_equals_that_of_transformers(transformers: Any, size: tuple[int, int]) -> None:
    net = drawn("vit-tiny")
    nn.init.normal_(net.get_parameter("pos_embed"), std=0.5)
    config = transformers.ViTConfig(
        hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768, layer_norm_eps=1e-6
    )
    reference = transformers.ViTModel(config, add_pooling_layer=False).eval()
    reference.load_state_dict(renamed_vit(net.state_dict()))
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = reference(images, interpolate_pos_encoding=size != (224, 224)).last_hidden_state
        assert_equal(net.grid(images).flatten(2).mT, expected[:, 1:])
        assert_equal(net.vector(images), expected[:, 0])


def assert_equal(ours: Tensor, theirs: Tensor) -> None:
    """Equal to 1e-5 of the largest value, and of a spread that would show a difference."""
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=WITHIN * float(theirs.abs().max()))


@pytest.mark.parametrize("side", [224, 160])
def test_efficientnet_lite_with_its_imagenet_weights_is_that_of_another_package(side: int) -> None:
    other = pytest.importorskip("efficientnet_lite_pytorch", reason="it is in the extra 'dev'")
    path = find_imagenet()
    if path is None:
        pytest.skip("needs the extra vision")
    weights = torch.load(path, weights_only=True)
    reference, net = other.EfficientNet.from_name("efficientnet-lite0").eval(), make_net("efficientnet-lite0").eval()
    reference.load_state_dict(weights)
    net.load_state_dict(weights)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(net(images), reference(images), rtol=0, atol=WITHIN)
        torch.testing.assert_close(net.grid(images), reference.extract_features(images), rtol=0, atol=WITHIN)
