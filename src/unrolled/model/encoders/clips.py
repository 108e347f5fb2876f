"""An encoder of clips: a net for video without its last layer. B rows, K clips of each, D numbers of a clip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unrolled.memory.none import NoState
from unrolled.model.class_activation import class_activation_maps
from unrolled.model.encoders.base import Encoded
from unrolled.model.encoders.images import without_last_layer
from unrolled.model.nets.base import GridNet

FRAMES_AT_ONCE = 64  # in evaluation, whose features of the first layers are large


class ClipEncoder(nn.Module):
    """Turns each clip of a row into one vector, the one that the net's last layer reads. Heads take that layer's
    place, so it is left out. Heads that are linear in the mean of the vectors average the scores of the clips."""

    def __init__(self, net: GridNet) -> None:
        super().__init__()
        self.net, self.size = without_last_layer(net), net.vector_size

    def start(self, rows: int) -> NoState:
        """The state; a clip has none."""
        return NoState()

    def encode(self, clips: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Clips (B, K, C, T, H, W) -> features (B, K, D). Clips past a row's length are padding: they have features
        of 0, and batch norm does not see them. Raises TensorError for clips of other channels."""
        rows, most = clips.shape[:2]
        lengths = torch.full((rows,), most) if lengths is None else lengths.cpu()
        present = (torch.arange(most) < lengths[:, None]).flatten().nonzero()[:, 0].to(clips.device)
        vectors = self._vectors(clips.flatten(0, 1)[present])  # (P, D)
        features = vectors.new_zeros(rows * most, self.size).index_copy(0, present, vectors)
        return Encoded(features.view(rows, most, self.size), lengths)

    def maps(self, clips: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """Where in the clips (B, K, C, T, H, W) of each row a prediction looks, (B, K, t, h, w): not negative, sum 1.
        score: mean vectors (B, D) -> the score of each row (B,). Raises as `encode`."""
        rows, most = clips.shape[:2]
        with torch.no_grad():
            places = self.net.grid(self._as_weights(clips.flatten(0, 1)))  # (B K, D, t, h, w)

        def mean(grids: Tensor) -> Tensor:
            return self.net.vector_of(grids.transpose(1, 2).flatten(0, 1)).view(rows, most, -1).mean(1)

        return class_activation_maps(places.view(rows, most, *places.shape[1:]).transpose(1, 2), mean, score)

    def _vectors(self, clips: Tensor) -> Tensor:
        if not len(clips):
            return clips.new_zeros(0, self.size)
        together = max(1, FRAMES_AT_ONCE // clips.shape[2])
        if len(clips) > together and not torch.is_grad_enabled() and not self.training:
            return torch.cat([self._vectors(some) for some in torch.split(clips, together)])
        if len(clips) == 1 and self.training:  # batch norm needs two values of each feature
            return self.net.vector(self._as_weights(torch.cat([clips, clips])))[:1]
        return self.net.vector(self._as_weights(clips))

    def _as_weights(self, clips: Tensor) -> Tensor:
        return clips.to(next(self.net.parameters()).dtype)
