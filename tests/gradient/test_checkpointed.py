"""Exact gradients in bounded memory: as many forward steps as the formula says, and no more bytes than allowed."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled import states
from unrolled.errors import OptionError
from unrolled.gradient import Checkpointed, Full
from unrolled.gradient.schedule import count_graphs, count_states
from unrolled.memory import LSTM, MEMORIES, build_stack, draw_masks
from unrolled.states import State

TABLE = {  # slots: (states at T = 10, 100, 1000), (graphs at the same); Griewank & Walther 2000, Gruslys et al. 2016
    1: ((55, 5_050, 500_500), (55, 5_050, 500_500)),
    2: ((30, 945, 29_820), (24, 858, 28_864)),
    3: ((25, 590, 13_155), (18, 497, 12_172)),
    5: ((23, 416, 7_284), (15, 320, 6_292)),
    10: ((19, 322, 4_636), (10, 225, 3_640)),
    20: ((19, 278, 3_747), (10, 180, 2_750)),
    50: ((19, 248, 2_948), (10, 150, 1_950)),
}


@cache
def fewest_with_states(steps: int, slots: int) -> int:
    """By the definition: the best of all first splits."""
    if slots == 1:
        return steps * (steps + 1) // 2
    if slots >= steps:
        return 2 * steps - 1
    return min(y + fewest_with_states(steps - y, slots - 1) + fewest_with_states(y, slots) for y in range(1, steps))


@cache
def fewest_with_graphs(steps: int, slots: int) -> int:
    """By the definition: the best of all first splits."""
    if slots == 1 or steps == 0:
        return steps * (steps + 1) // 2
    if slots >= steps:
        return steps
    return min(
        y + fewest_with_graphs(steps - y, slots - 1) + fewest_with_graphs(y - 1, slots) for y in range(1, steps + 1)
    )


def test_the_counts_are_those_of_the_definition_and_of_the_table() -> None:
    for steps in range(1, 30):
        for slots in range(1, 12):
            assert count_states(steps, slots) == fewest_with_states(steps, slots)
            assert count_graphs(steps, slots) == fewest_with_graphs(steps, slots)
    for slots, (with_states, with_graphs) in TABLE.items():
        assert tuple(count_states(steps, slots) for steps in (10, 100, 1000)) == with_states
        assert tuple(count_graphs(steps, slots) for steps in (10, 100, 1000)) == with_graphs


class Counted:
    """A function of one number per step that counts its steps."""

    def __init__(self) -> None:
        self.steps = 0
        self.weight = torch.nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def __call__(self, state: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        self.steps += stop - start
        loss = torch.zeros((), dtype=torch.float64)
        for _ in range(start, stop):
            state = torch.tanh(self.weight * state + 0.1)
            loss = loss + state.sum() ** 2
        return loss, state


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 10, 50, 1000])
@pytest.mark.parametrize("keep", ["graphs", "states"])
def test_the_number_of_forward_steps_is_that_of_the_formula(slots: int, keep: str) -> None:
    steps = 100
    segment_loss = Counted()
    Checkpointed(slots=slots, keep=keep)(segment_loss, torch.zeros(1, 1, dtype=torch.float64), steps)
    expected = count_graphs(steps, slots) if keep == "graphs" else count_states(steps, slots)
    assert segment_loss.steps == expected


def reading(memory: Any, rows: int, steps: int) -> tuple[Any, State]:
    generator = torch.Generator().manual_seed(0)
    weight = next(memory.parameters())
    inputs = torch.randn(rows, steps, memory.input_size, generator=generator).to(weight)

    def segment_loss(state: State, start: int, stop: int) -> tuple[Tensor, State]:
        outputs, state = memory.unroll(inputs[:, start:stop], state)
        return (outputs**2).sum(), state

    return segment_loss, draw_masks(memory.start(rows), generator)


@pytest.mark.parametrize("name", [*MEMORIES, "lstm/attention:span=8"])
@pytest.mark.parametrize("options", [{"slots": 4}, {"slots": 3, "segment": 7}, {"bytes": "2MB"}], ids=str)
def test_the_gradient_is_that_of_the_whole_to_1e_10_with_dropout_replayed(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    memory = build_stack(name, 4, 8, depth=2, dropout=0.4).double()
    segment_loss, state = reading(memory, rows=3, steps=40)
    found = []
    for strategy in (Full(), Checkpointed(**options)):
        memory.zero_grad()
        loss, after = strategy(segment_loss, state, 40)
        gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in memory.named_parameters()}
        found.append({"loss": loss, **states.leaves(after), **gradients})
    for part, value in found[0].items():
        assert torch.allclose(found[1][part], value, rtol=1e-10, atol=1e-10), part


def test_a_budget_of_bytes_is_kept() -> None:
    """What autograd holds at any moment, counted by its hooks, stays below the budget."""
    memory = LSTM(8, 32)
    segment_loss, state = reading(memory, rows=4, steps=512)
    alive: dict[int, int] = {}
    most = 0

    class Held:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal most
            self.tensor = tensor
            if not isinstance(tensor, torch.nn.Parameter):
                alive[id(self)] = tensor.untyped_storage().nbytes()
                most = max(most, sum(alive.values()))

        def __del__(self) -> None:
            alive.pop(id(self), None)

    budgets = {"200KB": 0, "800KB": 0}
    for budget in budgets:
        most = 0
        with torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor):
            Checkpointed(bytes=budget)(segment_loss, state, 512)
        budgets[budget] = most
    assert budgets["200KB"] < 200_000
    assert 200_000 < budgets["800KB"] < 800_000, "more bytes are used where there are more"


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(OptionError, match="exactly one of slots and bytes"):
        Checkpointed()
    with pytest.raises(OptionError, match="exactly one of slots and bytes"):
        Checkpointed(slots=3, bytes="1MB")
    with pytest.raises(OptionError, match="at least 1 slot"):
        Checkpointed(slots=0)
    with pytest.raises(OptionError, match=r"number of bytes such as 64MB"):
        Checkpointed(bytes="much")
    segment_loss, state = reading(LSTM(4, 64), rows=8, steps=20)
    with pytest.raises(
        OptionError, match=r"too little for one slot.*\nThe minimum is checkpointed:bytes=(\d+)"
    ) as refused:
        Checkpointed(bytes="1KB")(segment_loss, state, 20)
    least = int(str(refused.value).split("bytes=")[-1].split(";")[0])
    Checkpointed(bytes=least)(segment_loss, state, 20)
