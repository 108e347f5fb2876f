"""Details of the papers that neither counts nor shapes show: activations, padding, tables, norms."""

from __future__ import annotations

import pytest
import torch
from net_cases import pictures, small
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.model.nets import Net, counts_of, make_net
from unrolled.model.nets.alexnet import response_norm
from unrolled.model.nets.cifar10 import Cifar10Quick, ResponseNorm
from unrolled.model.nets.cifar_resnet import Padded
from unrolled.model.nets.efficientnet_lite import DepthwiseConv, pad_same
from unrolled.model.nets.lenet import (
    READ_BY_C3,
    LeNet5Of1998,
    RadialBasis,
    SparseConv2d,
    TrainedPooling,
    codes,
    connections,
    squashed,
)

TABLE_I = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""  # LeCun et al. 1998: a row per map of S2, a column per map of C3


def weights(net: Net) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in net.state_dict().items()}


def test_c3_reads_what_table_1_of_the_paper_says() -> None:
    rows = TABLE_I.split()
    assert [list(reads) for reads in map(sorted, READ_BY_C3)] == [
        [m for m in range(6) if rows[m][column] == "X"] for column in range(16)
    ]
    assert connections(6, 16) == [sorted(reads) for reads in READ_BY_C3]


def test_at_another_width_c3_keeps_the_shares_of_the_table() -> None:
    wide = connections(12, 32)  # every map stands twice
    assert wide[::2] == wide[1::2]
    assert [sorted({m // 2 for m in reads}) for reads in wide[::2]] == [sorted(reads) for reads in READ_BY_C3]
    assert all(connections(1, 2)) and all(connections(3, 8)) and connections(3, 8)[-1] == [0, 1, 2]


def test_a_sparse_convolution_is_one_with_zeros() -> None:
    sparse = SparseConv2d([[0, 2], [1], [0, 1, 2]], 3)
    dense = torch.zeros(3, 3, 3, 3)
    for weight, (after, before) in zip(sparse.weight, [(0, 0), (0, 2), (1, 1), (2, 0), (2, 1), (2, 2)], strict=True):
        dense[after, before] = weight
    maps = torch.randn(2, 3, 7, 6)
    torch.testing.assert_close(sparse(maps), F.conv2d(maps, dense, sparse.bias))


def test_trained_pooling_adds_four_pixels_and_squashes() -> None:
    pooling = TrainedPooling(2)
    with torch.no_grad():
        pooling.factor.copy_(torch.tensor([0.5, -1.0]))
        pooling.bias.copy_(torch.tensor([0.1, 0.2]))
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.1, 0.0], [0.2, 0.3]]]])
    expected = squashed(torch.tensor([10 * 0.5 + 0.1, -0.6 + 0.2])).reshape(1, 2, 1, 1)
    torch.testing.assert_close(pooling(maps), expected)


