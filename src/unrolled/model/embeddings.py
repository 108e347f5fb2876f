"""Embeddings: from the steps of the data to the input vectors of a memory or an encoder.

B rows, T steps, P ids or D numbers per step, E out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPREAD = 0.3  # standard deviation of an id's vector at the start; several vectors are added up


class BagEmbedding(nn.Module):
    """A bag of ids: the sum of the vectors of a step's ids, divided by the root of their number. Id 0 is padding."""

    def __init__(self, ids: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Embedding(ids, size, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=SPREAD)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (…, P) -> (…, E)."""
        bags = inputs.reshape(-1, inputs.shape[-1])  # (N, P)
        summed = F.embedding_bag(bags, self.embedding.weight, mode="sum", padding_idx=0)  # (N, E)
        count = (bags > 0).sum(1, keepdim=True).clamp_min(1).to(summed.dtype)
        return (summed * count.rsqrt()).reshape(*inputs.shape[:-1], self.size)


class RawInput(nn.Module):
    """The numbers of a step unchanged, for a layer or a convolution over them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = width
        self.register_buffer("place", torch.zeros(()), persistent=False)  # carries the dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """inputs (…, D) -> the same."""
        return inputs.to(self.get_buffer("place").dtype)
