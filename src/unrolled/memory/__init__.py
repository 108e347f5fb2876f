"""Memories by name, and stacks of them. A new one is a file here and a line in `MEMORIES`."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import nn

from unrolled.arguments import Count, checked
from unrolled.memory.attention import Attention, AttentionState
from unrolled.memory.base import Memory, reset_rows, unroll_by_steps
from unrolled.memory.blocks import block, feed_forward, norm, with_dropout
from unrolled.memory.convolution import Convolution, ConvolutionState
from unrolled.memory.delta import Delta, DeltaState
from unrolled.memory.gru import GRU, GRUState
from unrolled.memory.lstm import LSTM, LSTMState
from unrolled.memory.mingru import MinGRU, MinGRUState
from unrolled.memory.minlstm import MinLSTM, MinLSTMState
from unrolled.memory.none import NoMemory, NoState
from unrolled.memory.own import import_user_class, is_user_class, not_registered
from unrolled.memory.rnn import RNN, RNNState
from unrolled.memory.slstm import SLSTM, SLSTMState
from unrolled.memory.stack import Dropout, DropoutState, Residual, Stack, draw_masks
from unrolled.registry import build, parse_component

__all__ = [
    "GRU",
    "LSTM",
    "MEMORIES",
    "RNN",
    "SLSTM",
    "Attention",
    "AttentionState",
    "Convolution",
    "ConvolutionState",
    "Delta",
    "DeltaState",
    "Dropout",
    "DropoutState",
    "GRUState",
    "LSTMState",
    "Memory",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "NoMemory",
    "NoState",
    "RNNState",
    "Residual",
    "SLSTMState",
    "Stack",
    "build_stack",
    "draw_masks",
    "in_blocks",
    "register",
    "register_named",
    "reset_rows",
    "unroll_by_steps",
]

MEMORIES: dict[str, Callable[..., Memory]] = {
    "none": NoMemory,
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "slstm": SLSTM,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "delta": Delta,
    "convolution": Convolution,
    "attention": Attention,
    "transformer": Attention,
}
CONVOLVED = ("mingru", "minlstm")
"""Memories whose gates depend on their own step alone: each has a short convolution below it."""
IN_BLOCKS = (*CONVOLVED, "delta", "transformer")
"""Memories that are linear in their state: they alternate with feed-forward layers, on a residual path."""


@checked
def register(name: str) -> None:
    """Register your own memory under the name `module.Class`. Raises OptionError.

    The module is imported from the current folder, or else from the installed packages.
    """
    if name not in MEMORIES:
        MEMORIES[name] = import_user_class(name)


@checked
def register_named(model: str | None) -> None:
    """Register the user's own memories that a `--model` names, as in `mymodule.MyMemory/attention+ngram`."""
    for component in re.split(r"[/+]", model or ""):
        if is_user_class(name := parse_component(component)[0]):
            register(name)


@checked
def in_blocks(names: str) -> bool:
    """Whether any of the layers in `names` is one of `IN_BLOCKS`."""
    return any(parse_component(name)[0] in IN_BLOCKS for name in names.split("/"))


@checked
def build_stack(
    names: str,
    input_size: Count,
    size: Count,
    depth: Count = 1,
    dropout: float = 0.0,
    above: Callable[[], Memory] | None = None,
) -> Stack:
    """A stack of the layers in `names`, such as "lstm", "attention:span=64" or "lstm/attention", `depth` times.

    Each layer is `size` wide. From the second layer on they are residual. Those of `IN_BLOCKS` always are; each is
    followed by a feed-forward layer, with norms before both (Xiong et al. 2020) and one norm at the end. dropout: the
    share of each layer's outputs that `draw_masks` drops; at 0 the state has no masks. above: makes a memory that is
    put, with a norm and residual, above the memory of each block, or above the first of the other layers. Raises
    OptionError.
    """
    layers: list[Memory] = []
    for name in names.split("/") * depth:
        if is_user_class(kind := parse_component(name)[0]) and kind not in MEMORIES:
            raise not_registered(kind)
        width = size if layers else input_size
        if parse_component(name)[0] not in IN_BLOCKS:
            memory = with_dropout(build("memory", MEMORIES, name, width, size), dropout)
            layers.append(Residual(memory) if layers else memory)
            if above is not None and len(layers) == 1:
                layers.append(block([above()], dropout))
            continue
        if width != size:
            layers.append(NoMemory(width, size, nn.Linear(width, size, bias=False)))
        memory = build("memory", MEMORIES, name, size, size)
        shifted = [Convolution(size, size, mix=False)] if parse_component(name)[0] in CONVOLVED else []
        upper = [] if above is None else [above()]
        for members in ([*shifted, memory], upper, [feed_forward(size)]):
            if members:
                layers.append(block(members, dropout))
    return Stack([*layers, norm(size)] if in_blocks(names) else layers)