def test_the_squashing_function_is_one_at_one() -> None:
    torch.testing.assert_close(
        squashed(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0
    )
    assert squashed(torch.tensor(100.0)).item() == pytest.approx(1.7159)


def test_the_scores_of_1998_are_minus_squared_distances_from_the_digits() -> None:
    digits = codes(10, 84)
    assert digits.shape == (10, 84) and set(digits.flatten().tolist()) == {-1.0, 1.0}
    assert min((digits[a] != digits[b]).sum() for a in range(10) for b in range(a)) >= 6, "no two digits look alike"
    basis, vector = RadialBasis(digits).double(), torch.randn(3, 84).double()
    expected = -(vector[:, None] - digits.double()).square().sum(2)
    torch.testing.assert_close(basis(vector), expected)
    assert basis(digits[[7]].double()).argmax() == 7


def test_the_one_drawn_in_the_bitmaps_is_a_one() -> None:
    pixels = codes(10, 84)[1].reshape(12, 7)
    assert (pixels[1:11, 3] == 1).all() and (pixels[3:10, 4:] == -1).all()


def test_other_codes_are_drawn_alike_for_every_net() -> None:
    assert codes(26, 84).shape == (26, 84) and torch.equal(codes(26, 84), codes(26, 84))
    assert not LeNet5Of1998(classes=26).output.codes.requires_grad


def test_lenet_is_its_chain_of_layers() -> None:
    net = make_net("lenet5").double()
    w, x = weights(net), torch.randn(2, 1, 32, 32).double()
    maps = F.max_pool2d(F.conv2d(x, w["conv1.weight"], w["conv1.bias"]).relu(), 2)
    maps = F.max_pool2d(F.conv2d(maps, w["conv2.weight"], w["conv2.bias"]).relu(), 2)
    hidden = F.linear(maps.flatten(1), w["fc1.weight"], w["fc1.bias"]).relu()
    hidden = F.linear(hidden, w["fc2.weight"], w["fc2.bias"]).relu()
    torch.testing.assert_close(net(x), F.linear(hidden, w["fc3.weight"], w["fc3.bias"]))


def test_lenet_of_1998_is_its_chain_of_layers() -> None:
    net = LeNet5Of1998().double()
    w, x = weights(net), torch.randn(2, 1, 32, 32).double()
    maps = net.s2(squashed(F.conv2d(x, w["c1.weight"], w["c1.bias"])))
    maps = net.s4(squashed(net.c3(maps)))
    hidden = squashed(F.conv2d(maps, w["c5.weight"], w["c5.bias"])).flatten(1)
    hidden = squashed(F.linear(hidden, w["f6.weight"], w["f6.bias"]))
    torch.testing.assert_close(net(x), -(hidden[:, None] - codes(10, 84).double()).square().sum(2))


def test_the_first_pooling_of_the_cifar_nets_is_before_its_relu_and_rounds_up() -> None:
    net = small("cifar10-quick").double()
    w, x = weights(net), pictures(net, 2, 32).double()
    maps = F.max_pool2d(
        F.pad(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2), (0, 1, 0, 1), value=-1e9), 3, 2
    )
    maps, ones = maps.relu(), torch.ones(1, 1, 33, 33).double()
    for number, side in ((2, 16), (3, 8)):
        maps = F.conv2d(maps, w[f"conv{number}.weight"], w[f"conv{number}.bias"], padding=2).relu()
        there = F.pad(ones[:, :, :side, :side], (0, 1, 0, 1))
        maps = F.avg_pool2d(F.pad(maps, (0, 1, 0, 1)), 3, 2) / F.avg_pool2d(there, 3, 2)
    hidden = F.linear(maps.flatten(1), w["ip1.weight"], w["ip1.bias"])
    torch.testing.assert_close(net(x), F.linear(hidden, w["ip2.weight"], w["ip2.bias"]))


def test_cifar_full_is_its_chain_of_layers() -> None:
    net = small("cifar10-full").double()
    w, x = weights(net), pictures(net, 2, 32).double()
    norm, quick = ResponseNorm(), Cifar10Quick(width=0.125).double()
    maps = norm(quick.pool1(F.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=2)).relu())
    maps = norm(quick.pool2(F.conv2d(maps, w["conv2.weight"], w["conv2.bias"], padding=2).relu()))
    maps = quick.pool3(F.conv2d(maps, w["conv3.weight"], w["conv3.bias"], padding=2).relu())
    torch.testing.assert_close(net(x), F.linear(maps.flatten(1), w["ip1.weight"], w["ip1.bias"]))


def test_response_norm_within_a_map_is_its_formula() -> None:
    maps = torch.randn(1, 2, 4, 4).double() * 100
    made = ResponseNorm()(maps)
    around = maps[0, 1, 0:2, 0:3].square().sum() / 9  # of the unit in row 0, column 1; zeros above
    assert made[0, 1, 0, 1].item() == pytest.approx((maps[0, 1, 0, 1] / (1 + 5e-5 * around) ** 0.75).item())


def test_response_norm_across_maps_is_the_papers_formula() -> None:
    maps = torch.randn(1, 8, 2, 2).double() * 100
    made = response_norm()(maps)
    for number, around in ((0, slice(0, 3)), (4, slice(2, 7))):
        total = maps[0, around, 1, 0].square().sum()
        expected = maps[0, number, 1, 0] / (2 + 1e-4 * total) ** 0.75
        assert made[0, number, 1, 0].item() == pytest.approx(expected.item())


def test_the_towers_of_2012_meet_in_the_third_convolution_alone() -> None:
    net = small("alexnet-2012").double().eval()
    x = pictures(net, 1).double()
    assert isinstance(net.features, nn.Sequential)
    maps = net.features[:3](x)  # (1, 12, 7, 7), where the towers begin
    changed = maps.clone()
    changed[:, 6:] += 1.0
    second = net.features[3]
    assert torch.equal(second(changed)[:, :16], second(maps)[:, :16])
    assert not torch.equal(second(changed)[:, 16:], second(maps)[:, 16:])
    assert [layer.groups for layer in net.features if isinstance(layer, nn.Conv2d)] == [1, 2, 1, 2, 2]


