"""What the nets cost: the figures of the papers and of others, to the unit; and the shapes of their stages."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from conftest import REPOSITORY
from net_cases import FAMILIES, FRAMES, small
from torch import nn

from unrolled.errors import OptionError
from unrolled.model.nets import ALL_NETS, VIDEO_NETS, Net, NetCounts, count, counts_of
from unrolled.model.nets.counts import describe

COUNTED = {
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "vgg11": (132_863_336, 7_609_090_048),
    "vgg13": (133_047_848, 11_308_466_176),
    "vgg16": (138_357_544, 15_470_264_320),
    "vgg19": (143_667_240, 19_632_062_464),
    "alexnet": (61_100_840, 714_188_480),
    "alexnet-2012": (60_965_224, 724_406_816),
    "cifar-resnet20": (269_722, 40_551_040),
    "cifar-resnet32": (464_154, 68_862_592),
    "cifar-resnet44": (658_586, 97_174_144),
    "cifar-resnet56": (853_018, 125_485_696),
    "cifar-resnet110": (1_727_962, 252_887_680),
    "lenet5": (61_706, 416_520),
    "r2d-18": (11_522_832, 2_167_808_000),
    "mc3-18": (11_695_440, 43_342_635_008),
    "r3d-18": (33_371_472, 40_696_553_472),
    "r3d-34": (63_681_104, 75_378_204_672),
    "r2plus1d-18": (33_370_839, 41_496_308_736),
    "r2plus1d-34": (63_697_175, 76_177_959_936),
    "r2plus1d-50": (46_985_057, 57_663_429_632),
    "r2plus1d-101": (86_050_785, 88_234_662_912),
    "r2plus1d-152": (118_226_785, 125_999_127_552),
    # C1, C3 by the paper's table, C5, F6, and the distances of F6 from ten codes
    "lenet5-1998": (60_000, 28 * 28 * 6 * 25 + 10 * 10 * 60 * 25 + 400 * 120 + 120 * 84 + 84 * 10),
    "cifar10-quick": (145_578, 12_354_176),
    "cifar10-full": (89_578, 12_298_240),
    "efficientnet-lite0": (4_652_008, 385_187_552),
    # patches; 12 blocks: queries, keys and values, two products of attention, its output, two layers; the last layer
    "vit-tiny": (
        5_717_416,
        196 * 768 * 192 + 12 * (197 * 192 * 576 + 2 * 197**2 * 192 + 197 * 192**2 + 2 * 197 * 192 * 768) + 192_000,
    ),
}
ONE_MIDDLE = {
    "r2plus1d-18": (31_505_325, 40_519_080_960),
    "r2plus1d-34": (61_831_661, 75_200_732_160),
    "r2plus1d-50": (53_949_691, 65_232_579_584),
    "r2plus1d-101": (99_913_475, 101_208_370_176),
    "r2plus1d-152": (137_770_491, 145_649_052_672),
}
"""With one inner width a block."""
DEPTHS = {"lenet5": 5, "alexnet": 8, "alexnet-2012": 8, "vgg16": 16, "vgg19": 19, "cifar-resnet20": 20,
          "cifar-resnet110": 110, "resnet18": 18 + 3, "resnet50": 50 + 4, "resnet152": 152 + 4}  # fmt: skip


@cache
def counted(name: str) -> tuple[Net, NetCounts]:
    return counts_of(name)


@pytest.mark.parametrize("name", ALL_NETS)
def test_parameters_and_multiply_adds_are_the_known_ones(name: str) -> None:
    _, counts = counted(name)
    assert (counts.parameters, counts.multiply_adds) == COUNTED[name]


@pytest.mark.parametrize("name", ONE_MIDDLE)
def test_one_inner_width_a_block_has_the_known_counts(name: str) -> None:
    _, counts = counted(f"{name}:middle=block")
    assert (counts.parameters, counts.multiply_adds) == ONE_MIDDLE[name]


@pytest.mark.parametrize("name", ALL_NETS)
def test_stages_have_the_shapes_of_the_table(name: str) -> None:
    net, counts = counted(name)
    assert tuple(counts.stages) == net.stages
    assert tuple(counts.stages.values()) == ALL_NETS[name].shapes


@pytest.mark.parametrize("name", ALL_NETS)
def test_the_calls_add_up_to_the_totals(name: str) -> None:
    net, counts = counted(name)
    assert sum(call.parameters for call in counts.calls) == counts.parameters
    assert sum(call.multiply_adds for call in counts.calls) == counts.multiply_adds
    known = {name for name, _ in (*net.named_modules(), *net.named_parameters())}
    assert {call.name for call in counts.calls} <= known
    assert all(tensor.is_meta for tensor in net.state_dict().values())


@pytest.mark.parametrize("name", ALL_NETS)
def test_the_page_of_nets_has_its_figures(name: str) -> None:
    net, counts = counted(name)
    figures: tuple[int, ...] = (counts.layers, counts.parameters, counts.multiply_adds, counts.activation_bytes)
    if name in VIDEO_NETS:
        figures = (*figures, counted(f"{name}:frames=32")[1].multiply_adds)
    cells = [f"`{name}`", str(ALL_NETS[name].year), "×".join(map(str, net.input_shape))]
    row = " | ".join([*cells, *(f"{figure:,}" for figure in figures)])
    assert f"| {row} |" in (REPOSITORY / "docs" / "nets.md").read_text(encoding="utf-8")


def test_every_class_of_nets_is_among_the_families_under_test() -> None:
    classes = {type(counted(name)[0]) for name in ALL_NETS}
    assert classes == {type(counted(name)[0]) for name in FAMILIES}


@pytest.mark.parametrize("name", DEPTHS)
def test_layers_are_those_of_the_name_and_the_projections_of_shortcuts(name: str) -> None:
    assert counted(name)[1].layers == DEPTHS[name]


def test_activations_are_the_outputs_of_all_layers() -> None:
    """Convolutions and their ReLU, poolings, linear layers and their ReLU; by hand."""
    units = 2 * 6 * 28**2 + 6 * 14**2 + 2 * 16 * 10**2 + 16 * 5**2 + 2 * 120 + 2 * 84 + 10
    assert counted("lenet5")[1].activation_bytes == 4 * units
    units = 2 * 64 * 55**2 + 64 * 27**2 + 2 * 192 * 27**2 + 192 * 13**2 + (2 * 384 + 4 * 256) * 13**2 + 256 * 6**2
    assert counted("alexnet")[1].activation_bytes == 4 * (units + 4 * 4096 + 1000)


def test_two_towers_halve_what_a_convolution_costs() -> None:
    calls = {call.name: call for call in counted("alexnet-2012")[1].calls}
    assert calls["features.3"].parameters == 256 * 48 * 25 + 256
    assert calls["features.3"].multiply_adds == 27**2 * 256 * 48 * 25
    assert calls["features.3"].kind == "Conv2d 5×5, 2 groups" and calls["features.0"].kind == "Conv2d 11×11/4"


def test_a_count_leaves_the_net_as_it_was() -> None:
    net = small("resnet18").train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    count(net)
    assert net.training and not any(layer._forward_hooks for layer in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_in_memory_count_as_those_without(name: str) -> None:
    net = small(name)
    options = ",image_size=32" if name == "vit-tiny" else f",frames={FRAMES}" if name in VIDEO_NETS else ""
    _, meta = counts_of(f"{name}:width=0.125,channels=3,classes=10{options}")
    assert count(net) == meta


def test_layers_are_described_by_kernel_and_stride() -> None:
    assert describe(nn.AvgPool2d(3, 2)) == "AvgPool2d 3×3/2"
    assert describe(nn.Conv2d(4, 4, (3, 1), groups=4)) == "Conv2d 3×1, 4 groups"
    assert describe(nn.Conv3d(4, 4, (3, 7, 7), (1, 2, 2))) == "Conv3d 3×7×7/1×2×2"
    assert describe(nn.Conv3d(4, 4, 1, 2)) == "Conv3d 1×1×1/2"
    assert describe(nn.AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d"


def test_a_net_that_no_machine_could_hold_is_refused() -> None:
    with pytest.raises(
        OptionError, match="vit-tiny:image_size=99999999: its layers are larger than any machine's memory"
    ):
        counts_of("vit-tiny:image_size=99999999")
