"""The thin ResNet for CIFAR-10 (He, Zhang, Ren & Sun 2015, arXiv 1512.03385, section 4.2)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.model.class_activation import CAM
from unrolled.model.nets.base import GridNet, Width, initialize, scaled
from unrolled.model.nets.resnet import BasicBlock


class CifarResNet(GridNet):
    """A convolution of 3 × 3, three stages of basic blocks with 16, 32 and 64 maps, and the average over all places.
    Shortcuts have no weights. With n blocks a stage, the net has 6 n + 2 layers."""

    smallest, image_size = 4, 32
    map_method = CAM
    last_layer = "fc"
    stages = ("conv1", "layer1", "layer2", "layer3")

    def __init__(self, blocks: Count, classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> None:
        """blocks: of each stage."""
        super().__init__()
        units = scaled(16, width)
        self.conv1 = nn.Conv2d(channels, units, 3, padding=1, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(units), nn.ReLU(inplace=True)
        self.layer1 = stage(units, units, blocks)
        self.layer2 = stage(units, units * 2, blocks)
        self.layer3 = stage(units * 2, units * 4, blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.channels, self.size, self.vector_size = channels, units * 4, units * 4
        self.fc = nn.Linear(self.vector_size, classes)
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        x = self.layer1(self.relu(self.bn1(self.conv1(images))))  # (B, 16, 32, 32) of 32 × 32
        places: Tensor = self.layer3(self.layer2(x))  # (B, 64, 8, 8)
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.avgpool(places).flatten(1)  # (B, 64)
        return vector


def stage(before: int, units: int, blocks: int) -> nn.Sequential:
    """Basic blocks; where the number of maps grows, the first halves the sides."""
    first = BasicBlock(before, units, 1, None) if before == units else BasicBlock(before, units, 2, Padded(units))
    return nn.Sequential(first, *(BasicBlock(units, units, 1, None) for _ in range(blocks - 1)))


class Padded(nn.Module):
    """The paper's shortcut A: every second pixel, and zeros as further maps."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        """x (B, D, H, W) -> (B, units, H / 2, W / 2)."""
        x = x[:, :, ::2, ::2]
        return F.pad(x, (0, 0, 0, 0, 0, self.units - x.shape[1]))


def cifar_resnet20(classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> CifarResNet:
    """20 layers."""
    return CifarResNet(3, classes, channels, width)


def cifar_resnet32(classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> CifarResNet:
    """32 layers."""
    return CifarResNet(5, classes, channels, width)


def cifar_resnet44(classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> CifarResNet:
    """44 layers."""
    return CifarResNet(7, classes, channels, width)


def cifar_resnet56(classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> CifarResNet:
    """56 layers."""
    return CifarResNet(9, classes, channels, width)


def cifar_resnet110(classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> CifarResNet:
    """110 layers."""
    return CifarResNet(18, classes, channels, width)
