"""The exact gradient in bounded memory: checkpoints at some steps, and the steps between them recomputed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient.base import SegmentLoss
from unrolled.gradient.schedule import count_graphs, count_states, split_graphs, split_states
from unrolled.registry import parse_bytes
from unrolled.settings import check_choice
from unrolled.states import State

CALL_STEPS = 4  # the overhead of one call of `segment_loss`, in steps


class CheckpointLayout(NamedTuple):
    """How the checkpoints are laid out over the steps."""

    slots: int
    segment: int  # steps per slot
    keep: str  # "graphs" or "states"


@checked
@dataclass(frozen=True)
class Checkpointed:
    """Backpropagates the whole loss with `slots` checkpoints held at a time, and recomputes the other steps.

    Exact. slots: how many graphs, or states (keep=states), are held at once; the schedule is the optimal one, which
    recomputes the fewest steps. segment: steps per slot, which fast kernels then process in one call. bytes: a budget
    such as 64MB instead of slots; segment, slots and the kind of checkpoint are then chosen to recompute the fewest
    steps in that budget, from the sizes of a graph and a state on the first steps.

    A graph saves one recomputation of its steps; a state is far smaller, and better for very long sequences.
    (Griewank & Walther 2000; Gruslys et al. 2016.)
    """

    slots: int | None = None
    bytes: int | str | None = None
    segment: int = 1
    keep: str = "graphs"
    exact: ClassVar[bool] = True
    _measured: dict[tuple[int, int], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.slots is None) == (self.bytes is None):
            raise OptionError(
                "checkpointed needs exactly one of slots and bytes: checkpointed:slots=50 or checkpointed:bytes=64MB."
            )
        if self.slots is not None and self.slots < 1:
            raise OptionError(f"checkpointed:slots={self.slots} was requested; it must be at least 1 slot.")
        if self.segment < 1:
            raise OptionError(f"checkpointed:segment={self.segment} was requested; it must be at least 1 step.")
        check_choice("checkpointed:keep", self.keep, ("graphs", "states"))
        if self.bytes is not None:
            parse_bytes("checkpointed:bytes", self.bytes)

    def __call__(
        self, segment_loss: SegmentLoss, state: State, length: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        if length == 0:
            return torch.zeros(()), state
        layout = self.layout_for(segment_loss, state, length)
        backward = _Backward(segment_loss, length, layout.segment)
        run = backward.run_with_graphs if layout.keep == "graphs" else backward.run_with_states
        run(states.detach(state), layout.slots)
        return backward.loss, backward.last

    def layout_for(self, segment_loss: SegmentLoss, state: State, length: int) -> CheckpointLayout:
        """The checkpoints for so many steps. Raises OptionError where the budget in bytes is too small."""
        if self.slots is not None:
            return CheckpointLayout(self.slots, min(self.segment, length), self.keep)
        budget, kept = parse_bytes("checkpointed:bytes", self.bytes or 0), states.count_bytes(state)
        possible: dict[CheckpointLayout, float] = {}
        steps, graph = 1, self._graph_bytes(segment_loss, state, 1)
        least = graph + 4 * kept
        while True:
            count = -(-length // steps)
            # besides the slots: the states before and after a segment, and the gradient of one state
            graphs = min(count, (budget - 3 * kept) // (graph + kept))
            held = min(count, (budget - 3 * kept - graph) // kept) if kept else count
            for keep, slots, count_passes in (("graphs", graphs, count_graphs), ("states", held, count_states)):
                if slots >= 1:
                    calls = count_passes(count, slots) + 2 * count
                    possible[CheckpointLayout(slots, steps, keep)] = calls * (steps + CALL_STEPS)
            if steps == length or 2 * graph > budget:
                break
            steps = min(2 * steps, length)
            graph = self._graph_bytes(segment_loss, state, steps)
        if not possible:
            raise OptionError(
                f"checkpointed:bytes={self.bytes} is too little for one slot: a step takes {least - 4 * kept:,} "
                f"bytes here, a state {kept:,}.\n"
                f"The minimum is checkpointed:bytes={least}; or make the batch smaller."
            )
        return min(possible, key=lambda layout: possible[layout])

    def _graph_bytes(self, segment_loss: SegmentLoss, state: State, steps: int) -> int:
        """Bytes of the graph of so many steps; measured once for each size of state."""
        key = states.count_bytes(state), steps
        if key not in self._measured:
            self._measured[key] = graph_bytes(segment_loss, state, steps)
        return self._measured[key]


class _Backward:
    """One backward pass: the gradient so far, and the segments that are still to be backpropagated through."""

    def __init__(self, segment_loss: SegmentLoss, length: int, segment: int) -> None:
        self.segment_loss, self.length, self.segment = segment_loss, length, segment
        self.count = -(-length // segment)  # segments
        self.loss: Tensor = torch.zeros(())
        self.last: State = None
        self._gradients: dict[str, Tensor] = {}  # of the loss so far, by leaf of the state before the last segment

    def run_with_graphs(self, start: State, slots: int) -> None:
        """Backpropagate; each slot holds the graph of a segment, and the segments between them are recomputed."""
        kept: list[tuple[int, _Graph]] = []  # by segment, the latest last
        end = self.count
        while end:
            first, state = (kept[-1][0] + 1, states.detach(kept[-1][1].after)) if kept else (0, start)
            if first == end:
                self._backpropagate(kept.pop()[1])
                end -= 1
                continue
            chosen = first + split_graphs(end - first, slots - len(kept)) - 1
            kept.append((chosen, self._run_with_graph(chosen, self._run(first, chosen, state))))

    def run_with_states(self, start: State, slots: int) -> None:
        """Backpropagate; each slot holds a state, one of them the start state. The graph of a segment is recomputed
        just before its backward pass."""
        kept: list[tuple[int, State]] = [(0, start)]
        end = self.count
        while end:
            first, state = kept[-1]
            while end - first > 1 and len(kept) < slots:
                next_kept = first + split_states(end - first, slots - len(kept) + 1)
                first, state = next_kept, self._run(first, next_kept, state)
                kept.append((first, state))
            end -= 1
            self._backpropagate(self._run_with_graph(end, self._run(first, end, state)))
            if end == first:
                kept.pop()

    @torch.no_grad()
    def _run(self, first: int, stop: int, state: State) -> State:
        """The state before segment `stop`, from the one before `first`; segment by segment, in bounded memory."""
        for number in range(first, stop):
            _, state = self.segment_loss(state, *self._steps(number))
        return state

    def _run_with_graph(self, number: int, state: State) -> _Graph:
        before = states.map_leaves(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), state)
        loss, after = self.segment_loss(before, *self._steps(number))
        if number == self.count - 1:
            self.last = states.detach(after)
        return _Graph(before, loss, after)

    def _backpropagate(self, graph: _Graph) -> None:
        """Backward pass through a segment: adds to the parameters' gradients, and keeps those of the state before."""
        after = states.leaves(graph.after)
        reached = {name: gradient for name, gradient in self._gradients.items() if after[name].requires_grad}
        roots, gradients = [after[name] for name in reached], list(reached.values())
        if graph.loss.requires_grad:
            roots, gradients = [graph.loss, *roots], [torch.ones_like(graph.loss), *gradients]
        torch.autograd.backward(roots, gradients)
        before = states.leaves(graph.before)
        self._gradients = {name: leaf.grad for name, leaf in before.items() if leaf.grad is not None}
        self.loss = self.loss + graph.loss.detach()

    def _steps(self, number: int) -> tuple[int, int]:
        return number * self.segment, min((number + 1) * self.segment, self.length)


class _Graph(NamedTuple):
    """The autograd graph of a segment, from the state before it to its loss and the state after it."""

    before: State
    loss: Tensor
    after: State


def graph_bytes(segment_loss: SegmentLoss, state: State, steps: int) -> int:
    """Bytes that autograd saves of the first `steps` steps for the backward pass, without parameters."""
    kept: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    before = states.map_leaves(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), state)
    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        outcome = segment_loss(before, 0, steps)
    del outcome
    return sum(kept.values())
