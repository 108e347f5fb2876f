"""An encoder with batch norm, which the package does not have yet: for tests of such nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.memory import NoState
from unrolled.memory.base import at_least_float32, valid_steps
from unrolled.model.encoders import Encoded, Encoder

WIDTH = 15  # steps that each convolution covers


class NormedConvolution(Encoder):
    """Two convolutions over the steps, each with a batch norm over the steps of all rows. Rows are coupled during
    training; afterwards each is encoded independently."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.input_size, self.size = input_size, size
        widths = [input_size, size]
        self.convolutions = nn.ModuleList(nn.Conv1d(width, size, WIDTH, padding=WIDTH // 2) for width in widths)
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for _ in widths)

    def start(self, rows: int) -> NoState:
        return NoState()

    def encode(self, inputs: Tensor, lengths: Tensor | None = None, state: NoState | None = None) -> Encoded:
        rows, steps = inputs.shape[:2]
        lengths = torch.full((rows,), steps) if lengths is None else lengths.cpu()
        alive = valid_steps(lengths, steps, inputs.device)  # (B, S)
        xs = torch.where(alive[..., None], inputs, 0.0)
        if bool(alive.any()):
            for convolution, norm in zip(self.convolutions, self.norms, strict=True):
                hidden = at_least_float32(convolution(xs.mT).mT)  # (B, S, H)
                xs = torch.zeros_like(hidden)
                xs[alive] = norm(hidden[alive]).relu()
        else:
            xs = xs.new_zeros(rows, steps, self.size)
        return Encoded(xs, lengths)
