"""ResNets for video: R3D, MC3, R2D and R(2+1)D (Tran et al. 2018, A closer look at spatiotemporal convolutions for
action recognition, arXiv 1711.11248). B clips, C channels, T frames of H × W pixels; D features at t × h × w places.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from torch import Tensor, nn

from unrolled.arguments import Count
from unrolled.model.class_activation import CAM
from unrolled.model.nets.base import GridNet, Width, initialize, scaled

Form: TypeAlias = Literal["r3d", "mc3", "r2d", "r2plus1d"]
Depth: TypeAlias = Literal[18, 34, 50, 101, 152]
Middle: TypeAlias = Literal["convolution", "block"]
"""The width inside R(2+1)D's pairs of convolutions: chosen for each pair, as in the paper, or for each block, as in
the weights that are mostly shared."""

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
FULL, SPACE, FACTORISED = "full", "space", "factorised"  # kinds of convolutions
STAGES = {
    "r3d": (FULL, FULL, FULL, FULL),
    "mc3": (FULL, SPACE, SPACE, SPACE),
    "r2d": (SPACE, SPACE, SPACE, SPACE),
    "r2plus1d": (FACTORISED, FACTORISED, FACTORISED, FACTORISED),
}
"""The kind of the convolutions of each stage."""
STEM_MIDDLE = 45  # units inside the stem of R(2+1)D


class Factorised(nn.Sequential):
    """A convolution over space, then one over time, with a nonlinearity between them. (B, before, T, H, W) ->
    (B, units, T / stride, H / stride, W / stride)."""

    def __init__(self, before: int, units: int, middle: int, stride: int) -> None:
        super().__init__(
            nn.Conv3d(before, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, units, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        )


def middle_width(before: int, units: int) -> int:
    """The width at which a factorised convolution has as many weights as one of 3 × 3 × 3 (section 3.5)."""
    return 27 * before * units // (9 * before + 3 * units)


def convolution(kind: str, before: int, units: int, stride: int, middle: int | None = None) -> nn.Module:
    """One of 3 × 3 × 3, of 1 × 3 × 3, or a factorised one, whose inner width is `middle_width` unless given."""
    if kind == FACTORISED:
        return Factorised(before, units, middle or middle_width(before, units), stride)
    if kind == SPACE:
        return nn.Conv3d(before, units, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False)
    return nn.Conv3d(before, units, 3, stride, padding=1, bias=False)


class BasicVideoBlock(nn.Module):
    """Two convolutions beside a shortcut. x (B, before, T, H, W) -> (B, units, T / stride, H / stride, W / stride).
    Convolutions over space alone keep all frames."""

    expansion: ClassVar[int] = 1

    def __init__(
        self, kind: str, before: int, units: int, stride: int, shortcut: nn.Module | None, middle: int | None
    ) -> None:
        """middle: the inner width of factorised convolutions; by default that of each."""
        super().__init__()
        self.conv1 = nn.Sequential(
            convolution(kind, before, units, stride, middle), nn.BatchNorm3d(units), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(convolution(kind, units, units, 1, middle), nn.BatchNorm3d(units))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv2(self.conv1(x))
        out: Tensor = self.relu(change + (x if self.downsample is None else self.downsample(x)))
        return out


class VideoBottleneck(nn.Module):
    """Convolutions of 1 × 1 × 1, over space and time, and of 1 × 1 × 1, beside a shortcut. x (B, before, T, H, W) ->
    (B, 4 units, T / stride, H / stride, W / stride)."""

    expansion: ClassVar[int] = 4

    def __init__(
        self, kind: str, before: int, units: int, stride: int, shortcut: nn.Module | None, middle: int | None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv3d(before, units, 1, bias=False), nn.BatchNorm3d(units), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(
            convolution(kind, units, units, stride, middle), nn.BatchNorm3d(units), nn.ReLU(inplace=True)
        )
        self.conv3 = nn.Sequential(nn.Conv3d(units, 4 * units, 1, bias=False), nn.BatchNorm3d(4 * units))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        change = self.conv3(self.conv2(self.conv1(x)))
        out: Tensor = self.relu(change + (x if self.downsample is None else self.downsample(x)))
        return out


class VideoResNet(GridNet):
    """A stem, four stages of blocks, and the average over all places. A stage but the first halves the sides in its
    first block, and the number of frames too, unless its convolutions are over space alone."""

    smallest, image_size = 32, 112
    map_method = CAM
    last_layer = "fc"
    stages = ("stem", "layer1", "layer2", "layer3", "layer4")
    end_layers = ("layer4",)

    def __init__(
        self,
        form: Form,
        depth: Depth,
        classes: Count = 400,
        channels: Count = 3,
        width: Width = 1.0,
        frames: Count = 16,
        middle: Middle = "convolution",
    ) -> None:
        """frames: of a clip. R2D reads no shorter ones, because its stem joins all frames."""
        super().__init__()
        block = BasicVideoBlock if depth < 50 else VideoBottleneck
        units, before = scaled(64, width), scaled(64, width)
        self.stem = stem(form, channels, units, width, frames)
        for number, (kind, blocks) in enumerate(zip(STAGES[form], DEPTHS[depth], strict=True)):
            layer = stage(block, kind, before, units << number, blocks, 1 if number == 0 else 2, middle == "block")
            self.add_module(f"layer{number + 1}", layer)
            before = block.expansion * units << number
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.channels, self.frames, self.size, self.vector_size = channels, frames, before, before
        self.fewest_frames = frames if form == "r2d" else 1
        self.fc = nn.Linear(before, classes)
        initialize(self)

    def early(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (B, 64, 16, 56, 56) of 16 × 112 × 112
        for name in self.stages[1:4]:
            x = self.get_submodule(name)(x)
        places: Tensor = x  # (B, 256 or 1024, 4, 14, 14)
        return places

    def end(self, early: Tensor) -> Tensor:
        places: Tensor = self.get_submodule("layer4")(early)  # (B, 512 or 2048, 2, 7, 7)
        return places

    def grid(self, images: Tensor) -> Tensor:
        return self.end(self.early(images))

    def vector_of(self, places: Tensor) -> Tensor:
        vector: Tensor = self.avgpool(places).flatten(1)  # (B, 512 or 2048)
        return vector


def stem(form: Form, channels: int, units: int, width: float, frames: int) -> nn.Sequential:
    """The first layers: (B, channels, T, H, W) -> (B, units, T, H / 2, W / 2); that of R2D joins all frames."""
    if form == "r2plus1d":
        middle = scaled(STEM_MIDDLE, width)
        return nn.Sequential(
            nn.Conv3d(channels, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            nn.Conv3d(middle, units, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(units),
            nn.ReLU(inplace=True),
        )
    over, around = (frames, 0) if form == "r2d" else (3, 1)
    first = nn.Conv3d(channels, units, (over, 7, 7), (1, 2, 2), (around, 3, 3), bias=False)
    return nn.Sequential(first, nn.BatchNorm3d(units), nn.ReLU(inplace=True))


def stage(
    block: type[BasicVideoBlock] | type[VideoBottleneck],
    kind: str,
    before: int,
    units: int,
    depth: int,
    stride: int,
    one_middle: bool,
) -> nn.Sequential:
    """Blocks, the first of which has the stride, and a shortcut with weights where the shape changes. one_middle:
    whether the factorised convolutions of a block share their inner width."""
    after, shortcut = units * block.expansion, None
    if stride != 1 or before != after:
        strides = (1 if kind == SPACE else stride, stride, stride)
        shortcut = nn.Sequential(nn.Conv3d(before, after, 1, strides, bias=False), nn.BatchNorm3d(after))
    first = block(kind, before, units, stride, shortcut, middle_width(before, units) if one_middle else None)
    inner = middle_width(after, units) if one_middle else None
    return nn.Sequential(first, *(block(kind, after, units, 1, None, inner) for _ in range(depth - 1)))


def r3d_18(classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16) -> VideoResNet:
    """18 layers with convolutions of 3 × 3 × 3."""
    return VideoResNet("r3d", 18, classes, channels, width, frames)


def r3d_34(classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16) -> VideoResNet:
    """34 layers with convolutions of 3 × 3 × 3."""
    return VideoResNet("r3d", 34, classes, channels, width, frames)


def mc3_18(classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16) -> VideoResNet:
    """18 layers: convolutions of 3 × 3 × 3 in the first stage, over space alone in the others."""
    return VideoResNet("mc3", 18, classes, channels, width, frames)


def r2d_18(classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16) -> VideoResNet:
    """18 layers over space alone, after a stem that joins all frames into one image."""
    return VideoResNet("r2d", 18, classes, channels, width, frames)


def r2plus1d_18(
    classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16, middle: Middle = "convolution"
) -> VideoResNet:
    """18 layers with factorised convolutions."""
    return VideoResNet("r2plus1d", 18, classes, channels, width, frames, middle)


def r2plus1d_34(
    classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16, middle: Middle = "convolution"
) -> VideoResNet:
    """34 layers with factorised convolutions."""
    return VideoResNet("r2plus1d", 34, classes, channels, width, frames, middle)


def r2plus1d_50(
    classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16, middle: Middle = "convolution"
) -> VideoResNet:
    """50 layers, of bottlenecks with factorised convolutions."""
    return VideoResNet("r2plus1d", 50, classes, channels, width, frames, middle)


def r2plus1d_101(
    classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16, middle: Middle = "convolution"
) -> VideoResNet:
    """101 layers, of bottlenecks with factorised convolutions."""
    return VideoResNet("r2plus1d", 101, classes, channels, width, frames, middle)


def r2plus1d_152(
    classes: Count = 400, channels: Count = 3, width: Width = 1.0, frames: Count = 16, middle: Middle = "convolution"
) -> VideoResNet:
    """152 layers, of bottlenecks with factorised convolutions."""
    return VideoResNet("r2plus1d", 152, classes, channels, width, frames, middle)
