"""A convolution over steps that are columns of numbers: bands of a spectrogram, rows of an image. Causal in time.

The D numbers of a step are `places` adjacent places with `channels` numbers each, the channels last.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count, checked
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps, zero_state
from unrolled.memory.convolution import KEEPS_INPUTS, ConvolutionState, kept_inputs
from unrolled.memory.none import NoMemory

WIDTH = 3  # kernel size, in steps and in places
FIRST, SECOND = 24, 48  # channels of the two convolutions below a memory


class ColumnConvolution(Memory):
    """A convolution over this step, the two before it, and the neighbouring places; max-pooling over pairs of places;
    a layer norm and a GELU.

    Two of them below a memory are the small convolutional stem for audio and images (as in Amodei et al. 2016,
    DeepSpeech 2, there over the future too). The norm is over the channels of a place, so outputs depend neither on
    other rows nor on later steps.
    """

    def __init__(self, places: Count, channels: Count, size: Count) -> None:
        """size: output channels of each place; there are half as many places, rounded up."""
        super().__init__()
        self.places, self.channels = places, channels
        self.places_after = (places + 1) // 2
        self.input_size, self.size = places * channels, self.places_after * size
        self.excuses: dict[str, str] = KEEPS_INPUTS
        self.layer = nn.Conv2d(channels, size, WIDTH, padding=(0, WIDTH // 2))
        self.norm = nn.LayerNorm(size)

    def start(self, rows: int) -> ConvolutionState:
        before = WIDTH - 1
        nothing = zero_state(self.layer.weight, rows, before * self.input_size)
        return ConvolutionState(nothing.view(rows, before, self.input_size))

    def step(self, x: Tensor, state: ConvolutionState) -> tuple[Tensor, ConvolutionState]:
        outputs, state = self.unchecked_unroll(x[:, None], state)
        return outputs[:, 0], state

    def unroll(
        self, xs: Tensor, state: ConvolutionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, ConvolutionState]:
        rows, steps = xs.shape[:2]
        lengths = ragged(lengths, steps)
        if not rows or not steps:
            return xs.new_zeros(rows, steps, self.size), state
        seen = torch.cat([state.inputs, xs.to(state.inputs)], dim=1)  # (B, 2 + T, D)
        grid = seen.view(rows, WIDTH - 1 + steps, self.places, self.channels).movedim(3, 1)  # (B, C, 2 + T, places)
        summed = self.layer(grid)  # (B, size, T, places)
        if self.places % 2:
            summed = torch.cat([summed, summed[..., -1:]], 3)
        pooled = torch.maximum(summed[..., ::2], summed[..., 1::2]).movedim(1, 3)  # (B, T, places / 2, size)
        outputs = F.gelu(self.norm(at_least_float32(pooled))).flatten(2)  # (B, T, H)
        if lengths is None:
            return outputs, ConvolutionState(seen[:, steps:])
        kept = kept_inputs(seen, lengths, WIDTH - 1)
        outputs = torch.where(valid_steps(lengths, steps, xs.device)[..., None], outputs, 0.0)
        return outputs, ConvolutionState(kept)


@checked
def build_columns(places: Count, channels: Count, embed: Count) -> list[Memory]:
    """Two column convolutions and a linear layer: D = places · channels numbers per step in, `embed` out."""
    first = ColumnConvolution(places, channels, FIRST)
    second = ColumnConvolution(first.places_after, FIRST, SECOND)
    return [first, second, NoMemory(second.size, embed, nn.Linear(second.size, embed))]
