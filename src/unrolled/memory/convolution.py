"""A short causal convolution over time: a weighted sum of the last few inputs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps, zero_state
from unrolled.memory.none import WITHOUT_PAST

KEEPS_INPUTS = {
    "an_inexact_gradient_is_seen_to_be_inexact": "it keeps inputs, which depend on no parameter: a cut loses nothing"
}


class ConvolutionState(NamedTuple):
    inputs: Tensor  # (B, width − 1, D): the last inputs, the latest last

    @property
    def grows(self) -> bool:
        """Never: the axis of length 0 where the width is 1 stays so."""
        return False


class Convolution(Memory):
    """h_t = SiLU(W Σ_k c_k x_(t−k) + b), k from 0 to width − 1, c_k a weight for each of the D numbers.

    Remembers the last `width` inputs exactly and nothing older. Below a linear memory it gives each step the one
    before it, without which keys and values cannot be told apart (Poli et al. 2023, arXiv 2302.10866). With
    `mix=False`, for D = H, W is left out: the convolution is depthwise.
    """

    def __init__(self, input_size: int, size: int, width: Count = 4, mix: bool = True) -> None:
        super().__init__()
        if not mix and input_size != size:
            raise OptionError(f"A convolution with mix=False gives {input_size} numbers per step, not {size}.")
        self.input_size, self.size, self.width = input_size, size, width
        # in the layout of conv1d; the last weight is for the step itself
        self.weights = nn.Parameter(torch.empty(input_size, 1, width))
        self.mix = nn.Linear(input_size, size) if mix else None
        self.excuses: dict[str, str] = WITHOUT_PAST if width == 1 else KEEPS_INPUTS
        bound = width**-0.5
        nn.init.uniform_(self.weights, -bound, bound)

    def start(self, rows: int) -> ConvolutionState:
        before = self.width - 1
        nothing = zero_state(self.weights, rows, before * self.input_size)
        return ConvolutionState(nothing.view(rows, before, self.input_size))

    def step(self, x: Tensor, state: ConvolutionState) -> tuple[Tensor, ConvolutionState]:
        seen = torch.cat([state.inputs, x[:, None].to(state.inputs)], dim=1)  # (B, width, D)
        return self._activate((seen * self.weights[:, 0].T).sum(1)), ConvolutionState(seen[:, 1:])

    def unroll(
        self, xs: Tensor, state: ConvolutionState, lengths: Tensor | None = None
    ) -> tuple[Tensor, ConvolutionState]:
        rows, steps = xs.shape[:2]
        lengths = ragged(lengths, steps)
        if not rows or not steps:
            return xs.new_zeros(rows, steps, self.size), state
        seen = torch.cat([state.inputs, xs.to(state.inputs)], dim=1)  # (B, width − 1 + T, D)
        summed = F.conv1d(seen.mT, self.weights, groups=self.input_size).mT  # (B, T, D)
        outputs = self._activate(summed)
        if lengths is None:
            return outputs, ConvolutionState(seen[:, steps:])
        kept = kept_inputs(seen, lengths, self.width - 1)
        outputs = torch.where(valid_steps(lengths, steps, xs.device)[..., None], outputs, 0.0)
        return outputs, ConvolutionState(kept)

    def _activate(self, summed: Tensor) -> Tensor:
        return F.silu(at_least_float32(summed if self.mix is None else self.mix(summed)))


def kept_inputs(seen: Tensor, lengths: Tensor, before: int) -> Tensor:
    """seen (B, before + T, D), the inputs kept before and those of rows of these lengths -> the last `before` inputs
    of each row (B, before, D)."""
    last = lengths.to(seen.device)[:, None] + torch.arange(before, device=seen.device)  # (B, before)
    return seen.gather(1, last[..., None].expand(-1, -1, seen.shape[2]))
