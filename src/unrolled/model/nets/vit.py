"""The vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929), in the size ViT-Ti/16 of Touvron et al. 2020
(arXiv 2012.12877). N = h × w patches; P pixels on each side of one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.data.modalities.base import Frame
from unrolled.errors import OptionError
from unrolled.model.class_activation import ROLLOUT
from unrolled.model.nets.base import Net, Width, scaled


class ImageAttention(nn.Module):
    """Every place attends to every place, with several heads."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.mix = ScaledDotProduct()

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 1 + N, D) -> the same."""
        rows, places, size = x.shape
        queries, keys, values = self._split(x)
        mixed = self.mix(queries, keys, values)  # (B, heads, 1 + N, D / heads)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(rows, places, size))
        return out

    def weights(self, x: Tensor) -> Tensor:
        """x (B, 1 + N, D) -> how much each place attends to each (B, heads, 1 + N, 1 + N), sums of 1."""
        queries, keys, _ = self._split(x)
        return torch.softmax(queries @ keys.mT / queries.shape[-1] ** 0.5, -1)

    def _split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, each (B, heads, 1 + N, D / heads)."""
        rows, places, size = x.shape
        split: Tensor = self.qkv(x).reshape(rows, places, 3, self.heads, size // self.heads)
        return split.permute(2, 0, 3, 1, 4).unbind()


class ScaledDotProduct(nn.Module):
    """softmax(q kᵀ / √d) v."""

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(queries, keys, values)


class FeedForward(nn.Module):
    """Two layers, at each place alone, four times as wide in between."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 1 + N, D) -> the same."""
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class TransformerBlock(nn.Module):
    """Attention, then the feed-forward layers, each after a norm and beside a shortcut."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(size, eps=1e-6), ImageAttention(size, heads)
        self.norm2, self.mlp = nn.LayerNorm(size, eps=1e-6), FeedForward(size)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, 1 + N, D) -> the same."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbedding(nn.Module):
    """A vector of each patch, linear in its pixels. A rest at the right or below that fills no patch is left out."""

    def __init__(self, channels: int, size: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, size, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """images (B, C, H, W) -> (B, D, h, w)."""
        patches: Tensor = self.proj(images)
        return patches


class ViT(Net):
    """Patches as the tokens of a transformer. Its grid has the last feature of each patch; its vector is that of a
    token for the whole image. For images of other sizes than `image_size`, the embeddings of places are interpolated
    (paper, section 3.2). Unlike the paper, there is no dropout.

    Names are those that timm made customary.
    """

    last_layer, map_method = "head", ROLLOUT

    def __init__(
        self,
        size: Count,
        depth: Count,
        heads: Count,
        classes: Count = 1000,
        channels: Count = 3,
        patch: Count = 16,
        image_size: Count = 224,
    ) -> None:
        """size: units of a token, D. depth: blocks. patch, image_size: pixels on each side."""
        super().__init__()
        if size % heads or image_size < patch:
            raise OptionError(
                f"A vision transformer's size is a multiple of its heads, and an image holds a patch; got size "
                f"{size}, heads {heads}, image_size {image_size}, patch {patch}."
            )
        self.channels, self.size, self.vector_size = channels, size, size
        self.image_size, self.smallest, self.side = image_size, patch, image_size // patch
        self.patch_embed = PatchEmbedding(channels, size, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.side**2, size))
        self.blocks = nn.Sequential(*(TransformerBlock(size, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(size, eps=1e-6)
        self.head = nn.Linear(size, classes)
        self.stages = ("patch_embed", "blocks.0", f"blocks.{depth - 1}", "norm")
        for name, weight in self.named_parameters():
            if name in ("cls_token", "pos_embed") or weight.dim() > 1:
                nn.init.trunc_normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def embedded(self, images: Tensor) -> tuple[Tensor, int, int]:
        """images (B, C, H, W) -> the first block's tokens (B, 1 + N, D), the whole image's first; h and w."""
        patches = self.patch_embed(images)  # (B, D, h, w)
        down, across = patches.shape[2:]
        whole = self.cls_token.expand(len(images), -1, -1)
        x = torch.cat([whole, patches.flatten(2).mT], 1) + self._positions(down, across)
        return x, down, across

    def tokens(self, images: Tensor) -> tuple[Tensor, int, int]:
        """images (B, C, H, W) -> (B, 1 + N, D), the whole image's first; h and w."""
        x, down, across = self.embedded(images)
        return self.norm(self.blocks(x)), down, across

    def _positions(self, down: int, across: int) -> Tensor:
        """The embeddings of 1 + h × w places (1, 1 + N, D)."""
        if (down, across) == (self.side, self.side):
            return self.pos_embed
        table = self.pos_embed[:, 1:].mT.reshape(1, self.size, self.side, self.side)
        table = F.interpolate(table, (down, across), mode="bicubic", align_corners=False)  # (1, D, h, w)
        return torch.cat([self.pos_embed[:, :1], table.flatten(2).mT], 1)

    def grid(self, images: Tensor) -> Tensor:
        tokens, down, across = self.tokens(images)
        return tokens[:, 1:].mT.reshape(-1, self.size, down, across)  # (B, 192, 14, 14) of 224 × 224

    def vector(self, images: Tensor) -> Tensor:
        return self.tokens(images)[0][:, 0]  # (B, 192)

    @torch.no_grad()
    def maps(self, images: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928): the attention from the whole image's token to
        each patch through all blocks, half of each block's output being its input. The same for every score."""
        del score
        x, down, across = self.embedded(images)
        paths = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[None]  # (1, 1 + N, 1 + N)
        for block in self.blocks:
            weights = block.attn.weights(block.norm1(x)).mean(1)  # type: ignore[operator, union-attr]
            paths = (paths + weights @ paths) / 2  # (B, 1 + N, 1 + N)
            x = block(x)
        maps = paths[:, 0, 1:].double().reshape(-1, down, across)
        return maps / maps.sum((1, 2), keepdim=True)

    def frame(self, height: int, width: int) -> Frame:
        """Whole patches; the rest is not looked at."""
        patch = self.smallest
        return Frame(bottom=height // patch * patch / height, right=width // patch * patch / width)


def vit_tiny(
    classes: Count = 1000, channels: Count = 3, width: Width = 1.0, patch: Count = 16, image_size: Count = 224
) -> ViT:
    """ViT-Ti/16: 12 blocks of 192 units, with 3 heads."""
    return ViT(scaled(192, width, multiple=3), 12, 3, classes, channels, patch, image_size)
