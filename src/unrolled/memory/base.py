"""The interface of a memory: three methods, and a state outside the module.

B rows, T steps, D in, H out. No other file depends on how a particular memory works.
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
    """The part of a model that retains the past. Subclasses are final: wrap them, do not override them.

    The arguments of `step` and `unroll` are checked before they run (`checking.py`), so a memory need not check them.
    """

    input_size: int  # D
    size: int  # H

    @abstractmethod
    def start(self, rows: int) -> State:
        """The state before the first step, on the weights' device; first axis of each leaf: the row."""

    @abstractmethod
    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: x (B, D) -> output (B, H) and the state after it. The given state is not changed."""

    @abstractmethod
    def unroll(self, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """Many steps: xs (B, T, D) -> outputs (B, T, H) and the state at each row's end.

        Equal to `unroll_by_steps`. lengths (B,), at most T, is best kept on the CPU; None: all of T.
        """

    def forward(self, xs: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """The same as `unroll`, as in torch.nn.LSTM; without a state from the start."""
        if state is None:
            state = self.start(len(xs) if isinstance(xs, Tensor) and xs.dim() else 1)  # `unroll` refuses other inputs
        return self.unroll(xs, state, lengths)

    def blank(self) -> State:
        """The start state of one row."""
        return self.start(1)


def unroll_by_steps(memory: Memory, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
    """The definition of unroll: step after step, each row up to its length. Every fast path must equal it."""
    rows, steps = xs.shape[:2]
    lengths = torch.full((rows,), steps) if lengths is None else lengths
    alive = valid_steps(lengths, steps, xs.device)  # (B, T)
    outputs = []
    for t in range(steps):
        output, after = memory.step(xs[:, t], state)
        outputs.append(states.where(alive[:, t], output, torch.zeros_like(output)))
        state = states.where(alive[:, t], after, state)
    return torch.stack(outputs, dim=1) if steps else xs.new_zeros(rows, 0, memory.size), state


def unroll_by_chunks(
    kernel: Kernel, size: int, xs: Tensor, state: State, lengths: Tensor | None = None
) -> tuple[Tensor, State]:
    """The same with a fast `kernel(xs, state)` that takes only full rectangles, of one step or more.

    Where rows have different lengths, the steps are cut into segments at the end of each row, and only the longer
    rows continue: at most one call per different length, and padding is never processed.
    """
    rows, steps = xs.shape[:2]
    lengths = ragged(lengths, steps)
    if lengths is None and rows and steps:
        return kernel(xs, state)
    row_lengths: list[int] = [0] * rows if lengths is None else lengths.tolist()
    segments, start = [xs.new_zeros(rows, 0, size)], 0
    for end in sorted(set(row_lengths) - {0}):
        alive = torch.tensor([r for r in range(rows) if row_lengths[r] >= end], device=xs.device)
        outputs, after = kernel(xs[alive, start:end], states.take(state, alive))
        zeros = outputs.new_zeros(rows, end - start, size)
        segments.append(zeros.index_copy(0, alive, outputs))  # (B, end - start, H)
        state, start = states.put(state, alive, after), end
    segments.append(segments[-1].new_zeros(rows, steps - start, size))
    return torch.cat(segments[1:], dim=1), state


def ragged(lengths: Tensor | None, steps: int) -> Tensor | None:
    """The lengths, or None where every row has all the steps. Lengths on a GPU cause a synchronisation."""
    return None if lengths is None or bool((lengths == steps).all()) else lengths


def valid_steps(lengths: Tensor, steps: int, device: torch.device) -> Tensor:
    """(B, T), true at the steps of a row, false in its padding."""
    return torch.arange(steps, device=device) < lengths.to(device)[:, None]


def reset_rows(memory: Memory, state: State, fresh: Tensor) -> State:
    """The state with the rows where fresh (B,) is true reset to the start state."""
    return states.where(fresh, memory.start(fresh.shape[0]), state)


def zero_state(weight: Tensor, rows: int, size: int) -> Tensor:
    """Zeros (rows, size) on the device of the weights: float64 if the weights are, else float32."""
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    return torch.zeros(rows, size, dtype=dtype, device=weight.device)


def at_least_float32(values: Tensor) -> Tensor:
    """The values in float32, or unchanged if they are float64: undoes autocast's narrower types."""
    return values if values.dtype == torch.float64 else values.float()


def run_layer(
    layer: Callable[..., tuple[Tensor, ...]], xs: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Run xs (B, T, D) through a fused layer of torch such as `torch.lstm`: outputs (B, T, H), and the state's leaves
    (B, H) after it. Autocast applies if the weights are float32; the state keeps its own type."""
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
def init_weights(weight_ih: Tensor, weight_hh: Tensor) -> None:
    """Initialise input weights by Xavier, and recurrent weights orthogonally for each gate (Saxe et al. 2014)."""
    nn.init.xavier_uniform_(weight_ih)
    for block in weight_hh.chunk(weight_hh.shape[0] // weight_hh.shape[1]):
        nn.init.orthogonal_(block)
