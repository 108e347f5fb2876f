"""Maps of where a prediction's evidence is: what holds for every net of the table, and that they point at it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.modalities.base import Frame
from unrolled.memory.pooling import AttentionPool
from unrolled.model.class_activation import CAM
from unrolled.model.encoders import ImageEncoder
from unrolled.model.nets import NETS, Net, make_net, make_video_net

VIDEO = ("r2d-18", "mc3-18", "r2plus1d-18")
AVERAGING = {*VIDEO, *(name for name in NETS if name.startswith(("resnet", "cifar-resnet", "efficientnet")))}


def narrow(name: str, classes: int = 3) -> Net:
    """A net at an eighth of its width, from fixed weights."""
    options = ",image_size=32" if name == "vit-tiny" else ",frames=4" if name in VIDEO else ""
    make = make_video_net if name in VIDEO else make_net
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(f"{name}:width=0.125,channels=2,classes={classes}{options}").eval().double()


def images_for(net: Net, rows: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    sides = net.smallest + 13, net.smallest + 24
    return torch.randn(rows, *net.input_shape[:-2], *sides, generator=generator).double()


def maps_of(net: Net, images: Tensor, label: int) -> Tensor:
    return net.maps(images, lambda vectors: net.get_submodule(net.last_layer)(vectors)[:, label])


@pytest.mark.parametrize("name", [*NETS, *VIDEO])
def test_a_map_is_finite_not_negative_and_sums_to_one(name: str) -> None:
    net = narrow(name)
    images = images_for(net)
    for label in range(3):
        maps = maps_of(net, images, label)
        assert maps.shape == (3, *net.grid(images).shape[2:])
        assert maps.isfinite().all() and (maps >= 0).all()
        torch.testing.assert_close(maps.flatten(1).sum(1), torch.ones(3).double())
        alone = maps_of(net, images[1:2], label)
        torch.testing.assert_close(alone[0], maps[1])
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize("name", [*NETS, *VIDEO])
def test_where_the_head_reads_the_average_the_map_is_that_of_the_paper(name: str) -> None:
    net = narrow(name)
    images = images_for(net)
    grid, vector = net.grid(images), net.vector(images)
    averages = vector.shape[1] == grid.shape[1] and torch.allclose(vector, grid.flatten(2).mean(2))
    assert averages == (net.map_method == CAM) == (name in AVERAGING)
    if averages:
        weights = net.get_submodule(net.last_layer).weight[1]  # type: ignore[index]
        expected = torch.einsum("d,bd...->b...", weights, grid).clamp_min(0).flatten(1)
        total = expected.sum(1, keepdim=True)
        expected = torch.where(total > 0, expected / total, 1 / expected[0].numel())
        maps = maps_of(net, images, 1)
        torch.testing.assert_close(maps.flatten(1), expected)


def test_without_evidence_the_map_is_even_and_huge_or_tiny_evidence_does_no_harm() -> None:
    net = narrow("lenet5")
    images = images_for(net)
    for factor, even in ((0.0, True), (1e-30, False), (1e30, False)):
        maps = net.maps(images, partial(scaled_sum, factor))
        assert maps.isfinite().all()
        torch.testing.assert_close(maps.sum((1, 2)), torch.ones(3).double())
        assert (maps.amax() == maps.amin()) == even


def scaled_sum(factor: float, vectors: Tensor) -> Tensor:
    return factor * vectors.sum(1)


def corner_images(rows: int, corner: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """Images of 32 × 32 with stripes in each corner, and whether those in one corner are upright: the label."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(rows, 1, 32, 32, generator=generator)
    flat = torch.zeros(8, 8)
    flat[::2] = 1.5
    upright = torch.randint(2, (2, 2, rows), generator=generator)
    for down in (0, 1):
        for across in (0, 1):
            patches = torch.stack([flat, flat.T])[upright[down, across]]
            images[:, 0, 1 + 22 * down : 9 + 22 * down, 1 + 22 * across : 9 + 22 * across] += patches
    return images, upright[corner]


@pytest.mark.parametrize("corner", [(0, 0), (1, 1)])
def test_the_map_of_a_trained_net_peaks_where_the_label_is_decided(corner: tuple[int, int]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = make_net("lenet5:classes=2")
        images, labels = corner_images(1500, corner, seed=1)
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        for _ in range(250):
            some = torch.randint(len(images), (64,))
            optimizer.zero_grad()
            loss: Tensor = F.cross_entropy(net(images[some]), labels[some])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    net.eval()
    images, labels = corner_images(100, corner, seed=2)
    with torch.no_grad():
        predicted = net(images).argmax(1)
    assert (predicted == labels).float().mean() > 0.97

    def logit_of_label(vectors: Tensor) -> Tensor:
        scores: Tensor = net.get_submodule(net.last_layer)(vectors)
        return scores.gather(1, predicted[:, None])[:, 0]

    maps = net.maps(images, logit_of_label)
    places = maps.flatten(1).argmax(1)
    peaks = torch.stack([places // 5, places % 5], 1)  # (B, 2) of a grid of 5 × 5
    near = (peaks <= 2) if corner == (0, 0) else (peaks >= 2)
    assert near.all(1).float().mean() > 0.85  # nine places of 25: by chance 0.36


def test_the_map_of_a_transformer_is_the_attention_through_all_blocks() -> None:
    net = narrow("vit-tiny")
    images = images_for(net, 2)
    x, down, across = net.embedded(images)  # type: ignore[operator]
    whole = torch.eye(x.shape[1]).double()
    for block in net.blocks:  # type: ignore[union-attr]
        attention = block.attn
        queries, keys, values = attention.qkv(block.norm1(x)).reshape(*x.shape[:2], 3, 3, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(queries @ keys.mT / queries.shape[-1] ** 0.5, -1)
        mixed = (weights @ values).transpose(1, 2).reshape(x.shape)
        torch.testing.assert_close(
            attention.proj(mixed), attention(block.norm1(x))
        )  # they are those of the forward pass
        whole = (0.5 * torch.eye(x.shape[1]) + 0.5 * weights.mean(1)) @ whole
        x = block(x)
    expected = whole[:, 0, 1:] / whole[:, 0, 1:].sum(1, keepdim=True)
    torch.testing.assert_close(maps_of(net, images, 1), expected.reshape(2, down, across))


def test_a_padded_image_lies_inside_the_frame_of_its_grid() -> None:
    encoder = ImageEncoder(make_net("lenet5:classes=2"))
    assert encoder.frame(28, 28) == pytest.approx(Frame(-2 / 28, -2 / 28, 30 / 28, 30 / 28))
    assert encoder.frame(32, 48) == Frame()
    assert encoder.frame(16, 64) == pytest.approx(Frame(-8 / 16, 0, 24 / 16, 1))
    patches = ImageEncoder(make_net("vit-tiny:width=0.125,classes=2"))
    assert patches.frame(40, 33) == pytest.approx(Frame(0, 0, 32 / 40, 32 / 33))
    assert encoder.maps(torch.randn(2, 1, 28, 28), lambda vectors: vectors[:, 83]).shape == (2, 5, 5)


def test_the_shares_of_a_pool_are_the_weights_of_its_mean() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(6, 6)
    torch.nn.init.normal_(pool.query.weight)
    xs = torch.randn(3, 9, 6)
    shares = pool.shares(xs)
    torch.testing.assert_close(shares.sum(1), torch.ones(3))
    assert shares.std() > 0.01
    outputs, _ = pool.unroll(xs, pool.start(3))
    torch.testing.assert_close(outputs[:, -1], (shares[..., None] * xs).sum(1))
