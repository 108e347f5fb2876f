"""Linear recurrences over time, with all steps in parallel: used by minGRU and minLSTM."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.memory.base import ragged, valid_steps


def linear_scan(decay: Tensor, added: Tensor, start: Tensor) -> Tensor:
    """h_t = decay_t · h_(t−1) + added_t: decay and added (B, T, H), start (B, H) -> (B, T, H).

    The steps are divided into √T segments of √T steps (Blelloch 1990): all segments are computed in parallel from
    zero, then each adds the result of those before it. So 2√T operations are sequential, not T, and each step is a
    product and a sum as in the recurrence itself. The papers sum logarithms, and their rounding errors grow with the
    sum; here decays of any size, also 0 and 1, are as exact after 10,000 steps as after ten. Differentiable once, by
    the same scan in reverse.
    """
    return _LinearScan.apply(decay, added, start)  # type: ignore[no-any-return, no-untyped-call]


class _LinearScan(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, decay: Tensor, added: Tensor, start: Tensor) -> Tensor:
        outputs = _scan(decay, added, start)
        context.save_for_backward(decay, outputs, start)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, outputs, start = context.saved_tensors
        # the gradient of h_t: that of its output, plus decay_(t+1) times the gradient of h_(t+1)
        later = F.pad(decay[:, 1:], (0, 0, 0, 1)).flip(1)  # (B, T, H), its first 0
        total = _scan(later, gradient.flip(1), torch.zeros_like(start)).flip(1)
        before = torch.cat([start[:, None], outputs[:, :-1]], dim=1)
        return total * before, total, total[:, 0] * decay[:, 0]


def _scan(decay: Tensor, added: Tensor, start: Tensor) -> Tensor:
    rows, steps, size = added.shape
    length = math.isqrt(steps - 1) + 1  # steps per segment
    count = -(-steps // length)
    missing = count * length - steps
    blocks = (rows, count, length, size)
    decays = F.pad(decay, (0, 0, 0, missing), value=1.0).reshape(blocks).unbind(2)  # each (B, C, H)
    sums = list(F.pad(added, (0, 0, 0, missing)).reshape(blocks).unbind(2))
    kept = [decays[0]]  # decay from the start of a segment to each of its steps
    for t in range(1, length):
        sums[t] = torch.addcmul(sums[t], decays[t], sums[t - 1])
        kept.append(decays[t] * kept[t - 1])
    starts = [start]
    for c in range(count - 1):
        starts.append(torch.addcmul(sums[-1][:, c], kept[-1][:, c], starts[c]))
    before = torch.stack(starts, dim=1)[:, :, None]  # (B, C, 1, H)
    outputs = torch.addcmul(torch.stack(sums, dim=2), torch.stack(kept, dim=2), before)
    return outputs.reshape(rows, count * length, size)[:, :steps]


def unroll_by_scan(
    recurrence: Callable[[Tensor], tuple[Tensor, Tensor]],
    size: int,
    xs: Tensor,
    hidden: Tensor,
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H) and the last h (B, H) of a memory whose step is h = decay · h + added.

    `recurrence(xs)` gives decay and added of every step. Past a row's length nothing decays and nothing is added.
    """
    rows, steps = xs.shape[:2]
    if not rows or not steps:
        return hidden.new_zeros(rows, steps, size), hidden
    decay, added = (values.to(hidden.dtype) for values in recurrence(xs))
    lengths = ragged(lengths, steps)
    if lengths is None:
        outputs = linear_scan(decay, added, hidden)
        return outputs, outputs[:, -1]
    alive = valid_steps(lengths, steps, xs.device)[..., None]  # (B, T, 1)
    outputs = linear_scan(torch.where(alive, decay, 1.0), torch.where(alive, added, 0.0), hidden)
    return torch.where(alive, outputs, 0.0), outputs[:, -1]
