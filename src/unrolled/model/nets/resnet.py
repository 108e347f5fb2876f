"""ResNet (He, Zhang, Ren & Sun 2015, arXiv 1512.03385), for ImageNet: table 1 of the paper."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.model.class_activation import CAM
from unrolled.model.nets.base import GridNet, Width, initialize, scaled


class BasicBlock(nn.Module):
    """Two convolutions of 3 × 3 beside a shortcut. x (B, before, H, W) -> (B, units, H / stride, W / stride)."""

    expansion: ClassVar[int] = 1

    def __init__(self, before: int, units: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, units, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.conv2 = nn.Conv2d(units, units, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        change = self.relu(self.bn1(self.conv1(x)))
        change = self.bn2(self.conv2(change))
        out: Tensor = self.relu(change + (x if self.downsample is None else self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """Convolutions of 1 × 1, 3 × 3 and 1 × 1 beside a shortcut. x (B, before, H, W) -> (B, 4 units, H / stride,
    W / stride). Unlike the paper, the stride is that of the 3 × 3, as is usual: no pixel is left out."""

    expansion: ClassVar[int] = 4

    def __init__(self, before: int, units: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, units, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.conv2 = nn.Conv2d(units, units, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.conv3 = nn.Conv2d(units, 4 * units, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * units)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        change = self.relu(self.bn1(self.conv1(x)))
        change = self.relu(self.bn2(self.conv2(change)))
        change = self.bn3(self.conv3(change))
        out: Tensor = self.relu(change + (x if self.downsample is None else self.downsample(x)))
        return out


class ResNet(GridNet):
    """A convolution and a pooling, four stages of blocks, and the average over all places. A stage but the first
    halves the sides in its first block, whose shortcut is then a convolution of 1 × 1."""

    smallest, image_size = 32, 224
    map_method = CAM
    last_layer = "fc"
    stages = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4")
    end_layers = ("layer4",)

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: tuple[int, int, int, int],
        classes: Count = 1000,
        channels: Count = 3,
        width: Width = 1.0,
    ) -> None:
        """depths: the number of blocks of each stage."""
        super().__init__()
        units = scaled(64, width)
        self.conv1 = nn.Conv2d(channels, units, 7, stride=2, padding=3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(units), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, units, units, depths[0], stride=1)
        self.layer2 = stage(block, units * block.expansion, units * 2, depths[1], stride=2)
        self.layer3 = stage(block, units * block.expansion * 2, units * 4, depths[2], stride=2)
        self.layer4 = stage(block, units * block.expansion * 4, units * 8, depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.channels, self.size = channels, units * block.expansion * 8
        self.vector_size = self.size
        self.fc = nn.Linear(self.size, classes)
        initialize(self)

    def early(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (B, 64, 56, 56) of 224 × 224
        x = self.layer2(self.layer1(x))  # (B, 128 or 512, 28, 28)
        places: Tensor = self.layer3(x)  # (B, 256 or 1024, 14, 14)
        return places

    def end(self, early: Tensor) -> Tensor:
        places: Tensor = self.layer4(early)  # (B, 512 or 2048, 7, 7)
        return places

    def grid(self, images: Tensor) -> Tensor:
        return self.end(self.early(images))

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.avgpool(places).flatten(1)  # (B, 512 or 2048)
        return vector


def stage(
    block: type[BasicBlock] | type[Bottleneck], before: int, units: int, depth: int, stride: int
) -> nn.Sequential:
    """Blocks, the first of which has the stride, and a shortcut with weights where the shape changes."""
    after, shortcut = units * block.expansion, None
    if stride != 1 or before != after:
        shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    return nn.Sequential(
        block(before, units, stride, shortcut), *(block(after, units, 1, None) for _ in range(depth - 1))
    )


def resnet18(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> ResNet:
    """18 layers, of basic blocks."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, channels, width)


def resnet34(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> ResNet:
    """34 layers, of basic blocks."""
    return ResNet(BasicBlock, (3, 4, 6, 3), classes, channels, width)


def resnet50(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> ResNet:
    """50 layers, of bottlenecks."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, channels, width)


def resnet101(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> ResNet:
    """101 layers, of bottlenecks."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes, channels, width)


def resnet152(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> ResNet:
    """152 layers, of bottlenecks."""
    return ResNet(Bottleneck, (3, 8, 36, 3), classes, channels, width)
