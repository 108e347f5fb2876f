"""The exact gradient in bounded memory: keep some of the past, and read the rest again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient.base import Piece
from unrolled.gradient.schedule import count_graphs, count_states, split_graphs, split_states
from unrolled.registry import parse_bytes
from unrolled.settings import check_choice
from unrolled.states import State

CALL = 4  # steps that take as long as calling the piece once more


class Shape(NamedTuple):
    """How a gradient is carried back in slots."""

    slots: int
    stretch: int  # steps that a slot holds
    keep: str  # "graphs" or "states"


@checked
@dataclass(frozen=True)
class Checkpointed:
    """Carries the whole loss back with `slots` stretches of the past kept at a time, and reads the rest again.

    Exact. slots: how many graphs, or states (keep=states), are kept at once; the schedule is the optimal one for
    them, so that as little as can be is read again. stretch: steps that a slot holds, which fast kernels then read
    together. bytes: a budget such as 64MB instead of slots; then stretch, slots and what is kept are those that
    read least again in so many bytes, going by what a graph and a state take on the first steps.

    A graph kept spares a reading; a state is far smaller, and the better slot where sequences are very long.
    (Griewank & Walther 2000; Gruslys et al. 2016.)
    """

    slots: int | None = None
    bytes: int | str | None = None
    stretch: int = 1
    keep: str = "graphs"
    exact: ClassVar[bool] = True
    _measured: dict[tuple[int, int], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.slots is None) == (self.bytes is None):
            raise OptionError(
                "checkpointed needs one of slots and bytes: checkpointed:slots=50, or checkpointed:bytes=64MB."
            )
        if self.slots is not None and self.slots < 1:
            raise OptionError(f"checkpointed:slots={self.slots} was asked for; there is at least 1 slot.")
        if self.stretch < 1:
            raise OptionError(f"checkpointed:stretch={self.stretch} was asked for; a slot holds at least 1 step.")
        check_choice("checkpointed:keep", self.keep, ("graphs", "states"))
        if self.bytes is not None:
            parse_bytes("checkpointed:bytes", self.bytes)

    def __call__(
        self, piece: Piece, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        if length == 0:
            return torch.zeros(()), state
        shape = self.shape_for(piece, state, length)
        way = _WayBack(piece, length, shape.stretch)
        carry = way.carry_by_graphs if shape.keep == "graphs" else way.carry_by_states
        carry(states.detach(state), shape.slots)
        return way.loss, way.last

    def shape_for(self, piece: Piece, state: State, length: int) -> Shape:
        """Slots, stretch and what is kept for so many steps. Raises OptionError where the bytes are too few."""
        if self.slots is not None:
            return Shape(self.slots, min(self.stretch, length), self.keep)
        budget, kept = parse_bytes("checkpointed:bytes", self.bytes or 0), states.count_bytes(state)
        possible: dict[Shape, float] = {}
        steps, graph = 1, self._bytes_of_graph(piece, state, 1)
        least = graph + 4 * kept
        while True:
            count = -(-length // steps)
            # beside the slots: the states that a stretch is read from and handed on to, and the gradient of one
            graphs = min(count, (budget - 3 * kept) // (graph + kept))
            held = min(count, (budget - 3 * kept - graph) // kept) if kept else count
            for keep, slots, readings in (("graphs", graphs, count_graphs), ("states", held, count_states)):
                if slots >= 1:
                    possible[Shape(slots, steps, keep)] = (readings(count, slots) + 2 * count) * (steps + CALL)
            if steps == length or 2 * graph > budget:
                break
            steps = min(2 * steps, length)
            graph = self._bytes_of_graph(piece, state, steps)
        if not possible:
            raise OptionError(
                f"checkpointed:bytes={self.bytes} is too little for one slot: a step takes {least - 4 * kept:,} "
                f"bytes here, a state {kept:,}.\n"
                f"The least that works is checkpointed:bytes={least}; or make the batch smaller."
            )
        return min(possible, key=lambda shape: possible[shape])

    def _bytes_of_graph(self, piece: Piece, state: State, steps: int) -> int:
        """Bytes of the graph of so many steps; read once for states of one size."""
        key = states.count_bytes(state), steps
        if key not in self._measured:
            self._measured[key] = graph_bytes(piece, state, steps)
        return self._measured[key]


class _WayBack:
    """One reading on its way back: the gradient so far, and the stretches that are yet to be carried through."""

    def __init__(self, piece: Piece, length: int, stretch: int) -> None:
        self.piece, self.length, self.stretch = piece, length, stretch
        self.count = -(-length // stretch)  # stretches
        self.loss: Tensor = torch.zeros(())
        self.last: State = None
        self._gradients: dict[str, Tensor] = {}  # of the loss so far, by leaf of the state it is to go on from

    def carry_by_graphs(self, start: State, slots: int) -> None:
        """Each slot holds the graph of a stretch; between two of them everything is read again."""
        kept: list[tuple[int, _Graph]] = []  # by stretch, the latest last
        end = self.count
        while end:
            first, state = (kept[-1][0] + 1, states.detach(kept[-1][1].after)) if kept else (0, start)
            if first == end:
                self._carry(kept.pop()[1])
                end -= 1
                continue
            chosen = first + split_graphs(end - first, slots - len(kept)) - 1
            kept.append((chosen, self._read_with_graph(chosen, self._read(first, chosen, state))))

    def carry_by_states(self, start: State, slots: int) -> None:
        """Each slot, the start's among them, holds a state; a stretch's graph is made when its turn comes."""
        kept: list[tuple[int, State]] = [(0, start)]
        end = self.count
        while end:
            first, state = kept[-1]
            while end - first > 1 and len(kept) < slots:
                ahead = first + split_states(end - first, slots - len(kept) + 1)
                first, state = ahead, self._read(first, ahead, state)
                kept.append((first, state))
            end -= 1
            self._carry(self._read_with_graph(end, self._read(first, end, state)))
            if end == first:
                kept.pop()

    @torch.no_grad()
    def _read(self, first: int, stop: int, state: State) -> State:
        """The state before stretch `stop`, from that before `first`; a stretch at a time, so bytes are bounded."""
        for number in range(first, stop):
            _, state = self.piece(state, *self._steps(number))
        return state

    def _read_with_graph(self, number: int, state: State) -> _Graph:
        before = states.map_leaves(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), state)
        loss, after = self.piece(before, *self._steps(number))
        if number == self.count - 1:
            self.last = states.detach(after)
        return _Graph(before, loss, after)

    def _carry(self, graph: _Graph) -> None:
        """Adds what a stretch says of the parameters' gradients, and hands on what it says of the state before it."""
        after = states.leaves(graph.after)
        reached = {name: gradient for name, gradient in self._gradients.items() if after[name].requires_grad}
        roots, shares = [after[name] for name in reached], list(reached.values())
        if graph.loss.requires_grad:
            roots, shares = [graph.loss, *roots], [torch.ones_like(graph.loss), *shares]
        torch.autograd.backward(roots, shares)
        before = states.leaves(graph.before)
        self._gradients = {name: leaf.grad for name, leaf in before.items() if leaf.grad is not None}
        self.loss = self.loss + graph.loss.detach()

    def _steps(self, number: int) -> tuple[int, int]:
        return number * self.stretch, min((number + 1) * self.stretch, self.length)


class _Graph(NamedTuple):
    """A stretch read so that gradients flow from its loss and the state after it to the one before it."""

    before: State
    loss: Tensor
    after: State


def graph_bytes(piece: Piece, state: State, steps: int) -> int:
    """Bytes that autograd keeps of the first `steps` steps for their way back, parameters not counted."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    before = states.map_leaves(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), state)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outcome = piece(before, 0, steps)
    del outcome
    return sum(kept.values())
