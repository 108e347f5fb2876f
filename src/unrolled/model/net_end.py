"""The last layers of a pretrained net, trained further with a net that attends to its features.

U images, S places of the net's grid, W early features of a place, K compact ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import TensorError
from unrolled.model.image_features import FeatureSource, drop_last_layer, fold_batch_norms
from unrolled.model.nets.base import Net
from unrolled.model.nets.table import make_net


class NetEnd(nn.Module):
    """Turns early features, computed once by the frozen layers before, into the compact ones, scaled as those of
    `GridFeaturizer`. Batch norms are folded into the convolutions, so the images of a batch are independent."""

    def __init__(self, source: FeatureSource, mean: Sequence[float], std: Sequence[float]) -> None:
        """mean, std: of each of the K features. Raises ValueError if the net has no end, or for other numbers."""
        super().__init__()
        net = make_net(source.net).eval()
        if not net.end_layers:
            raise ValueError(f"{source.net} has no end that could be trained by itself")
        drop_last_layer(net)
        fold_batch_norms(net, source.size)
        with torch.no_grad():
            early = net.early(torch.zeros(1, net.channels, source.size, source.size))
            compact = net.end(early)
        self.sides = (early.shape[2], early.shape[3])  # h', w'
        self.maps = early.shape[1]  # E
        self.places, self.size = compact.shape[2] * compact.shape[3], compact.shape[1]  # S, K
        if not len(mean) == len(std) == self.size:
            raise ValueError(f"{self.size} means and standard deviations were expected")
        keep_layers(net, net.end_layers)
        net.requires_grad_(True)  # folding lost it
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    @property
    def width(self) -> int:
        """W: the early features of an image, spread evenly over its places."""
        return self.maps * self.sides[0] * self.sides[1] // self.places

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (U, T, W), pixel by pixel -> (U, T, K), where T is S besides padding. Raises TensorError for another
        W."""
        if inputs.dim() != 3 or inputs.shape[2] != self.width:
            raise TensorError(
                f"{type(self).__name__} reads (rows, {self.places}, {self.width}); got {tuple(inputs.shape)}."
            )
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        steps, more = inputs.shape[1], self.places - inputs.shape[1]
        whole = F.pad(inputs, (0, 0, 0, more)).to(mean.dtype)  # (U, S, W)
        pixels = whole.reshape(len(inputs), *self.sides, self.maps)
        compact = self.net.end(pixels.permute(0, 3, 1, 2))  # (U, K, h, w)
        scaled = (compact.flatten(2).mT - mean) / std  # (U, S, K)
        return scaled if not more else F.pad(scaled, (0, 0, 0, -more)) if more < 0 else scaled[:, :steps]


def keep_layers(net: Net, names: Sequence[str]) -> None:
    """Replace the layers with parameters that are not among these, or in them, by identities."""
    for path, layer in list(net.named_modules()):
        inside = any(path == name or path.startswith(f"{name}.") for name in names)
        if not inside and next(layer.parameters(recurse=False), None) is not None:
            parent, _, own = path.rpartition(".")
            setattr(net.get_submodule(parent), own, nn.Identity())
