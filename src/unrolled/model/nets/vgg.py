"""VGG (Simonyan & Zisserman 2014, arXiv 1409.1556): convolutions of 3 × 3 alone, in five stages."""

from __future__ import annotations

from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.model.nets.base import GridNet, Width, initialize, scaled

MAPS = (64, 128, 256, 512, 512)
"""The maps of each stage."""


class VGG(GridNet):
    """Stages of convolutions, each ended by a pooling that halves the sides, then three linear layers.

    Unlike the paper, weights start as in He et al. 2015, so that the deep ones learn from nothing. Images of other
    sizes are averaged to a grid of 7 × 7.
    """

    smallest, image_size = 32, 224
    last_layer = "classifier.6"

    def __init__(
        self, depths: tuple[int, ...], classes: Count = 1000, channels: Count = 3, width: Width = 1.0
    ) -> None:
        """depths: the number of convolutions of each stage."""
        super().__init__()
        self.channels, self.vector_size = channels, scaled(4096, width)
        layers, ends, self.size = list[nn.Module](), list[str](), channels
        for depth, maps in zip(depths, MAPS, strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(self.size, scaled(maps, width), 3, padding=1), nn.ReLU(inplace=True)]
                self.size = scaled(maps, width)
            ends.append(f"features.{len(layers)}")
            layers.append(nn.MaxPool2d(2))
        self.features, self.stages = nn.Sequential(*layers), tuple(ends)
        self._last = 2 * depths[-1] + 1  # layers of the last stage
        self.end_layers = tuple(f"features.{len(layers) - k}" for k in range(self._last, 0, -1))
        self.average = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(self.size * 49, self.vector_size), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(self.vector_size, self.vector_size), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(self.vector_size, classes),
        )  # fmt: skip
        initialize(self)

    def early(self, images: Tensor) -> Tensor:
        places: Tensor = self.features[: -self._last](images)  # (B, 512, 14, 14) of 224 × 224
        return places

    def end(self, early: Tensor) -> Tensor:
        places: Tensor = self.features[-self._last :](early)  # (B, 512, 7, 7)
        return places

    def grid(self, images: Tensor) -> Tensor:
        return self.end(self.early(images))

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.classifier[:-1](self.average(places).flatten(1))  # (B, 4096)
        return vector


def vgg11(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> VGG:
    """Configuration A."""
    return VGG((1, 1, 2, 2, 2), classes, channels, width)


def vgg13(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> VGG:
    """Configuration B."""
    return VGG((2, 2, 2, 2, 2), classes, channels, width)


def vgg16(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> VGG:
    """Configuration D."""
    return VGG((2, 2, 3, 3, 3), classes, channels, width)


def vgg19(classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> VGG:
    """Configuration E."""
    return VGG((2, 2, 4, 4, 4), classes, channels, width)
