"""The retina of a glimpse: squares of an image around a place. B images, C channels, H × W pixels, S scales."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class Retina:
    """Cuts `scales` squares out of an image around a place. Each has `size` × `size` pixels; the first is read at
    full resolution, and each next one is twice as wide, at half the resolution (Mnih et al. 2014, arXiv 1406.6247).

    A coarse square is read from an image that was reduced by means. Values between pixels are interpolated
    (bilinear), so the squares have a gradient with respect to the place, as in a spatial transformer (Jaderberg et
    al. 2015, arXiv 1506.02025). Beyond the image its edge pixels continue, so an image may be smaller than a square.
    """

    def __init__(self, size: int, scales: int) -> None:
        self.size, self.scales = size, scales

    def reduced(self, images: Tensor) -> list[Tensor]:
        """images (B, C, H, W) -> the image at each scale, (B, C, ⌈H / 2ˢ⌉, ⌈W / 2ˢ⌉)."""
        found = []
        for scale in range(self.scales):
            side = 2**scale
            missing = (0, -images.shape[3] % side, 0, -images.shape[2] % side)
            whole = F.pad(images, missing, mode="replicate") if any(missing) else images
            found.append(F.avg_pool2d(whole, side) if scale else whole)
        return found

    def squares(self, reduced: list[Tensor], places: Tensor) -> Tensor:
        """What `reduced` returned, and places (B, 2), x and y from -1, the left or upper edge, to 1 ->
        (B, S, C, size, size)."""
        height, width = reduced[0].shape[2:]
        middle = (places + 1) / 2 * places.new_tensor([width, height])  # (B, 2), pixels from the upper left corner
        steps = torch.arange(self.size, device=places.device, dtype=places.dtype) - (self.size - 1) / 2
        found = []
        for scale, image in enumerate(reduced):
            sides = places.new_tensor([image.shape[3], image.shape[2]])
            at = (middle / 2**scale)[:, None] + steps[:, None]  # (B, size, 2), pixels of the reduced image
            across, down = (2 * at / sides - 1).unbind(2)  # (B, size)
            grid = torch.stack(
                [across[:, None].expand(-1, self.size, -1), down[:, :, None].expand(-1, -1, self.size)], 3
            )  # (B, size, size, 2)
            found.append(F.grid_sample(image, grid, padding_mode="border", align_corners=False))
        return torch.stack(found, 1)

    def sides(self, height: int, width: int) -> list[tuple[float, float]]:
        """Height and width of the squares in an image of this size, in shares of the image's."""
        return [(self.size * 2**scale / height, self.size * 2**scale / width) for scale in range(self.scales)]
