"""The gated delta rule (Yang et al. 2024, arXiv 2412.06464): a matrix that is corrected where it was wrong."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, reading, zero_state
from unrolled.memory.convolution import Convolution, ConvolutionState

HEAD = 64  # units of a head, at least, where their number is not given
STRETCH = 64  # steps that are read together


class DeltaState(NamedTuple):
    matrix: Tensor  # (B, heads, D, D) what each key leads to; D units a head
    before: ConvolutionState  # queries, keys and values of the last steps, before they pass the convolution


class Delta(Memory):
    """Keeps pairs of key and value in a matrix S of each head, and recalls them by their keys.

    S' = α S, then S = S' + β k (v − S'ᵀ k)ᵀ: what a key led to is replaced by the new value, not piled upon it.
    The output is S read by a query, normalised, and gated by the input. β goes to 2, so that a step may turn a
    direction round (Grazzi et al. 2024, arXiv 2411.12537). Queries, keys and values pass a short convolution, each
    number by weights of its own, as in the paper: so a value is kept under the key of the step before it.
    Trained in stretches of 64 steps, in each of which what steps owe to each other is one triangular system.
    """

    def __init__(self, input_size: int, size: int, heads: Count | None = None) -> None:
        super().__init__()
        heads = next(n for n in range(max(1, size // HEAD), 0, -1) if size % n == 0) if heads is None else heads
        if heads < 1 or size % heads:
            raise OptionError(
                f"A delta memory of size {size} with {heads} heads was asked for; heads divide the size."
            )
        self.input_size, self.size, self.heads = input_size, size, heads
        self.parts = nn.Linear(input_size, 3 * size, bias=False)  # queries, keys, values
        self.convolution = Convolution(3 * size, 3 * size, mix=False)
        self.gate = nn.Linear(input_size, size, bias=False)
        self.decay = nn.Linear(input_size, heads)
        self.strength = nn.Linear(input_size, heads)
        self.output = nn.Linear(size, size, bias=False)
        nn.init.constant_(self.decay.bias, 4.0)  # forgets little at first: half in 38 steps

    def start(self, rows: int) -> DeltaState:
        width = self.size // self.heads
        nothing = zero_state(self.parts.weight, rows, self.size * width)
        return DeltaState(nothing.view(rows, self.heads, width, width), before=self.convolution.start(rows))

    def step(self, x: Tensor, state: DeltaState) -> tuple[Tensor, DeltaState]:
        convolved, before = self.convolution.unchecked_step(self.parts(x), state.before)
        queries, keys, values = (part[:, :, 0] for part in self._by_heads(convolved[:, None]))  # (B, heads, D)
        decays, strengths = (part[:, :, 0] for part in self._gates(x[:, None], None))  # (B, heads)
        matrix = decays.exp()[..., None, None] * state.matrix  # (B, heads, D, D)
        wrong = values - (keys[..., None] * matrix).sum(2)  # (B, heads, D)
        matrix = matrix + keys[..., None] * (strengths[..., None] * wrong)[:, :, None]
        answers = (queries[..., None] * matrix).sum(2)  # (B, heads, D)
        return self._answer(x[:, None], answers[:, :, None])[:, 0], DeltaState(matrix, before)

    def unroll(self, xs: Tensor, state: DeltaState, lengths: Tensor | None = None) -> tuple[Tensor, DeltaState]:
        rows, steps = xs.shape[:2]
        if not rows or not steps:
            return xs.new_zeros(rows, steps, self.size), state
        lengths = ragged(lengths, steps)
        alive = None if lengths is None else reading(lengths, steps, xs.device)  # (B, T)
        convolved, before = self.convolution.unroll(self.parts(xs), state.before, lengths)
        parts = (*self._by_heads(convolved), *self._gates(xs, alive))
        matrix, answers = state.matrix, []
        for start in range(0, steps, STRETCH):
            stretch = (part[:, :, start : start + STRETCH] for part in parts)
            answer, matrix = read_together(matrix, *stretch)
            answers.append(answer)
        outputs = self._answer(xs, torch.cat(answers, dim=2))
        if alive is not None:
            outputs = torch.where(alive[..., None], outputs, 0.0)
        return outputs, DeltaState(matrix, before)

    def _by_heads(self, convolved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3 H) -> queries, keys and values (B, heads, T, D); queries and keys of length 1."""
        rows, steps = convolved.shape[:2]
        parts = convolved.view(rows, steps, 3, self.heads, self.size // self.heads).transpose(1, 3)
        queries, keys, values = parts.unbind(2)  # (B, heads, T, D)
        return F.normalize(queries, dim=3), F.normalize(keys, dim=3), values

    def _gates(self, xs: Tensor, alive: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, H) -> log decays and strengths (B, heads, T); padding changes nothing."""
        decays = F.logsigmoid(at_least_float32(self.decay(xs))).transpose(1, 2)
        strengths = 2 * torch.sigmoid(at_least_float32(self.strength(xs))).transpose(1, 2)
        if alive is not None:
            decays = torch.where(alive[:, None], decays, 0.0)
            strengths = torch.where(alive[:, None], strengths, 0.0)
        return decays, strengths

    def _answer(self, xs: Tensor, answers: Tensor) -> Tensor:
        """(B, heads, T, D) -> (B, T, H): each head's answer to one size, gated by the input."""
        answers = F.rms_norm(answers, answers.shape[3:], eps=1e-5).transpose(1, 2).flatten(2)  # (B, T, H)
        outputs: Tensor = self.output(answers * F.silu(at_least_float32(self.gate(xs))))
        return outputs


def read_together(
    matrix: Tensor, queries: Tensor, keys: Tensor, values: Tensor, decays: Tensor, strengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Answers (B, heads, T, D) of steps that are read together from `matrix`, and the matrix after them.

    With γ_t what is left of the start after t steps, step t writes u_t = β_t (v_t − γ_t Sᵀk_t − Σ_(j<t) γ_t/γ_j
    (k_t·k_j) u_j): a unit lower triangular system in u (Yang et al. 2024, section 3.3).
    """
    steps = keys.shape[2]
    passed = decays.double().cumsum(2)  # (B, heads, T): log γ, in float64 as it is only differences that count
    left = (passed[..., None] - passed[..., None, :]).tril().exp().tril().to(keys.dtype)  # (B, heads, T, T) γ_t/γ_j
    since = passed.exp().to(keys.dtype)[..., None]  # (B, heads, T, 1)
    owed = (strengths[..., None] * left * (keys @ keys.mT)).tril(-1)  # (B, heads, T, T)
    meant = strengths[..., None] * (values - since * (keys @ matrix))  # (B, heads, T, D)
    one = torch.eye(steps, dtype=keys.dtype, device=keys.device)
    written = torch.linalg.solve_triangular(owed + one, meant, upper=False, unitriangular=True)
    answers = since * (queries @ matrix) + (left * (queries @ keys.mT)) @ written
    after = since[:, :, -1:] * matrix + (left[:, :, -1, :, None] * keys).mT @ written
    return answers, after
