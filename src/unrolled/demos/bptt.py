"""What backpropagation through time costs in memory: the bytes of its graph, by the number of steps."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.gradient import BPTT_STRATEGIES
from unrolled.memory import LSTM
from unrolled.registry import build
from unrolled.seeds import make_generator, number
from unrolled.states import State
from unrolled.threads import single_thread

LENGTHS = (64, 256, 1024, 4096)  # steps
STRATEGIES = ("full", "truncated:k1=64", "checkpointed:slots=8,segment=64")
ROWS, SIZE = 4, 64
SLOWEST = 1000  # steps after which a unit has forgotten: the gradient reaches far back


class BackwardPass(NamedTuple):
    """One backward pass through time."""

    bptt: str
    steps: int  # of the rows
    bytes: int  # held at most for the backward pass
    computed: int  # steps computed, those that are computed again included
    error: float  # norm of the difference from the exact gradient, as a share of its norm


class GraphBytes:
    """Counts the bytes that autograd holds at most within the context `held()`; parameters are not counted."""

    def __init__(self) -> None:
        self.most = self._now = 0
        self._uses = Counter[int]()  # by storage, whose views share it

    def held(self) -> torch.autograd.graph.saved_tensors_hooks:
        """A context in which what is saved for a backward pass is counted."""
        return torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: SavedTensor(tensor, self), lambda one: one.tensor
        )

    def add(self, tensor: Tensor, sign: int) -> None:
        """Counts a tensor that is saved (1) or given up (-1)."""
        storage = tensor.untyped_storage()
        self._uses[storage.data_ptr()] += sign
        if self._uses[storage.data_ptr()] == max(0, sign):  # the first use, or the end of the last one
            self._now += sign * storage.nbytes()
            self.most = max(self.most, self._now)


class SavedTensor:
    """A tensor that is saved for the backward pass; it is given up with this object."""

    def __init__(self, tensor: Tensor, meter: GraphBytes) -> None:
        self.tensor, self._meter = tensor, None if isinstance(tensor, nn.Parameter) else meter
        if self._meter is not None:
            self._meter.add(tensor, 1)

    def __del__(self) -> None:
        if self._meter is not None:
            self._meter.add(self.tensor, -1)


def show_bptt(seed: int = 0) -> tuple[BackwardPass, ...]:
    """One backward pass through an lstm with each strategy at each length. Full BPTT has the exact gradient."""
    found = []
    with torch.random.fork_rng(devices=[]), single_thread():
        torch.manual_seed(number(seed, "demo bptt"))
        memory = LSTM(SIZE, SIZE, horizon=SLOWEST)
        for steps in LENGTHS:
            xs = torch.randn(ROWS, steps, SIZE, generator=make_generator(seed, "demo bptt", steps))  # (B, T, D)
            exact = None
            for bptt in STRATEGIES:
                held, computed, gradient = backward(memory, xs, bptt)
                exact = gradient if exact is None else exact
                error = float((gradient - exact).norm() / exact.norm())
                found.append(BackwardPass(bptt, steps, held, computed, error))
    return tuple(found)


def backward(memory: LSTM, xs: Tensor, bptt: str) -> tuple[int, int, Tensor]:
    """The bytes held at most, the number of steps computed, and the gradient of all parameters in one vector."""
    computed, meter = 0, GraphBytes()

    def segment_loss(state: State, a: int, b: int) -> tuple[Tensor, State]:
        nonlocal computed
        computed += b - a
        outputs, state = memory.unroll(xs[:, a:b], state)  # (B, b - a, H)
        return outputs.sum(), state

    memory.zero_grad()
    with meter.held():
        build("bptt", BPTT_STRATEGIES, bptt)(segment_loss, memory.start(len(xs)), xs.shape[1])
    gradient = torch.cat([p.grad.flatten() for p in memory.parameters() if p.grad is not None])
    return meter.most, computed, gradient
