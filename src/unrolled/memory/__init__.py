"""Memories by name, and stacks of them. A new one is a file here and a line in `MEMORIES`."""

from __future__ import annotations

from unrolled.errors import OptionError, nearest
from unrolled.memory.base import Memory, reset_rows, unroll_by_steps
from unrolled.memory.gru import GRU, GRUState
from unrolled.memory.lstm import LSTM, LSTMState
from unrolled.memory.rnn import RNN, RNNState
from unrolled.memory.stack import Dropout, DropoutState, Residual, Stack, draw_masks

__all__ = [
    "GRU",
    "LSTM",
    "MEMORIES",
    "RNN",
    "Dropout",
    "DropoutState",
    "GRUState",
    "LSTMState",
    "Memory",
    "RNNState",
    "Residual",
    "Stack",
    "build_stack",
    "draw_masks",
    "reset_rows",
    "unroll_by_steps",
]

MEMORIES: dict[str, type[Memory]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def build_stack(name: str, input_size: int, size: int, depth: int = 1, dropout: float = 0.0) -> Stack:
    """`depth` layers of the memory called `name`, each `size` wide; from the second on they are residual.

    dropout: the share of each layer's outputs that `draw_masks` drops; at 0 no mask is kept at all.
    """
    if name not in MEMORIES:
        raise OptionError(f"There is no memory '{name}'. There are: {', '.join(MEMORIES)}.{nearest(name, MEMORIES)}")
    if min(input_size, size, depth) < 1:
        raise OptionError(
            f"A memory of input {input_size}, size {size} and depth {depth} was asked for; each is at least 1."
        )
    layers: list[Memory] = []
    for layer in range(depth):
        memory: Memory = MEMORIES[name](input_size if layer == 0 else size, size)
        memory = Dropout(memory, dropout) if dropout else memory
        layers.append(Residual(memory) if layer else memory)
    return Stack(layers)
