"""What a net costs, layer by layer: parameters, multiply-adds and bytes of activations, of one image or clip."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unrolled.model.nets.base import Net

PARAMETER = "Parameter"
"""The kind of what stands in `calls` without being called: parameters of the net itself, such as embeddings."""
FLOAT_BYTES = 4


class Call(NamedTuple):
    """One call of a layer for one image."""

    name: str  # of the layer, as in the state dict
    kind: str  # such as "Conv2d 3×3/2"
    shape: tuple[int, ...]  # of its output, without the row
    parameters: int
    multiply_adds: int


class NetCounts(NamedTuple):
    """The totals for one image or clip, and the calls in their order."""

    layers: int  # convolutions and linear layers, those in shortcuts too
    parameters: int  # those that are trained
    multiply_adds: int
    activation_bytes: int  # of the outputs of all calls, in float32
    calls: tuple[Call, ...]
    stages: dict[str, tuple[int, ...]]  # the output shapes of the net's `stages`, without the row


def count(net: Net) -> NetCounts:
    """Counts for one input of the net's `input_shape`, in evaluation; a net on the meta device takes no memory.

    Multiply-adds are those of convolutions and matrix products. The additions of biases, norms, activations and
    pooling are not counted, as is usual. Activations are the outputs of all layers together; a prediction needs less
    at a time. Sums with a shortcut belong to no layer and are not among them.
    """
    weight, training = next(net.parameters()), net.training
    image = torch.empty(1, *net.input_shape, device=weight.device, dtype=weight.dtype)
    names = {layer: name for name, layer in net.named_modules()}
    leaves = [layer for layer in names if not list(layer.children())]
    calls = [
        Call(name, PARAMETER, tuple(parameter.shape), parameter.numel(), 0)
        for name, parameter in net.named_parameters(recurse=False)
    ]
    stages = dict[str, tuple[int, ...]]()
    # the counter knows attention as two matrix products, and not the fused kernel of the CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        counted = 0

        def add_call(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal counted
            done, counted = counted, counter.get_total_flops()
            if not hands_on(layer, inputs[0].shape == output.shape):
                parameters = sum(parameter.numel() for parameter in layer.parameters())
                shape = tuple(output.shape[1:])
                calls.append(Call(names[layer], describe(layer), shape, parameters, (counted - done) // 2))

        def add_stage(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            stages[names[layer]] = tuple(output.shape[1:])

        hooks = [layer.register_forward_hook(add_call) for layer in leaves]
        hooks += [net.get_submodule(name).register_forward_hook(add_stage) for name in net.stages]
        try:
            net.eval()(image)
        finally:
            net.train(training)
            for hook in hooks:
                hook.remove()
    return NetCounts(
        layers=sum(call.parameters > 0 and call.multiply_adds > 0 for call in calls),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        activation_bytes=FLOAT_BYTES * sum(math.prod(call.shape) for call in calls if call.kind != PARAMETER),
        calls=tuple(calls),
        stages=stages,
    )


def hands_on(layer: nn.Module, same_shape: bool) -> bool:
    """Whether a layer only hands its input on, in evaluation: dropout, and an average to the size that is there."""
    averages = isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d)
    return isinstance(layer, nn.Dropout | nn.Flatten) or (averages and same_shape)


def describe(layer: nn.Module) -> str:
    """The kind of a layer, with the kernel, the stride where it is not 1, and the groups: "Conv2d 11×11/4",
    "Conv3d 3×7×7/1×2×2"."""
    kind, kernel, stride = type(layer).__name__, getattr(layer, "kernel_size", None), getattr(layer, "stride", 1)
    if kernel is None:
        return kind
    axes = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    steps = stride if isinstance(stride, tuple) else (stride,)
    groups = getattr(layer, "groups", 1)
    shown = str(steps[0]) if len(set(steps)) == 1 else "×".join(map(str, steps))
    moved = f"/{shown}" if shown != "1" else ""
    return f"{kind} {'×'.join(map(str, axes))}{moved}" + (f", {groups} groups" if groups > 1 else "")
