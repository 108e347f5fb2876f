"""The nets by name, with their papers and the shapes that their stages have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from unrolled.errors import OptionError, explained_shortage
from unrolled.model.nets import cifar_resnet, resnet, vgg, video_resnet
from unrolled.model.nets.alexnet import AlexNet, AlexNetOf2012
from unrolled.model.nets.base import Net
from unrolled.model.nets.cifar10 import Cifar10Full, Cifar10Quick
from unrolled.model.nets.counts import NetCounts, count
from unrolled.model.nets.efficientnet_lite import EfficientNetLite0
from unrolled.model.nets.lenet import LeNet5, LeNet5Of1998
from unrolled.model.nets.video_resnet import VideoResNet
from unrolled.model.nets.vit import vit_tiny
from unrolled.registry import build, parse_component

EXAMPLE = "resnet50"  # of a name, for messages

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]


class NetRecord(NamedTuple):
    """A net of the table."""

    make: Callable[..., Net]  # its arguments have defaults: classes, channels, width; those of its family
    year: int
    paper: str
    shapes: Shapes  # of the outputs of the net's `stages`, for one image, or clip, of its `input_shape`


LECUN = "LeCun et al., Gradient-based learning applied to document recognition"
CUDA_CONVNET = "Krizhevsky, cuda-convnet"
SIMONYAN = "Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition, arXiv 1409.1556"
HE = "He et al., Deep residual learning for image recognition, arXiv 1512.03385"
TOUVRON = (
    "Dosovitskiy et al., An image is worth 16x16 words, arXiv 2010.11929; size of Touvron et al., arXiv 2012.12877"
)

OF_VGG = ((64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7))
OF_BASIC = ((64, 112, 112), (64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7))
OF_BOTTLENECKS = ((64, 112, 112), (64, 56, 56), (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7))
OF_CIFAR = ((16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8))
TRAN = "Tran et al., A closer look at spatiotemporal convolutions for action recognition, arXiv 1711.11248"
OF_CUDA_CONVNET = ((32, 32, 32), (32, 16, 16), (32, 16, 16), (32, 8, 8), (64, 8, 8), (64, 4, 4))

NETS: dict[str, NetRecord] = {
    "lenet5": NetRecord(
        LeNet5, 1998, LECUN, ((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,))
    ),
    "lenet5-1998": NetRecord(
        LeNet5Of1998, 1998, LECUN, ((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,))
    ),
    "cifar10-quick": NetRecord(Cifar10Quick, 2012, CUDA_CONVNET, (*OF_CUDA_CONVNET, (64,))),
    "cifar10-full": NetRecord(Cifar10Full, 2012, CUDA_CONVNET, OF_CUDA_CONVNET),
    "alexnet": NetRecord(
        AlexNet,
        2014,
        "Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997",
        ((64, 55, 55), (64, 27, 27), (192, 27, 27), (192, 13, 13), (384, 13, 13), (256, 13, 13), (256, 6, 6)),
    ),
    "alexnet-2012": NetRecord(
        AlexNetOf2012,
        2012,
        "Krizhevsky et al., ImageNet classification with deep convolutional neural networks",
        ((96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (256, 13, 13), (256, 6, 6)),
    ),
    "vgg11": NetRecord(vgg.vgg11, 2014, SIMONYAN, OF_VGG),
    "vgg13": NetRecord(vgg.vgg13, 2014, SIMONYAN, OF_VGG),
    "vgg16": NetRecord(vgg.vgg16, 2014, SIMONYAN, OF_VGG),
    "vgg19": NetRecord(vgg.vgg19, 2014, SIMONYAN, OF_VGG),
    "resnet18": NetRecord(resnet.resnet18, 2015, HE, OF_BASIC),
    "resnet34": NetRecord(resnet.resnet34, 2015, HE, OF_BASIC),
    "resnet50": NetRecord(resnet.resnet50, 2015, HE, OF_BOTTLENECKS),
    "resnet101": NetRecord(resnet.resnet101, 2015, HE, OF_BOTTLENECKS),
    "resnet152": NetRecord(resnet.resnet152, 2015, HE, OF_BOTTLENECKS),
    "cifar-resnet20": NetRecord(cifar_resnet.cifar_resnet20, 2015, HE, OF_CIFAR),
    "cifar-resnet32": NetRecord(cifar_resnet.cifar_resnet32, 2015, HE, OF_CIFAR),
    "cifar-resnet44": NetRecord(cifar_resnet.cifar_resnet44, 2015, HE, OF_CIFAR),
    "cifar-resnet56": NetRecord(cifar_resnet.cifar_resnet56, 2015, HE, OF_CIFAR),
    "cifar-resnet110": NetRecord(cifar_resnet.cifar_resnet110, 2015, HE, OF_CIFAR),
    "efficientnet-lite0": NetRecord(
        EfficientNetLite0,
        2020,
        "Google, EfficientNet-Lite; after Tan & Le, EfficientNet, arXiv 1905.11946",
        ((32, 112, 112), (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14), (192, 7, 7),
         (320, 7, 7), (1280, 7, 7)),
    ),
    "vit-tiny": NetRecord(vit_tiny, 2020, TOUVRON, ((192, 14, 14), (197, 192), (197, 192), (197, 192))),
}  # fmt: skip


OF_VIDEO = ((64, 16, 56, 56), (64, 16, 56, 56), (128, 8, 28, 28), (256, 4, 14, 14), (512, 2, 7, 7))
OF_DEEP_VIDEO = ((64, 16, 56, 56), (256, 16, 56, 56), (512, 8, 28, 28), (1024, 4, 14, 14), (2048, 2, 7, 7))
OF_MIXED = tuple((shape[0], 16, *shape[2:]) for shape in OF_VIDEO)  # stages over space alone keep the frames
OF_FLAT = tuple((shape[0], 1, *shape[2:]) for shape in OF_VIDEO)

VIDEO_NETS: dict[str, NetRecord] = {
    "r2d-18": NetRecord(video_resnet.r2d_18, 2018, TRAN, OF_FLAT),
    "mc3-18": NetRecord(video_resnet.mc3_18, 2018, TRAN, OF_MIXED),
    "r3d-18": NetRecord(video_resnet.r3d_18, 2018, TRAN, OF_VIDEO),
    "r3d-34": NetRecord(video_resnet.r3d_34, 2018, TRAN, OF_VIDEO),
    "r2plus1d-18": NetRecord(video_resnet.r2plus1d_18, 2018, TRAN, OF_VIDEO),
    "r2plus1d-34": NetRecord(video_resnet.r2plus1d_34, 2018, TRAN, OF_VIDEO),
    "r2plus1d-50": NetRecord(video_resnet.r2plus1d_50, 2018, TRAN, OF_DEEP_VIDEO),
    "r2plus1d-101": NetRecord(video_resnet.r2plus1d_101, 2018, TRAN, OF_DEEP_VIDEO),
    "r2plus1d-152": NetRecord(video_resnet.r2plus1d_152, 2018, TRAN, OF_DEEP_VIDEO),
}
"""Nets for video, which read clips."""
ALL_NETS = NETS | VIDEO_NETS


def make_net(text: str) -> Net:
    """Makes a net for images from its name and options: "resnet50", "resnet50:width=0.5,classes=10". Raises
    OptionError for an unknown name or option, TrainingError where there is no memory for its weights."""
    return _make(text, NETS)


def make_video_net(text: str) -> VideoResNet:
    """Makes a net for video: "r2plus1d-18", "r3d-18:width=0.5,frames=8". Raises as `make_net`."""
    net = _make(text, VIDEO_NETS)
    if not isinstance(net, VideoResNet):
        raise TypeError("a net for video was expected")
    return net


def is_video_net(text: str) -> bool:
    """Whether a name, perhaps with options, is that of a net for video."""
    return parse_component(text)[0] in VIDEO_NETS


def _make(text: str, nets: Mapping[str, NetRecord]) -> Net:
    if not isinstance(text, str):
        raise OptionError(f"A net is named by a text, such as '{EXAMPLE}'; got {text!r:.80}.")
    with explained_shortage():
        return build("net", {name: record.make for name, record in nets.items()}, text)


def counts_of(text: str) -> tuple[Net, NetCounts]:
    """The net of this name and options, for images or video, on the meta device, where it has shapes and no weights,
    and its counts. Raises OptionError as `make_net`, and where the net would be too large for any machine."""
    try:
        with torch.device("meta"):
            net = _make(text, ALL_NETS)
        return net, count(net)
    except (RuntimeError, OverflowError) as error:
        raise OptionError(f"{text}: its layers are larger than any machine's memory.\nGive smaller sizes.") from error
