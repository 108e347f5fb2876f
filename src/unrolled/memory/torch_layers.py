"""The weights of torch's recurrent layers, for memories whose parameters have the same names and shapes."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from unrolled.errors import OptionError
from unrolled.memory.base import Memory

M = TypeVar("M", bound=Memory)
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
CELLS: dict[type[nn.Module], type[nn.Module]] = {nn.RNN: nn.RNNCell, nn.GRU: nn.GRUCell, nn.LSTM: nn.LSTMCell}
"""Each layer, and its cell."""


def layer_from_torch(memory: type[M], kind: type[nn.RNNBase], layer: nn.Module, number: int | None = None) -> M:
    """A memory with a copy of the weights of one layer of `torch.nn`, in their type and on their device, with their
    `requires_grad` and the layer's mode (training or evaluation). It reads (rows, steps, width), as a layer with
    `batch_first=True`, whatever the layer's own order is.

    kind: the class of torch's layer; its cell is taken too. number: which of several layers, from 0; None: the only
    one. Raises OptionError for another module, and for what the memory does not have.
    """
    _check(memory, kind, layer, number)
    end = "" if isinstance(layer, CELLS[kind]) else f"_l{number or 0}"
    weight = getattr(layer, f"weight_ih{end}")
    made = memory(weight.shape[1], layer.hidden_size)
    made.to(weight)
    with torch.no_grad():
        for name in NAMES:
            theirs = getattr(layer, name + end, None)  # without biases there are none
            own = made.get_parameter(name)
            own.zero_() if theirs is None else own.copy_(theirs)
            own.requires_grad_(theirs is None or theirs.requires_grad)
    return made.train(layer.training)


def _check(memory: type[Memory], kind: type[nn.RNNBase], layer: nn.Module, number: int | None) -> None:
    """Raise OptionError for a module that the memory cannot equal."""
    if not isinstance(layer, (kind, CELLS[kind])):
        raise OptionError(
            f"{memory.__name__}.from_torch takes a torch.nn.{kind.__name__} or torch.nn.{CELLS[kind].__name__}; "
            f"got {type(layer).__name__}."
        )
    if getattr(layer, "nonlinearity", "tanh") != "tanh":
        raise OptionError(f"{memory.__name__} has tanh; the layer has {layer.nonlinearity}.")
    if isinstance(layer, CELLS[kind]):
        return
    layers = int(layer.num_layers)  # type: ignore[arg-type]
    if number is None and layers > 1:
        raise OptionError(
            f"{memory.__name__} is one layer, and the module has {layers}. Take all: Stack.from_torch(layer)"
        )
    if layer.bidirectional:
        raise OptionError(
            f"{memory.__name__} goes forward in time, and the module is bidirectional. Copy one direction's weights."
        )
    if getattr(layer, "proj_size", 0):
        raise OptionError(f"{memory.__name__} has no projection of its output, and the module has (proj_size).")
    if layers > 1 and layer.dropout:
        raise OptionError(
            f"The module drops {layer.dropout:g} of the outputs between its layers. Set its dropout to 0 first,\n"
            "and put Dropout around the memories, which draws a mask per row, not per step."
        )
