"""LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition, section
II.B): digits of 20 × 20 pixels, in the middle of 32 × 32."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.model.nets.base import GridNet, Width, initialize, scaled

READ_BY_C3 = ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1),
              (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2),
              (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5))  # fmt: skip
"""The maps of S2 that each map of C3 reads: the paper's table I."""

BITMAPS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... ..###.. ####### ....##. ####### ..####. ####### ..###.. ..###..
.#...#. ..##... .#...#. .....#. ...#.#. #...... .#..... ......# .#...#. .#...#.
#.....# .#.#... #.....# ....#.. ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... ......# ...#... .#...#. #.###.. #...... .....#. .#...#. #.....#
#.....# ...#... .....#. ..###.. #....#. ##...#. #.###.. ....#.. ..###.. .#...##
#.....# ...#... ....#.. .....#. ####### ......# ##...#. ....#.. .#...#. ..###.#
#.....# ...#... ...#... ......# .....#. ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. #.....# #.....# ...#... #.....# ......#
.#...#. ...#... .#..... #....#. .....#. .#...#. .#...#. ..#.... .#...#. .....#.
..###.. .#####. ####### .####.. .....#. ..###.. ..###.. ..#.... ..###.. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""
"""The digits on 7 × 12 pixels, after the paper's figure 3: what the 84 units of F6 shall show for each class."""


class LeNet5(GridNet):
    """The net as it is taught today: ReLU, maximum pooling, every map of the second convolution reads all maps of the
    first, and a linear last layer. Larger images are averaged to the grid of 5 × 5."""

    smallest, image_size = 32, 32
    last_layer = "fc3"
    stages = ("conv1", "pool1", "conv2", "pool2", "fc1", "fc2")

    def __init__(self, classes: Count = 10, channels: Count = 1, width: Width = 1.0) -> None:
        super().__init__()
        first, self.size = scaled(6, width), scaled(16, width)
        hidden, self.vector_size = scaled(120, width), scaled(84, width)
        self.channels = channels
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(channels, first, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(first, self.size, 5), nn.ReLU(), nn.MaxPool2d(2)
        self.average = nn.AdaptiveAvgPool2d(5)
        self.fc1, self.relu3 = nn.Linear(self.size * 25, hidden), nn.ReLU()
        self.fc2, self.relu4 = nn.Linear(hidden, self.vector_size), nn.ReLU()
        self.fc3 = nn.Linear(self.vector_size, classes)
        initialize(self)

    def grid(self, images: Tensor) -> Tensor:
        maps = self.pool1(self.relu1(self.conv1(images)))  # (B, 6, 14, 14) of 32 × 32
        places: Tensor = self.pool2(self.relu2(self.conv2(maps)))  # (B, 16, 5, 5)
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        hidden = self.relu3(self.fc1(self.average(places).flatten(1)))  # (B, 120)
        vector: Tensor = self.relu4(self.fc2(hidden))  # (B, 84)
        return vector


class LeNet5Of1998(GridNet):
    """The net of the paper: scaled tanh, pooling with a trained factor and bias per map, the sparse table between S2
    and C3, and radial basis units: a class's score is minus the squared distance of F6 from its code, a fixed picture
    of the class. Unlike the paper, C5 also reads larger images, averaged to 5 × 5.

    Codes are the digits' bitmaps for up to ten classes at full width; otherwise they are drawn from ±1, which the
    paper allows. At another width each map of C3 reads the share of the maps that the table gives it.
    """

    smallest, image_size = 32, 32
    last_layer = "output"
    stages = ("c1", "s2", "c3", "s4", "c5", "f6")

    def __init__(self, classes: Count = 10, channels: Count = 1, width: Width = 1.0) -> None:
        super().__init__()
        first, self.size = scaled(6, width), scaled(16, width)
        hidden, self.vector_size = scaled(120, width), scaled(84, width)
        self.channels = channels
        self.c1, self.squash1, self.s2 = nn.Conv2d(channels, first, 5), Squash(), TrainedPooling(first)
        self.c3 = SparseConv2d(connections(first, self.size), 5)
        self.squash3, self.s4 = Squash(), TrainedPooling(self.size)
        self.average = nn.AdaptiveAvgPool2d(5)
        self.c5, self.squash5 = nn.Conv2d(self.size, hidden, 5), Squash()
        self.f6, self.squash6 = nn.Linear(hidden, self.vector_size), Squash()
        self.output = RadialBasis(codes(classes, self.vector_size))
        for layer in (self.c1, self.c5, self.f6):
            inputs = layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -2.4 / inputs, 2.4 / inputs)
            nn.init.uniform_(layer.bias, -2.4 / inputs, 2.4 / inputs)  # type: ignore[arg-type]

    def grid(self, images: Tensor) -> Tensor:
        maps = self.s2(self.squash1(self.c1(images)))  # (B, 6, 14, 14) of 32 × 32
        places: Tensor = self.s4(self.squash3(self.c3(maps)))  # (B, 16, 5, 5)
        return places

    def vector_of(self, places: Tensor) -> Tensor:
        hidden = self.squash5(self.c5(self.average(places)))  # (B, 120, 1, 1)
        vector: Tensor = self.squash6(self.f6(hidden.flatten(1)))  # (B, 84)
        return vector


