"""Bidirectional encoder (Schuster & Paliwal 1997): a feature depends on all steps before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.arguments import Count, checked
from unrolled.errors import OptionError
from unrolled.memory import Memory, build_stack
from unrolled.memory.base import ragged
from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.states import State


class DirectionStates(NamedTuple):
    """The states of the two directions. Saved checkpoints have these names."""

    ahead: State  # of the forward memory
    back: State  # of the backward memory


class Bidirectional(Encoder):
    """Layers of a forward and a backward memory, whose outputs are concatenated.

    The input of each layer is the concatenation of the layer below (Graves & Schmidhuber 2005); from the second layer
    on there is a residual connection if the widths are equal. The backward memory begins at each row's own end, not
    at the padding.
    """

    def __init__(self, layers: Sequence[tuple[Memory, Memory]]) -> None:
        super().__init__()
        if not layers:
            raise OptionError("A bidirectional encoder of 0 layers was requested; it needs at least 1.")
        width = layers[0][0].input_size
        for forward, backward in layers:
            if (forward.input_size, backward.input_size) != (width, width):
                raise OptionError(
                    f"The memories of a layer take {forward.input_size} and {backward.input_size} numbers per step; "
                    f"both must take {width}, the output size of the layer below."
                )
            width = forward.size + backward.size
        self.ahead = nn.ModuleList(forward for forward, _ in layers)
        self.back = nn.ModuleList(backward for _, backward in layers)
        self.input_size, self.size = layers[0][0].input_size, width

    def start(self, rows: int) -> tuple[DirectionStates, ...]:
        return tuple(
            DirectionStates(forward.start(rows), backward.start(rows)) for forward, backward in self._layers()
        )

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[DirectionStates, ...] | None = None
    ) -> Encoded:
        rows, steps = inputs.shape[:2]
        lengths = torch.full((rows,), steps) if lengths is None else lengths.cpu()
        state, xs = self.start(rows) if state is None else state, inputs
        for number, ((forward, backward), start) in enumerate(zip(self._layers(), state, strict=True)):
            forward_outputs, _ = forward.unroll(xs, start.ahead, lengths)  # (B, S, H / 2)
            backward_outputs, _ = backward.unroll(reverse_rows(xs, lengths), start.back, lengths)
            features = torch.cat([forward_outputs, reverse_rows(backward_outputs, lengths)], dim=2)  # (B, S, H)
            xs = xs + features if number and xs.shape == features.shape else features
        return Encoded(xs, lengths)

    def _layers(self) -> list[tuple[Memory, Memory]]:
        pairs = zip(self.ahead, self.back, strict=True)
        return [(a, b) for a, b in pairs if isinstance(a, Memory) and isinstance(b, Memory)]


@checked
def build_bidirectional(
    names: str, input_size: Count, size: Count, depth: Count = 1, dropout: float = 0.0
) -> Bidirectional:
    """Build `depth` layers of the memories that `names` names, as for `build_stack`, with size / 2 per direction.

    Raises OptionError for an odd size, and where `build_stack` does.
    """
    if size < 2 or size % 2:
        raise OptionError(
            f"A bidirectional encoder of size {size} was requested; the size must be even, half for each direction."
        )
    widths = [input_size, *[size] * (depth - 1)]
    return Bidirectional(
        [
            (build_stack(names, width, size // 2, 1, dropout), build_stack(names, width, size // 2, 1, dropout))
            for width in widths
        ]
    )


def reverse_rows(xs: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the steps of each row (B, S, D); padding stays where it is. The function is its own inverse."""
    rows, count = xs.shape[:2]
    if ragged(lengths, count) is None:
        return xs.flip(1)
    steps = torch.arange(count)
    last = lengths[:, None] - 1  # (B, 1)
    order = torch.where(steps <= last, last - steps, steps) + count * torch.arange(rows)[:, None]  # (B, S)
    return xs.flatten(0, 1).index_select(0, order.flatten().to(xs.device)).view(xs.shape)