@pytest.mark.parametrize(("name", "stride_and_padding", "groups"), [
    ("alexnet", (4, 2), 1), ("alexnet-2012", (4, 0), 2)
])  # fmt: skip
def test_alexnet_is_its_chain_of_layers(name: str, stride_and_padding: tuple[int, int], groups: int) -> None:
    net = small(name).double().eval()
    norm = response_norm() if groups == 2 else nn.Identity()
    w, x = weights(net), pictures(net, 2, 120).double()
    maps = norm(F.conv2d(x, w["features.0.weight"], w["features.0.bias"], *stride_and_padding).relu())
    maps = F.conv2d(F.max_pool2d(maps, 3, 2), w["features.3.weight"], w["features.3.bias"], 1, 2, 1, groups)
    maps = F.max_pool2d(norm(maps.relu()), 3, 2)
    for number, towers in ((6, 1), (8, groups), (10, groups)):
        weight, bias = w[f"features.{number}.weight"], w[f"features.{number}.bias"]
        maps = F.conv2d(maps, weight, bias, 1, 1, 1, towers).relu()
    hidden = F.adaptive_avg_pool2d(F.max_pool2d(maps, 3, 2), 6).flatten(1)
    for number in (1, 4):
        hidden = F.linear(hidden, w[f"classifier.{number}.weight"], w[f"classifier.{number}.bias"]).relu()
    torch.testing.assert_close(net(x), F.linear(hidden, w["classifier.6.weight"], w["classifier.6.bias"]))


