"""The CIFAR-10 nets of cuda-convnet (Krizhevsky 2012, its layers-80sec and layers-18pct), known from Caffe's examples
as quick and full. Pooling rounds up: 32 pixels become 16, 8 and 4."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.model.nets.base import GridNet, Width, initialize, scaled


class Cifar10Quick(GridNet):
    """Three convolutions of 5 × 5 and two linear layers, without a nonlinearity between these. The first pooling
    stands before its ReLU, as in the original. Images of other sizes are averaged to a grid of 4 × 4."""

    smallest, image_size = 8, 32
    last_layer = "ip2"
    stages = ("conv1", "pool1", "conv2", "pool2", "conv3", "pool3", "ip1")

    def __init__(self, classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> None:
        super().__init__()
        narrow, self.size, self.vector_size = scaled(32, width), scaled(64, width), scaled(64, width)
        self.channels = channels
        self.conv1, self.pool1, self.relu1 = nn.Conv2d(channels, narrow, 5, padding=2), maximum(), nn.ReLU()
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(narrow, narrow, 5, padding=2), nn.ReLU(), average()
        self.conv3, self.relu3, self.pool3 = nn.Conv2d(narrow, self.size, 5, padding=2), nn.ReLU(), average()
        self.fit = nn.AdaptiveAvgPool2d(4)
        self.ip1 = nn.Linear(self.size * 16, self.vector_size)
        self.ip2 = nn.Linear(self.vector_size, classes)
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        maps = self.relu1(self.pool1(self.conv1(images)))  # (B, 32, 16, 16) of 32 × 32
        maps = self.pool2(self.relu2(self.conv2(maps)))  # (B, 32, 8, 8)
        places: Tensor = self.pool3(self.relu3(self.conv3(maps)))  # (B, 64, 4, 4)
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.ip1(self.fit(places).flatten(1))  # (B, 64)
        return vector


class Cifar10Full(GridNet):
    """Three convolutions of 5 × 5, two of them with local response normalisation within each map, and one linear
    layer. Images of other sizes are averaged to a grid of 4 × 4."""

    smallest, image_size = 8, 32
    last_layer = "ip1"
    stages = ("conv1", "pool1", "conv2", "pool2", "conv3", "pool3")

    def __init__(self, classes: Count = 10, channels: Count = 3, width: Width = 1.0) -> None:
        super().__init__()
        narrow, self.size = scaled(32, width), scaled(64, width)
        self.channels, self.vector_size = channels, self.size * 16
        self.conv1, self.pool1, self.relu1 = nn.Conv2d(channels, narrow, 5, padding=2), maximum(), nn.ReLU()
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(narrow, narrow, 5, padding=2), nn.ReLU(), average()
        self.conv3, self.relu3, self.pool3 = nn.Conv2d(narrow, self.size, 5, padding=2), nn.ReLU(), average()
        self.norm1, self.norm2 = ResponseNorm(), ResponseNorm()
        self.fit = nn.AdaptiveAvgPool2d(4)
        self.ip1 = nn.Linear(self.vector_size, classes)
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        maps = self.norm1(self.relu1(self.pool1(self.conv1(images))))  # (B, 32, 16, 16) of 32 × 32
        maps = self.norm2(self.pool2(self.relu2(self.conv2(maps))))  # (B, 32, 8, 8)
        places: Tensor = self.pool3(self.relu3(self.conv3(maps)))  # (B, 64, 4, 4)
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.fit(places).flatten(1)  # (B, 1024)
        return vector


def maximum() -> nn.MaxPool2d:
    """The maximum of 3 × 3 pixels, every second one."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def average() -> nn.AvgPool2d:
    """The average of 3 × 3 pixels, every second one; at the border of those that are there."""
    return nn.AvgPool2d(3, 2, ceil_mode=True)


class ResponseNorm(nn.Module):
    """Divides each unit by (1 + α · mean of the squares of 3 × 3 units around it in its map) ** β."""

    alpha, beta = 5e-5, 0.75

    def forward(self, maps: Tensor) -> Tensor:
        squares = F.avg_pool2d(maps.square(), 3, stride=1, padding=1)  # outside the map stand zeros
        return maps * torch.pow(1 + self.alpha * squares, -self.beta)
