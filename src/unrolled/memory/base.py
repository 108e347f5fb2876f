"""What a memory is: three verbs, and a state that lives outside it.

B rows, T steps, D in, H out. Everything else about a memory is known in its own file alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unrolled import states
from unrolled.memory.checking import Checked
from unrolled.states import State

Kernel = Callable[[Tensor, State], tuple[Tensor, State]]


class Memory(Checked):
    """The part of a model that retains the past. A subclass is final: wrap it, do not override it.

    What `step` and `unroll` are given is checked before they run (`checking.py`), so a memory need not look at it.
    """

    input_size: int  # D
    size: int  # H

    @abstractmethod
    def start(self, rows: int) -> State:
        """The state before anything was read, on the weights' device; first axis of each leaf: the row."""

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D) -> output (B, H) and the state after it. The given state stays as it was."""

    @abstractmethod
    def unroll(self, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Many steps: xs (B, T, D) -> outputs (B, T, H) and the state at each row's end.

        Means what `unroll_by_steps` does. lengths (B,), at most T, is best kept on the CPU; None: all of T.
        """

    def forward(self, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """The same as `unroll`, as in torch.nn.LSTM."""
        return self.unroll(xs, state, lengths)

    def blank(self) -> State:
        """The start of one row."""
        return self.start(1)


def unroll_by_steps(memory: Memory, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
    """The meaning of unroll: step, row by row as long as the row lasts. Every fast path is held to it."""
    rows, steps = xs.shape[:2]
    lengths = torch.full((rows,), steps) if lengths is None else lengths
    alive = reading(lengths, steps, xs.device)  # (B, T)
    outputs = []
    for t in range(steps):
        output, after = memory.step(xs[:, t], state)
        outputs.append(states.where(alive[:, t], output, torch.zeros_like(output)))
        state = states.where(alive[:, t], after, state)
    return torch.stack(outputs, dim=1) if steps else xs.new_zeros(rows, 0, memory.size), state


def unroll_by_stretches(
    kernel: Kernel, size: int, xs: Tensor, state: State, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """The same by a fast `kernel(xs, state)` that takes full rectangles alone, of one step or more.

    Where rows end at different steps, the window is cut at each end, and only the rows that last go on:
    at most as many calls as there are different lengths, and padding is never read.
    """
    rows, steps = xs.shape[:2]
    lengths = ragged(lengths, steps)
    if lengths is None and rows and steps:
        return kernel(xs, state)
    row_lengths: list[int] = [0] * rows if lengths is None else lengths.tolist()
    stretches, start = [xs.new_zeros(rows, 0, size)], 0
    for end in sorted(set(row_lengths) - {0}):
        going_on = torch.tensor([r for r in range(rows) if row_lengths[r] >= end], device=xs.device)
        outputs, after = kernel(xs[going_on, start:end], states.take(state, going_on))
        blank = outputs.new_zeros(rows, end - start, size)
        stretches.append(blank.index_copy(0, going_on, outputs))  # (B, end - start, H)
        state, start = states.put(state, going_on, after), end
    stretches.append(stretches[-1].new_zeros(rows, steps - start, size))
    return torch.cat(stretches[1:], dim=1), state


def ragged(lengths: Tensor | None, steps: int) -> Tensor | None:
    """The lengths, or None where every row lasts all the steps (lengths on a GPU are waited for)."""
    return None if lengths is None or bool((lengths == steps).all()) else lengths


def reading(lengths: Tensor, steps: int, device: torch.device) -> Tensor:
    """(B, T), true where a row still reads, false in its padding."""
    return torch.arange(steps, device=device) < lengths.to(device)[:, None]


def reset_rows(memory: Memory, state: State, fresh: Tensor) -> State:
    """The state in which the rows where fresh (B,) is true are at their start again."""
    return states.where(fresh, memory.start(fresh.shape[0]), state)


def zero_state(weight: Tensor, rows: int, size: int) -> Tensor:
    """Zeros (rows, size) beside the weights: float32, or float64 where the weights are."""
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    return torch.zeros(rows, size, dtype=dtype, device=weight.device)


def at_least_float32(values: Tensor) -> Tensor:
    """The same numbers in float32, or in float64 where they came so: what autocast made short is widened."""
    return values if values.dtype == torch.float64 else values.float()


def run_layer(
    layer: Callable[..., tuple[Tensor, ...]], xs: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """xs (B, T, D) through a layer that torch has at one go (`torch.lstm`): outputs (B, T, H), and the state's leaves
    (B, H) after it. Autocast is obeyed where the weights are float32; the state keeps its own type."""
    dtype = weights[0].dtype
    if dtype == torch.float32 and torch.is_autocast_enabled(xs.device.type):
        dtype = torch.get_autocast_dtype(xs.device.type)
    before = [leaf.to(dtype)[None] for leaf in state]
    outputs, *after = layer(
        xs.to(dtype),
        before if len(before) > 1 else before[0],
        [weight.to(dtype) for weight in weights],
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=torch.is_grad_enabled(),
        bidirectional=False,
        batch_first=True,
    )
    return outputs, [leaf[0].to(was.dtype) for leaf, was in zip(after, state, strict=True)]


@torch.no_grad()
def start_weights(weight_ih: Tensor, weight_hh: Tensor) -> None:
    """What comes from the input by Xavier, from the past orthogonal gate by gate (Saxe et al. 2014)."""
    nn.init.xavier_uniform_(weight_ih)
    for block in weight_hh.chunk(weight_hh.shape[0] // weight_hh.shape[1]):
        nn.init.orthogonal_(block)
