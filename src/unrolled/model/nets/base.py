"""The contract of nets for images and video. B images, C channels, H × W pixels; D features at each of h × w places.
Of video: B clips of T frames, and t × h × w places."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.arguments import checked_init
from unrolled.data.modalities.base import Frame
from unrolled.errors import TensorError
from unrolled.memory.checking import describe, has_dtype
from unrolled.model.class_activation import HIRESCAM, class_activation_maps
from unrolled.schema import Within

Width: TypeAlias = Annotated[float, Within(0.01, 100.0)]
"""A factor of the number of units of every layer but the last; 1 is the paper's net."""


class Net(nn.Module, ABC):
    """Looks at whole images. `grid` has the features of each place, to be attended to; `vector` is what the last
    layer reads; `forward` gives a score for each class, before any softmax.

    A net for video has `frames`. It reads clips (B, C, T, H, W) where the methods say images (B, C, H, W), and its
    grids are (B, D, t, h, w), its maps (B, t, h, w). Clips may have any number of frames from `fewest_frames` on.

    Images may have any size from `smallest` pixels on. The rows of a batch are independent in evaluation; in
    training, batch norm couples them, and dropout draws from torch's own generator.

    A subclass is final; most derive from `GridNet`. It writes its methods without checks: they are wrapped when the
    class is created. Arguments of its `__init__` are checked against their declared types.
    """

    channels: int  # C
    image_size: int  # pixels on each side of the images for which the net was made
    frames: int | None = None  # of the clips for which it was made; None: it reads images
    fewest_frames: int = 1
    smallest: int  # pixels: the least height and width
    size: int  # D
    vector_size: int  # V
    map_method: ClassVar[str]  # of `maps`: the name of a method of `class_activation`
    last_layer: str  # its name; it reads `vector`, and its outputs are the classes
    stages: tuple[str, ...]  # the layers that end a stage, as a paper's table lists them
    end_layers: tuple[str, ...] = ()  # the layers of `end`; none where a net has no `early` features

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = checked_init(cls.__init__)  # type: ignore[method-assign]
        for name in ("grid", "vector", "early", "compact", "maps"):
            if name in cls.__dict__:
                setattr(cls, name, _checks_images(cls.__dict__[name]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what it was made for: (C, H, W), or (C, T, H, W)."""
        times = () if self.frames is None else (self.frames,)
        return (self.channels, *times, self.image_size, self.image_size)

    @abstractmethod
    def grid(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> (B, D, h, w). Raises TensorError for other channels or images that are too small."""

    @abstractmethod
    def vector(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> (B, V). Raises as `grid`."""

    def compact(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> (B, K, h, w), K ≤ D: the narrowest features from which `expand` makes the grid. They
        are what is stored where a frozen net's features are computed once. Raises as `grid`."""
        return self.grid(images)

    def expand(self, compact: Tensor) -> Tensor:
        """What `compact` returned (B, K, h, w) -> the grid (B, D, h, w)."""
        return compact

    def early(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> (B, E, h', w'): the features from which `end` makes the compact ones. They are what
        is stored where the end of a pretrained net is trained further. Raises as `grid`."""
        return self.compact(images)

    def end(self, early: Tensor) -> Tensor:
        """What `early` returned (B, E, h', w') -> the compact features (B, K, h, w), by `end_layers`."""
        return early

    @abstractmethod
    def maps(self, images: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """images (B, C, H, W) -> where in each a prediction looks, (B, h, w): not negative, sum 1. How: `map_method`.
        score: vectors (B, V) -> the score of each row (B,), such as the logit of the predicted label. Raises as
        `grid`."""

    def frame(self, height: int, width: int) -> Frame:
        """The part of an image of this size that the grid covers."""
        return Frame()

    def forward(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> scores (B, classes). Raises as `grid`."""
        scores: Tensor = self.get_submodule(self.last_layer)(self.vector(images))
        return scores


def scaled(units: int, width: float, multiple: int = 1) -> int:
    """units × width, rounded to a multiple of `multiple`; at least that."""
    return max(1, round(units * width / multiple)) * multiple


def first_layers(net: Net) -> list[nn.Module]:
    """The layers, without layers in them, of the first half of a net's stages, rounded up."""
    end = list(net.get_submodule(net.stages[(len(net.stages) - 1) // 2]).modules())[-1]
    layers = [layer for layer in net.modules() if not list(layer.children())]
    return layers[: layers.index(end) + 1]


def initialize(net: Net) -> None:
    """Draws the weights for layers with ReLU (He et al. 2015, arXiv 1502.01852): normal, with standard deviation
    √(2 / inputs of a unit). Biases are 0. The last layer is small, so the first loss is about ln classes."""
    last = net.get_submodule(net.last_layer)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            if layer is last:
                nn.init.normal_(layer.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _checks_images(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(method)
    def check(self: Net, images: Tensor, *others: Any) -> Tensor:
        dense = isinstance(images, Tensor) and not images.is_nested and images.layout is torch.strided
        what, axes = ("images", "") if self.frames is None else ("clips", "frames, ")
        count = 1 + len(self.input_shape)
        if not dense or images.dim() != count or images.shape[1] != self.channels or not images.is_floating_point():
            shape = f"{tuple(images.shape)} in {images.dtype}".replace("torch.", "") if dense else describe(images)
            raise TensorError(
                f"{type(self).__name__} reads {what} of shape (rows, {self.channels}, {axes}height, width) in "
                f"floating point; got {shape}."
            )
        weight = next(self.parameters())
        if images.device != weight.device or not has_dtype(images, weight.dtype):
            raise TensorError(
                f"{type(self).__name__} has weights in {weight.dtype} on {weight.device}; got {what} in "
                f"{images.dtype} on {images.device}. Convert one of them with .to(…)."
            )
        if min(images.shape[-2:]) < self.smallest:
            raise TensorError(
                f"{type(self).__name__} reads {what} of at least {self.smallest} × {self.smallest} pixels; "
                f"got {images.shape[-2]} × {images.shape[-1]}. Enlarge or pad them."
            )
        if self.frames is not None and images.shape[2] < self.fewest_frames:
            raise TensorError(
                f"{type(self).__name__} reads clips of at least {self.fewest_frames} frames; got {images.shape[2]}."
            )
        return method(self, images, *others)

    return check


class GridNet(Net):
    """A net whose `vector` follows from its `grid`."""

    map_method = HIRESCAM

    @abstractmethod
    def vector_of(self, places: Tensor) -> Tensor:
        """places (B, D, h, w), as `grid` gives them -> (B, V)."""

    def vector(self, images: Tensor) -> Tensor:
        return self.vector_of(self.grid(images))

    def maps(self, images: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            places = self.grid(images)
        return class_activation_maps(places, self.vector_of, score)
