"""A model's tensors by name: what a checkpoint keeps, and what one model takes over from another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, then the buffers that are kept: all that a model knows. One that has two names comes once."""
    return dict(model.named_parameters()) | kept_buffers(model)


def kept_buffers(model: nn.Module) -> dict[str, Tensor]:
    """The buffers that are kept with the weights, such as a batch norm's statistics; others are made anew."""
    kept = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in model.named_buffers() if name in kept}


@torch.no_grad()
def copy_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Gives the model's tensors of these names these values. Raises KeyError where it has no tensor of a name."""
    own = named_tensors(model)
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """The layers, by name, that normalise by a batch while they train and by running statistics afterwards."""
    layers = ((name, layer) for name, layer in model.named_modules() if isinstance(layer, _BatchNorm))
    return {name: layer for name, layer in layers if layer.track_running_stats}
