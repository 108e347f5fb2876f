"""An encoder of whole images: a net of `model/nets` without its last layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.modalities.base import Frame
from unrolled.memory.none import NoState
from unrolled.model.encoders.base import Encoded
from unrolled.model.nets.base import Net

AT_ONCE = 64  # images in evaluation, whose features of the first layers are large

AnyNet = TypeVar("AnyNet", bound=Net)


def without_last_layer(net: AnyNet) -> AnyNet:
    """The same net, whose last layer returns what it reads."""
    parent, _, name = net.last_layer.rpartition(".")
    setattr(net.get_submodule(parent), name, nn.Identity())
    return net


class ImageEncoder(nn.Module):
    """Turns each image into one vector, the one that the net's last layer reads. Heads take that layer's place, so it
    is left out. Images smaller than `side` are enlarged (bilinear), because pretrained nets know larger ones; then
    images smaller than the net reads are padded with the mean colour."""

    def __init__(self, net: Net, side: int = 0) -> None:
        """side: pixels on the longer side of an image, at least."""
        super().__init__()
        self.net, self.size, self.side = without_last_layer(net), net.vector_size, side

    def start(self, rows: int) -> NoState:
        """The state; an image has none."""
        return NoState()

    def encode(self, images: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Images (B, C, H, W) -> features (B, 1, D). Rows of length 0 are padding: they have features of 0, and batch
        norm does not see them. Raises TensorError for images of other channels."""
        lengths = torch.ones(len(images), dtype=torch.int64) if lengths is None else lengths.cpu()
        present = torch.nonzero(lengths > 0)[:, 0].to(images.device)
        vectors = self._vectors(images if len(present) == len(images) else images[present])  # (P, D)
        if len(present) < len(images):
            vectors = vectors.new_zeros(len(images), self.size).index_copy(0, present, vectors)
        return Encoded(vectors[:, None], lengths)

    def maps(self, images: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """images (B, C, H, W) -> where in each a prediction looks (B, h, w), see `Net.maps`. Raises as `encode`."""
        return self.net.maps(self._prepared(images), score)

    def frame(self, height: int, width: int) -> Frame:
        """The part of an image of this size that the grid covers; more than all of it where the image is padded."""
        high, wide = self._enlarged(height, width)
        tall, broad = max(high, self.net.smallest), max(wide, self.net.smallest)
        top, left = (tall - high) // 2, (broad - wide) // 2
        inner = self.net.frame(tall, broad)
        return Frame(
            (inner.top * tall - top) / high, (inner.left * broad - left) / wide,
            (inner.bottom * tall - top) / high, (inner.right * broad - left) / wide,
        )  # fmt: skip

    def _vectors(self, images: Tensor) -> Tensor:
        if not len(images):
            return images.new_zeros(0, self.size)
        if len(images) > AT_ONCE and not torch.is_grad_enabled() and not self.training:
            return torch.cat([self._vectors(some) for some in torch.split(images, AT_ONCE)])
        padded = self._prepared(images)
        if len(images) == 1 and self.training:  # batch norm needs two values of each feature
            return self.net.vector(padded.repeat(2, 1, 1, 1))[:1]
        return self.net.vector(padded)

    def _prepared(self, images: Tensor) -> Tensor:
        """The images as the net reads them: enlarged and padded where they are small."""
        images = images.to(next(self.net.parameters()).dtype)
        sides = self._enlarged(images.shape[2], images.shape[3])
        if sides != tuple(images.shape[2:]):
            images = F.interpolate(images, sides, mode="bilinear", align_corners=False)
        short = [max(0, self.net.smallest - side) for side in images.shape[:1:-1]]  # of width, height
        padding = [part for lacking in short for part in (lacking // 2, lacking - lacking // 2)]
        padded = F.pad(images, padding)
        return padded.contiguous(memory_format=torch.channels_last)  # convolutions on a CPU are faster so

    def _enlarged(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of images of this size, after those that are smaller than `side` were enlarged."""
        longer = max(height, width)
        if longer >= self.side:
            return height, width
        return round(height * self.side / longer), round(width * self.side / longer)
