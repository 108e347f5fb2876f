"""AlexNet (Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural networks), and
its later form with one tower (Krizhevsky 2014, arXiv 1404.5997)."""

from __future__ import annotations

from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.model.nets.base import GridNet, Width, initialize, scaled


class AlexNetOf2012(GridNet):
    """Two towers, which two GPUs held: the second, fourth and fifth convolution read only the maps of their own
    tower. Local response normalisation follows the first two.

    Unlike the paper, weights start as in He et al. 2015 and biases at 0, and images of other sizes are averaged to
    a grid of 6 × 6. The paper says 224 pixels; the sizes of its layers need 227.
    """

    smallest, image_size = 67, 227
    last_layer = "classifier.6"
    stages = ("features.0", "features.2", "features.3", "features.5", "features.6", "features.10", "features.12")

    def __init__(self, classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> None:
        super().__init__()
        a, b, c, self.size = (scaled(units, width, multiple=2) for units in (96, 256, 384, 256))
        self.channels, self.vector_size = channels, scaled(4096, width)
        # layers with weights have the same names as in AlexNet
        self.features = nn.Sequential(
            nn.Conv2d(channels, a, 11, stride=4), nn.Sequential(nn.ReLU(), response_norm()), nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, padding=2, groups=2), nn.Sequential(nn.ReLU(), response_norm()), nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1, groups=2), nn.ReLU(),
            nn.Conv2d(c, self.size, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.average = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(self.size * 36, self.vector_size), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(self.vector_size, self.vector_size), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(self.vector_size, classes),
        )  # fmt: skip
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        places: Tensor = self.features(images)  # (B, 256, 6, 6) of 227 × 227
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.classifier[:-1](self.average(places))  # (B, 4096)
        return vector


class AlexNet(GridNet):
    """One tower, fewer maps, no normalisation. Images of other sizes are averaged to a grid of 6 × 6."""

    smallest, image_size = 63, 224
    last_layer = "classifier.6"
    stages = ("features.0", "features.2", "features.3", "features.5", "features.6", "features.10", "features.12")

    def __init__(self, classes: Count = 1000, channels: Count = 3, width: Width = 1.0) -> None:
        super().__init__()
        a, b, c, self.size = (scaled(units, width) for units in (64, 192, 384, 256))
        self.channels, self.vector_size = channels, scaled(4096, width)
        self.features = nn.Sequential(
            nn.Conv2d(channels, a, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(a, b, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(b, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, self.size, 3, padding=1), nn.ReLU(),
            nn.Conv2d(self.size, self.size, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.average = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(self.size * 36, self.vector_size), nn.ReLU(),
            nn.Dropout(0.5), nn.Linear(self.vector_size, self.vector_size), nn.ReLU(),
            nn.Linear(self.vector_size, classes),
        )  # fmt: skip
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        places: Tensor = self.features(images)  # (B, 256, 6, 6) of 224 × 224
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.classifier[:-1](self.average(places).flatten(1))  # (B, 4096)
        return vector


def response_norm() -> nn.LocalResponseNorm:
    """Divides each unit by (2 + 10⁻⁴ · the sum of the squares of five maps around it) ** ¾. torch divides its alpha
    by the number of maps; the paper does not."""
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