def connections(before: int, after: int) -> list[list[int]]:
    """The maps of S2 that each map of C3 reads: table I, stretched from 6 and 16 maps to other numbers."""
    share = math.ceil(6 / before)  # maps of the table that one map stands for
    table = [READ_BY_C3[number * 16 // after] for number in range(after)]
    return [
        [m for m in range(before) if any((m * 6 // before + more) in reads for more in range(share))]
        for reads in table
    ]


def codes(classes: int, units: int) -> Tensor:
    """The codes of classes (classes, units), of 1 and -1."""
    rows = [line.split() for line in BITMAPS.split("\n") if line]  # 12 rows of 10 digits of 7 pixels
    if classes <= len(rows[0]) and units == 84:
        digits = ["".join(row[digit] for row in rows) for digit in range(classes)]
        return torch.tensor([[1.0 if pixel == "#" else -1.0 for pixel in digit] for digit in digits])
    device = torch.get_default_device()
    if device.type == "meta":
        return torch.empty(classes, units)
    generator = torch.Generator("cpu").manual_seed(0)  # the same for every net
    return (torch.randint(2, (classes, units), generator=generator, device="cpu") * 2.0 - 1.0).to(device)


def squashed(x: Tensor) -> Tensor:
    """1.7159 tanh(2/3 x), so that f(1) = 1 and f(-1) = -1."""
    return 1.7159 * torch.tanh(x * (2 / 3))


class Squash(nn.Module):
    """`squashed` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return squashed(x)


class TrainedPooling(nn.Module):
    """The sum of each 2 × 2 pixels, times a factor, plus a bias, then the scaled tanh; both are trained, per map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((maps,), 0.25))  # it starts as an average
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, maps: Tensor) -> Tensor:
        """maps (B, D, H, W) -> (B, D, H // 2, W // 2)."""
        summed = 4 * F.avg_pool2d(maps, 2)
        return squashed(summed * self.factor[:, None, None] + self.bias[:, None, None])


class SparseConv2d(nn.Module):
    """A convolution in which each output map reads its own list of input maps."""

    def __init__(self, reads: list[list[int]], kernel: int) -> None:
        super().__init__()
        self.reads = reads
        self.weight = nn.Parameter(torch.empty(sum(map(len, reads)), kernel, kernel))  # one kernel per connection
        self.bias = nn.Parameter(torch.empty(len(reads)))
        with torch.no_grad():
            for weight, bias in zip(self._weights(), self.bias, strict=True):
                weight.uniform_(-2.4 / weight.numel(), 2.4 / weight.numel())
                bias.uniform_(-2.4 / weight.numel(), 2.4 / weight.numel())

    def _weights(self) -> tuple[Tensor, ...]:
        return self.weight.split([len(maps) for maps in self.reads])  # type: ignore[no-untyped-call,no-any-return]

    def forward(self, maps: Tensor) -> Tensor:
        """maps (B, D, H, W) -> (B, number of lists, H - kernel + 1, W - kernel + 1)."""
        made = [
            F.conv2d(maps[:, reads], weight[None], bias[None])
            for reads, weight, bias in zip(self.reads, self._weights(), self.bias, strict=True)
        ]
        return torch.cat(made, 1)


class RadialBasis(nn.Module):
    """Minus the squared distance from each class's code. The codes are fixed."""

    codes: Tensor  # (classes, units)

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)

    def forward(self, vector: Tensor) -> Tensor:
        """vector (B, units) -> (B, classes)."""
        own = vector.square().sum(1, keepdim=True) + self.codes.square().sum(1)  # (B, classes)
        return 2 * F.linear(vector, self.codes) - own
