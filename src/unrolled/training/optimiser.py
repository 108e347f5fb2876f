"""The optimiser: Muon for a memory's matrices, AdamW for the rest, clipping, and averaged weights."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.model.optimisers import AdamW
from unrolled.model.weights import copy_tensors, kept_buffers, named_tensors
from unrolled.training.plan import Plan, is_tuned

MOMENTUM = 0.95
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
PRETRAINED_RATE = 0.4  # of pretrained layers, times the rate of the rest (docs/results/captions.md)
MEMORY_PREFIXES = ("memory.",)  # prefixes of the names of a memory's parameters, unless a model has `memories`


class Optimiser:
    """Turns summed gradients into updates of `model`, and keeps an average of its weights.

    The matrices of the memory take orthogonalised momentum (Muon: Jordan et al. 2024), gate by gate, and so do the
    kernels of a net for images or video, each flattened to (outputs, inputs); embeddings,
    the output layer and vectors take AdamW (Loshchilov & Hutter 2019). Matrices decay, vectors don't.
    The last layers of a pretrained net in a model (the prefixes in its `pretrained`) take AdamW at a lower rate, and
    only in the updates for which the plan says so.
    The average is an exponential one over the last updates (Polyak & Juditsky 1992), over fewer early in training;
    only the average is evaluated, sampled and saved as the best. Buffers are copied from `model`, not averaged.
    """

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.parameters = dict(model.named_parameters())
        self.averaged: Any = copy.deepcopy(model).requires_grad_(False).eval()
        self._model = model
        self._buffered = bool(kept_buffers(model))
        memories = getattr(model, "memories", MEMORY_PREFIXES)
        self._matrices = [
            n
            for n, p in self.parameters.items()
            if n.startswith(memories) and p.dim() in (2, 4, 5) and p.shape[0] > 1
        ]
        self._momentum = {name: torch.zeros_like(self.parameters[name]) for name in self._matrices}
        self._together = self._of_one_shape()
        pretrained: tuple[str, ...] = getattr(model, "pretrained", ())
        self._pretrained = [p for name, p in self.parameters.items() if name.startswith(pretrained)]
        others = [p for n, p in self.parameters.items() if n not in self._momentum and not n.startswith(pretrained)]
        groups = [
            {"params": [p for p in some if (p.dim() > 1) == decays], "share": share,
             "weight_decay": plan.decay if decays else 0.0}
            for some, share in ((others, 1.0), (self._pretrained, PRETRAINED_RATE))
            for decays in (True, False)
        ]  # fmt: skip
        self._adam = AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.99), fused=True)

    def choose_trained(self, plan: Plan, step: int) -> None:
        """Whether update `step` computes gradients of pretrained layers. Without them it takes less time."""
        tuned = is_tuned(plan, step)
        for parameter in self._pretrained:
            parameter.requires_grad_(tuned)

    def update(self, plan: Plan, rate: float, targets: int, step: int) -> float:
        """One update from gradients that are sums over `targets`; returns their mean's norm before clipping.

        rate: the current learning rate; Muon's is `plan.matrix_learning_rate` times as high. Where the norm is not
        finite, nothing changes.
        """
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        torch._foreach_div_(gradients, float(targets))
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), plan.clip, foreach=True))
        if math.isfinite(norm):
            for group in self._adam.param_groups:
                group["lr"] = rate * group["share"]
            self._update_matrices(rate * plan.matrix_learning_rate, plan.matrix_decay)
            self._adam.step()
            self._update_average(min(plan.average, (1 + step) / (10 + step)))
        self.forget_gradients()
        return norm

    def _of_one_shape(self) -> list[list[str]]:
        """The matrices in groups that are orthogonalised together: kernels of one shape, and each other matrix alone.
        A net for images has many small kernels, and a call for each took longer than its products."""
        groups: dict[object, list[str]] = {}
        for name in self._matrices:
            weight = self.parameters[name]
            groups.setdefault(weight.shape if weight.dim() >= 4 else name, []).append(name)
        return list(groups.values())

    @torch.no_grad()
    def _update_matrices(self, rate: float, decay: float) -> None:
        for group in self._together:
            gradients = {name: grad for name in group if (grad := self.parameters[name].grad) is not None}
            if not gradients:
                continue
            names = list(gradients)
            lookahead = torch.cat(
                [self._lookahead(name, gradient) for name, gradient in gradients.items()]
            )  # (K·G, H, D), K matrices of G gates
            directions = orthogonalise(lookahead).chunk(len(names))
            scale = max(1.0, lookahead.shape[1] / lookahead.shape[2]) ** 0.5
            for name, direction in zip(names, directions, strict=True):
                weight = self.parameters[name]
                weight.mul_(1 - rate * decay).add_(direction.reshape(weight.shape), alpha=-rate * scale)

    def _lookahead(self, name: str, gradient: Tensor) -> Tensor:
        """The momentum of a matrix after its gradient, one update ahead (Nesterov's): (G, H, D) for G gates."""
        momentum = self._momentum[name]  # (G·H, D)
        momentum.lerp_(gradient, 1 - MOMENTUM)
        return gate_blocks(gradient.lerp(momentum, MOMENTUM).flatten(1), self.gates(name))

    def gates(self, name: str) -> int:
        """The number of gates stacked in a matrix: its rows over its layer's width. A convolution has none."""
        if self.parameters[name].dim() > 2:
            return 1
        recurrent = self.parameters.get(name.replace("weight_ih", "weight_hh"))
        width = self.parameters[name].shape[0] if recurrent is None else recurrent.shape[1]
        gates, over = divmod(self.parameters[name].shape[0], width)
        return 1 if over else max(1, gates)

    @torch.no_grad()
    def _update_average(self, past: float) -> None:
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.parameters.values()), 1 - past)
        if self._buffered:
            copy_tensors(self.averaged, kept_buffers(self._model))

    def forget_gradients(self) -> None:
        """Drops the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def forget_moments(self) -> None:
        """After the last update: drops the gradients, the momentum and AdamW's moments. The average stays."""
        self.forget_gradients()
        self._momentum.clear()
        self._adam.state.clear()

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of a checkpoint by name: weights and buffers, those of the average, momentum and AdamW's two
        moments."""
        kept = {f"weights.{name}": tensor.detach() for name, tensor in named_tensors(self._model).items()}
        kept |= {f"averaged.{name}": tensor for name, tensor in named_tensors(self.averaged).items()}
        kept |= {f"momentum.{name}": momentum for name, momentum in self._momentum.items()}
        for name, parameter in self.parameters.items():
            for field, value in self._adam.state.get(parameter, {}).items():
                kept[f"adam.{field}.{name}"] = value
        return kept

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restores what `tensors` saved; missing moments start at zero."""
        for kind, model in (("weights", self._model), ("averaged", self.averaged)):
            copy_tensors(model, {name: tensors[f"{kind}.{name}"] for name in named_tensors(model)})
        for name, parameter in self.parameters.items():
            if name in self._momentum:
                self._momentum[name].copy_(tensors[f"momentum.{name}"])
            elif f"adam.step.{name}" in tensors:
                moments = {field: tensors[f"adam.{field}.{name}"].clone() for field in ADAM_STATE}
                moments |= {p: moments[p].to(parameter.device) for p in ADAM_STATE[1:]}
                self._adam.state[parameter] = moments
            else:
                self._adam.state.pop(parameter, None)


def gate_blocks(matrix: Tensor, gates: int) -> Tensor:
    """(G·H, D) as (G, H, D)."""
    return matrix.view(gates, matrix.shape[0] // gates, matrix.shape[1])


def orthogonalise(matrices: Tensor, iterations: int = 3) -> Tensor:
    """(G, H, D) -> the nearest matrices with singular values about 1, by Newton–Schulz steps of degree 5.

    The coefficients are those of Jordan et al. (2024), who take five iterations; three did as well here
    (docs/results/text.md), at 0.6 of the cost.
    """
    dtype = torch.bfloat16 if matrices.dtype == torch.float32 else matrices.dtype
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).to(dtype)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True).to(dtype) + 1e-7)
    for _ in range(iterations):
        squared = x @ x.mT
        x = 3.4445 * x + (-4.7750 * squared + 2.0315 * squared @ squared) @ x
    directions: Tensor = (x if wide else x.mT).to(matrices.dtype)
    return directions
