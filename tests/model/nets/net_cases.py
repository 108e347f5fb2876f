"""The nets under test: small ones of every family, and the families' names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.model.nets import ALL_NETS, VIDEO_NETS, Net, make_net, make_video_net

FAMILIES = ("lenet5", "lenet5-1998", "cifar10-quick", "cifar10-full", "alexnet", "alexnet-2012", "vgg11", "resnet18",
            "resnet50", "cifar-resnet20", "efficientnet-lite0", "vit-tiny", "r2d-18", "mc3-18", "r3d-18",
            "r2plus1d-18", "r2plus1d-50")  # fmt: skip
"""One or more of each family: all forms of its layers."""
FRAMES = 4  # of the clips of small nets for video


def small(name: str, classes: int = 10) -> Net:
    """A net at an eighth of its width, of three channels, from fixed weights. A vision transformer for 32 pixels, a
    net for video for four frames."""
    options = ",image_size=32" if name == "vit-tiny" else f",frames={FRAMES}" if name in VIDEO_NETS else ""
    make = make_video_net if name in VIDEO_NETS else make_net
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(f"{name}:width=0.125,channels=3,classes={classes}{options}")


def without_dropout(net: Net) -> Net:
    """The same net, whose dropout drops nothing."""
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return net


def pictures(net: Net, rows: int, side: int | None = None) -> Tensor:
    """Random pictures or clips, of the smallest size unless one is given."""
    side = side or net.smallest
    return torch.randn(rows, *shape_of(net, side, side), generator=torch.Generator().manual_seed(1))


def shape_of(net: Net, height: int, width: int) -> tuple[int, ...]:
    """The shape of a picture or clip of this size."""
    return (*net.input_shape[:-2], height, width)


assert set(FAMILIES) <= set(ALL_NETS)
