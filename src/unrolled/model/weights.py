"""A model's tensors by name, for checkpoints and for initialising one model from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unrolled.memory import Dropout


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, then persistent buffers. A tensor with two names comes once."""
    return dict(model.named_parameters()) | kept_buffers(model)


def kept_buffers(model: nn.Module) -> dict[str, Tensor]:
    """The persistent buffers, such as a batch norm's statistics."""
    kept = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in model.named_buffers() if name in kept}


@torch.no_grad()
def copy_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy values into the model's tensors of these names. Raises KeyError if it has no tensor of a name."""
    own = named_tensors(model)
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """The batch norms with running statistics, by name."""
    layers = ((name, layer) for name, layer in model.named_modules() if isinstance(layer, _BatchNorm))
    return {name: layer for name, layer in layers if layer.track_running_stats}


Components = dict[str, dict[str, Tensor]]
"""Component -> its tensors, by their names inside the component without dropout wrappers."""


class Composed(Protocol):
    """A model with named components: an embedding, a stem, a memory or an encoder, heads."""

    @property
    def components(self) -> Mapping[str, str]:
        """Component -> prefix of the names of its tensors; if several prefixes fit, the longest counts."""


def by_component(model: nn.Module, tensors: Mapping[str, Tensor]) -> Components:
    """Group tensors with the model's names by component."""
    composed: Composed = model  # type: ignore[assignment]
    prefixes = sorted(composed.components.items(), key=lambda item: -len(item[1]))
    found: Components = {}
    for name, tensor in tensors.items():
        component, prefix = next((one, prefix) for one, prefix in prefixes if name.startswith(prefix))
        found.setdefault(component, {})[_without_dropout(model, name).removeprefix(prefix)] = tensor
    return found


def load_components(model: nn.Module, given: Components) -> tuple[list[str], list[str]]:
    """Copy the components whose tensors all have the same names and shapes; return the names of the copied components
    and of the model's others."""
    loaded, others = list[str](), list[str]()
    for component, tensors in by_component(model, named_tensors(model)).items():
        theirs = given.get(component, {})
        fits = theirs.keys() == tensors.keys() and all(theirs[n].shape == t.shape for n, t in tensors.items())
        (loaded if fits else others).append(component)
        if fits:
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(theirs[name])
    return loaded, others


def _without_dropout(model: nn.Module, name: str) -> str:
    """A tensor's name without dropout wrappers."""
    kept, module = [], model
    for part in name.split("."):
        if not (isinstance(module, Dropout) and part == "memory"):
            kept.append(part)
        module = getattr(module, part)
    return ".".join(kept)