def test_efficientnet_lite_is_its_chain_of_layers() -> None:
    net = small("efficientnet-lite0").double()
    net.train()(pictures(net, 4).double())  # the statistics of batch norm are no longer those of the start
    w, x = weights(net.eval()), pictures(net, 2, 75).double()

    def normed(x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        kernel = w[f"{convolution}.weight"]
        size, groups = kernel.shape[2], x.shape[1] // kernel.shape[1]
        total = [max(-(-side // stride) * stride - stride + size - side, 0) for side in x.shape[:1:-1]]
        x = F.pad(x, [more for lines in total for more in (lines // 2, lines - lines // 2)])
        x = F.conv2d(x, kernel, None, stride, groups=groups)
        mean, variance, scale, shift = (
            w[f"{norm}.{one}"][:, None, None] for one in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * scale + shift

    x, number = normed(x, "_conv_stem", "_bn0", 2).clamp(0, 6), 0
    for blocks, stride in ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)):
        for place in range(blocks):
            own, before = f"_blocks.{number}.", x
            if number > 0:
                x = normed(x, own + "_expand_conv", own + "_bn0").clamp(0, 6)
            x = normed(x, own + "_depthwise_conv", own + "_bn1", stride if place == 0 else 1).clamp(0, 6)
            x = normed(x, own + "_project_conv", own + "_bn2")
            x, number = x + before if x.shape == before.shape else x, number + 1
    x = normed(x, "_conv_head", "_bn1").clamp(0, 6)
    torch.testing.assert_close(net.grid(pictures(net, 2, 75).double()), x)
    torch.testing.assert_close(
        net(pictures(net, 2, 75).double()), F.linear(x.mean((2, 3)), w["_fc.weight"], w["_fc.bias"])
    )


def test_vgg_is_its_chain_of_layers() -> None:
    net = small("vgg13").double().eval()
    w, maps = weights(net), pictures(net, 2, 64).double()
    numbers = iter((0, 2, 5, 7, 10, 12, 15, 17, 20, 22))
    for _ in range(5):
        for _ in range(2):
            number = next(numbers)
            maps = F.conv2d(maps, w[f"features.{number}.weight"], w[f"features.{number}.bias"], padding=1).relu()
        maps = F.max_pool2d(maps, 2)
    torch.testing.assert_close(net.grid(pictures(net, 2, 64).double()), maps)
    hidden = F.adaptive_avg_pool2d(maps, 7).flatten(1)
    for number in (0, 3):
        hidden = F.linear(hidden, w[f"classifier.{number}.weight"], w[f"classifier.{number}.bias"]).relu()
    torch.testing.assert_close(net.vector(pictures(net, 2, 64).double()), hidden)


def test_cifar_resnet_is_its_chain_of_layers() -> None:
    net = small("cifar-resnet20").double()
    net.train()(pictures(net, 4, 32).double())  # the statistics of batch norm are no longer those of the start
    w, x = weights(net.eval()), pictures(net, 2, 32).double()

    def normed(x: Tensor, own: str, number: int, stride: int = 1) -> Tensor:
        x = F.conv2d(x, w[f"{own}conv{number}.weight"], None, stride, 1)
        mean, variance, scale, shift = (
            w[f"{own}bn{number}.{one}"] for one in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, scale, shift)

    x = normed(x, "", 1).relu()
    for stage in (1, 2, 3):
        for block in range(3):
            own, stride = f"layer{stage}.{block}.", 2 if stage > 1 and block == 0 else 1
            change = normed(normed(x, own, 1, stride).relu(), own, 2)
            change[:, : x.shape[1]] += x[:, :, ::stride, ::stride]
            x = change.relu()
    torch.testing.assert_close(
        net(pictures(net, 2, 32).double()), F.linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])
    )


def test_a_shortcut_without_weights_takes_every_second_pixel_and_adds_zeros() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    out = Padded(5)(x)
    assert out.shape == (1, 5, 2, 2) and torch.equal(out[:, :2], x[:, :, [0, 2]][:, :, :, [0, 2]])
    assert (out[:, 2:] == 0).all()


@pytest.mark.parametrize(("side", "kernel", "stride", "before", "after"), [
    (224, 3, 2, 0, 1), (225, 3, 2, 1, 1), (112, 5, 2, 1, 2), (7, 5, 1, 2, 2), (4, 1, 1, 0, 0),
])  # fmt: skip
def test_padding_is_tensorflows(side: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = pad_same(torch.ones(1, 1, side, 6), kernel, stride)
    rows = padded[0, 0, :, padded.shape[3] // 2]
    assert len(rows) == before + side + after
    assert (
        (rows[:before] == 0).all()
        and (rows[before : before + side] == 1).all()
        and (rows[before + side :] == 0).all()
    )
    assert (len(rows) - kernel) // stride + 1 == -(-side // stride)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_the_gradients_of_a_depthwise_convolution_are_torchs(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = DepthwiseConv(6, kernel, stride).double()
    x = torch.randn(3, 6, 13, 12, dtype=torch.float64).requires_grad_()
    expected = F.conv2d(x, layer.weight, stride=stride, groups=6)
    gradient, found = torch.randn_like(expected), layer(x)
    assert torch.equal(found, expected)
    own, torchs = (torch.autograd.grad(one, (x, layer.weight), gradient) for one in (found, expected))
    assert all(torch.allclose(one, other, atol=1e-12) for one, other in zip(own, torchs, strict=True))
    layer.requires_grad_(False)
    assert torch.allclose(torch.autograd.grad(layer(x), x, gradient)[0], torchs[0], atol=1e-12), "frozen"
    layer.bias = nn.Parameter(torch.arange(6.0, dtype=torch.float64))
    assert torch.allclose(layer(x), expected + layer.bias[:, None, None]), "with a batch norm folded into it"
    layer.bias = None
    layer.float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x.float())
    assert found.dtype == torch.bfloat16
    (in_bfloat16,) = torch.autograd.grad(found, layer.weight, gradient.bfloat16())
    assert torch.allclose(in_bfloat16, torchs[1].float(), rtol=0.05, atol=0.5)


def test_a_block_adds_its_input_only_where_the_shape_stays() -> None:
    net, _ = counts_of("efficientnet-lite0")
    adds = [number for number, block in enumerate(net.get_submodule("_blocks").children()) if block.adds]
    assert adds == [2, 4, 6, 7, 9, 10, 12, 13, 14]


def test_embeddings_of_places_are_interpolated_for_other_sizes() -> None:
    net = small("vit-tiny").eval()
    with torch.no_grad():
        net.get_parameter("pos_embed").fill_(0.5)
        for name, parameter in net.named_parameters():
            if name.startswith("patch_embed"):
                parameter.zero_()
        grid = net.grid(torch.zeros(1, 3, 80, 48))  # every place has the same embedding, so the same features
    assert grid.shape == (1, 24, 5, 3)
    torch.testing.assert_close(grid, grid[:, :, :1, :1].expand_as(grid))
