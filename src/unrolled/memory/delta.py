"""The gated delta rule (Yang et al. 2024, arXiv 2412.06464): a matrix of key-value pairs, updated by its error."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps, zero_state
from unrolled.memory.convolution import Convolution, ConvolutionState

HEAD = 64  # least units per head, if the number of heads is not given
SEGMENT = 64  # steps processed in parallel


class DeltaState(NamedTuple):
    matrix: Tensor  # (B, heads, D, D) maps keys to values; D units per head
    before: ConvolutionState  # queries, keys and values of the last steps, before the convolution


class Delta(Memory):
    """Stores key-value pairs in one matrix S per head, and retrieves values by their keys.

    S' = α S, then S = S' + β k (v − S'ᵀ k)ᵀ: the new value of a key replaces the old one instead of adding to it.
    The output is Sᵀ q for a query q, normalised, and gated by the input. β is up to 2, so that a step can reverse a
    direction (Grazzi et al. 2024, arXiv 2411.12537). Queries, keys and values pass a short depthwise convolution, as
    in the paper, so that a value can be stored under the key of the step before it. `unroll` processes segments of 64
    steps in parallel, by one triangular system per segment.
    """

    def __init__(self, input_size: int, size: int, heads: Count | None = None) -> None:
        super().__init__()
        heads = next(n for n in range(max(1, size // HEAD), 0, -1) if size % n == 0) if heads is None else heads
        if heads < 1 or size % heads:
            raise OptionError(
                f"A delta memory of size {size} with {heads} heads was requested; "
                "the number of heads must divide the size."
            )
        self.input_size, self.size, self.heads = input_size, size, heads
        self.parts = nn.Linear(input_size, 3 * size, bias=False)  # queries, keys, values
        self.convolution = Convolution(3 * size, 3 * size, mix=False)
        self.gate = nn.Linear(input_size, size, bias=False)
        self.decay = nn.Linear(input_size, heads)
        self.strength = nn.Linear(input_size, heads)
        self.output = nn.Linear(size, size, bias=False)
        nn.init.constant_(self.decay.bias, 4.0)  # slow decay at first: by half in 38 steps

    def start(self, rows: int) -> DeltaState:
        width = self.size // self.heads
        nothing = zero_state(self.parts.weight, rows, self.size * width)
        return DeltaState(nothing.view(rows, self.heads, width, width), before=self.convolution.start(rows))

    def step(self, x: Tensor, state: DeltaState) -> tuple[Tensor, DeltaState]:
        convolved, before = self.convolution.unchecked_step(self.parts(x), state.before)
        queries, keys, values = (tensor[:, :, 0] for tensor in self._by_heads(convolved[:, None]))  # (B, heads, D)
        decays, strengths = (tensor[:, :, 0] for tensor in self._gates(x[:, None], None))  # (B, heads)
        matrix = decays.exp()[..., None, None] * state.matrix  # (B, heads, D, D)
        error = values - (keys[..., None] * matrix).sum(2)  # (B, heads, D)
        matrix = matrix + keys[..., None] * (strengths[..., None] * error)[:, :, None]
        recalled = (queries[..., None] * matrix).sum(2)  # (B, heads, D)
        return self._output(x[:, None], recalled[:, :, None])[:, 0], DeltaState(matrix, before)

    def unroll(self, xs: Tensor, state: DeltaState, lengths: Tensor | None = None) -> tuple[Tensor, DeltaState]:
        rows, steps = xs.shape[:2]
        if not rows or not steps:
            return xs.new_zeros(rows, steps, self.size), state
        lengths = ragged(lengths, steps)
        alive = None if lengths is None else valid_steps(lengths, steps, xs.device)  # (B, T)
        convolved, before = self.convolution.unroll(self.parts(xs), state.before, lengths)
        projected = (*self._by_heads(convolved), *self._gates(xs, alive))
        matrix, recalled = state.matrix, []
        for start in range(0, steps, SEGMENT):
            segment = (tensor[:, :, start : start + SEGMENT] for tensor in projected)
            outputs, matrix = process_segment(matrix, *segment)
            recalled.append(outputs)
        outputs = self._output(xs, torch.cat(recalled, dim=2))
        if alive is not None:
            outputs = torch.where(alive[..., None], outputs, 0.0)
        return outputs, DeltaState(matrix, before)

    def _by_heads(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3 H) -> queries, keys and values (B, heads, T, D); queries and keys of length 1."""
        rows, steps = convolved.shape[:2]
        projected = convolved.view(rows, steps, 3, self.heads, self.size // self.heads).transpose(1, 3)
        queries, keys, values = projected.unbind(2)  # (B, heads, T, D)
        return F.normalize(queries, dim=3), F.normalize(keys, dim=3), values

    def _gates(self, xs: Tensor, alive: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, H) -> log decays and strengths (B, heads, T); padding changes nothing."""
        decays = F.logsigmoid(at_least_float32(self.decay(xs))).transpose(1, 2)
        strengths = 2 * torch.sigmoid(at_least_float32(self.strength(xs))).transpose(1, 2)
        if alive is not None:
            decays = torch.where(alive[:, None], decays, 0.0)
            strengths = torch.where(alive[:, None], strengths, 0.0)
        return decays, strengths

    def _output(self, xs: Tensor, recalled: Tensor) -> Tensor:
        """(B, heads, T, D) -> (B, T, H): normalised in each head, and gated by the input."""
        recalled = F.rms_norm(recalled, recalled.shape[3:], eps=1e-5).transpose(1, 2).flatten(2)  # (B, T, H)
        outputs: Tensor = self.output(recalled * F.silu(at_least_float32(self.gate(xs))))
        return outputs


def process_segment(
    matrix: Tensor, queries: Tensor, keys: Tensor, values: Tensor, decays: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Process T steps in parallel from `matrix`: recalled values (B, heads, T, D), and the matrix after them.

    With γ_t the decay from the start to step t, step t writes u_t = β_t (v_t − γ_t Sᵀk_t − Σ_(j<t) γ_t/γ_j
    (k_t·k_j) u_j): a unit lower triangular system in u (Yang et al. 2024, section 3.3).
    """
    steps = keys.shape[2]
    log_decay = decays.double().cumsum(2)  # (B, heads, T): log γ, in float64 because differences of it are used
    ratios = (log_decay[..., None] - log_decay[..., None, :]).tril().exp().tril()  # (B, heads, T, T) γ_t/γ_j
    ratios = ratios.to(keys.dtype)
    decay = log_decay.exp().to(keys.dtype)[..., None]  # (B, heads, T, 1)
    lower = (strengths[..., None] * ratios * (keys @ keys.mT)).tril(-1)  # (B, heads, T, T)
    right = strengths[..., None] * (values - decay * (keys @ matrix))  # (B, heads, T, D)
    one = torch.eye(steps, dtype=keys.dtype, device=keys.device)
    updates = torch.linalg.solve_triangular(lower + one, right, upper=False, unitriangular=True)
    recalled = decay * (queries @ matrix) + (ratios * (queries @ keys.mT)) @ updates
    after = decay[:, :, -1:] * matrix + (ratios[:, :, -1, :, None] * keys).mT @ updates
    return recalled, after
