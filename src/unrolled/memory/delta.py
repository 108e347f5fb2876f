"""The gated delta rule (Yang et al. 2024, arXiv 2412.06464): a matrix that is corrected where it was wrong."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, reading, zero_state

HEAD = 64  # units of a head, at least, where their number is not given
STRETCH = 64  # steps that are read together


class DeltaState(NamedTuple):
    matrix: Tensor  # (B, heads, D, D) what each key leads to; D units a head


class Delta(Memory):
    """Keeps pairs of key and value in a matrix S of each head, and recalls them by their keys.

    S' = α S, then S = S' + β k (v − S'ᵀ k)ᵀ: what a key led to is replaced by the new value, not piled upon it.
    The output is S read by a query, normalised, and gated by the input. β goes to 2, so that a step may turn a
    direction round (Grazzi et al. 2024, arXiv 2411.12537). The paper's short
    convolution stands below it in a stack (`build_stack`), not within.
    Trained in stretches of 64 steps, in each of which what steps owe to each other is one triangular system.
    """

    def __init__(self, input_size: int, size: int, heads: int | None = None) -> None:
        super().__init__()
        heads = next(n for n in range(max(1, size // HEAD), 0, -1) if size % n == 0) if heads is None else heads
        if heads < 1 or size % heads:
            raise OptionError(
                f"A delta memory of size {size} with {heads} heads was asked for; heads divide the size."
            )
        self.input_size, self.size, self.heads = input_size, size, heads
        self.query = nn.Linear(input_size, size, bias=False)
        self.key = nn.Linear(input_size, size, bias=False)
        self.value = nn.Linear(input_size, size, bias=False)
        self.gate = nn.Linear(input_size, size, bias=False)
        self.decay = nn.Linear(input_size, heads)
        self.strength = nn.Linear(input_size, heads)
        self.output = nn.Linear(size, size, bias=False)
        nn.init.constant_(self.decay.bias, 4.0)  # forgets little at first: half in 38 steps

    def start(self, rows: int) -> DeltaState:
        width = self.size // self.heads
        nothing = zero_state(self.key.weight, rows, self.size * width)
        return DeltaState(matrix=nothing.view(rows, self.heads, width, width))

    def step(self, x: Tensor, state: DeltaState) -> tuple[Tensor, DeltaState]:
        queries, keys, values, decays, strengths = (part[:, :, 0] for part in self._parts(x[:, None], None))
        matrix = decays.exp()[..., None, None] * state.matrix  # (B, heads, D, D)
        wrong = values - (keys[..., None] * matrix).sum(2)  # (B, heads, D)
        matrix = matrix + keys[..., None] * (strengths[..., None] * wrong)[:, :, None]
        answers = (queries[..., None] * matrix).sum(2)  # (B, heads, D)
        return self._answer(x[:, None], answers[:, :, None])[:, 0], DeltaState(matrix)

    def unroll(self, xs: Tensor, state: DeltaState, lengths: Tensor | None = None) -> tuple[Tensor, DeltaState]:
        rows, steps = xs.shape[:2]
        lengths = ragged(lengths, steps)
        alive = None if lengths is None else reading(lengths, steps, xs.device)  # (B, T)
        matrix, answers = state.matrix, []
        if not rows or not steps:
            return xs.new_zeros(rows, steps, self.size), state
        queries, keys, values, decays, strengths = self._parts(xs, alive)
        for start in range(0, steps, STRETCH):
            part = slice(start, start + STRETCH)
            answer, matrix = read_together(
                queries[:, :, part],
                keys[:, :, part],
                values[:, :, part],
                decays[:, :, part],
                strengths[:, :, part],
                matrix,
            )
            answers.append(answer)
        outputs = self._answer(xs, torch.cat(answers, dim=2))
        if alive is not None:
            outputs = torch.where(alive[..., None], outputs, 0.0)
        return outputs, DeltaState(matrix)

    def _parts(self, xs: Tensor, alive: Tensor | None) -> tuple[Tensor, ...]:
        """Queries, keys, values (B, heads, T, D), log decays and strengths (B, heads, T); padding changes nothing."""
        queries, keys, values = (
            at_least_float32(of(xs)).view(*xs.shape[:2], self.heads, self.size // self.heads).transpose(1, 2)
            for of in (self.query, self.key, self.value)
        )
        decays = F.logsigmoid(at_least_float32(self.decay(xs))).transpose(1, 2)
        strengths = 2 * torch.sigmoid(at_least_float32(self.strength(xs))).transpose(1, 2)
        if alive is not None:
            decays = torch.where(alive[:, None], decays, 0.0)
            strengths = torch.where(alive[:, None], strengths, 0.0)
        return F.normalize(F.silu(queries), dim=3), F.normalize(F.silu(keys), dim=3), values, decays, strengths

    def _answer(self, xs: Tensor, answers: Tensor) -> Tensor:
        """(B, heads, T, D) -> (B, T, H): each head's answer to one size, gated by the input."""
        answers = F.rms_norm(answers, answers.shape[3:], eps=1e-5).transpose(1, 2).flatten(2)  # (B, T, H)
        outputs: Tensor = self.output(answers * F.silu(at_least_float32(self.gate(xs))))
        return outputs


def read_together(
    queries: Tensor, keys: Tensor, values: Tensor, decays: Tensor, strengths: Tensor, matrix: Tensor
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
