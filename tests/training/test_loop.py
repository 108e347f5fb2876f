"""The loop alone: what one update does, when it reports, stops and goes back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch

from unrolled import states
from unrolled.data.windows import Batch
from unrolled.gradient import Full
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.training.loop import Learner, train, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan, lower_rate
from unrolled.training.planning import Task, plan_steps

SYMBOLS, ROWS, STEPS = 10, 4, 8


def make_plan(steps: int = 6) -> Plan:
    settings = TrainOptions(steps=steps, hidden_size=8, batch_size=ROWS, window=STEPS, dropout=0.2)
    return plan_steps(settings, Task(SYMBOLS, 1000, 1000.0), "cpu", 1)


def make_learner() -> Learner:
    torch.manual_seed(0)
    model = LanguageModel(SYMBOLS, 6, build_stack("lstm", 6, 8, dropout=0.2))
    return Learner(model, Optimiser(model, make_plan()), model.start(ROWS))


class Drawn:
    """Batch k is drawn from k: rows of `lengths`, all with a new state where `fresh`."""

    def __init__(self, lengths: int = STEPS, fresh: bool = False) -> None:
        self.lengths, self.fresh = lengths, fresh

    def batch(self, k: int) -> Batch:
        drawn = torch.randint(0, SYMBOLS, (ROWS, STEPS + 1), generator=torch.Generator().manual_seed(k))
        lengths = torch.full((ROWS,), self.lengths)
        return Batch(drawn[:, :-1], drawn[:, 1:], lengths, torch.full((ROWS,), self.fresh))


def everything(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.tensors().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def go(
    learner: Learner,
    plans: list[Plan],
    is_due: Callable[[Plan], bool] = lambda plan: True,
    stopped: Callable[[], bool] = lambda: False,
    go_back: Callable[[], None] = lambda: pytest.fail("went back"),
) -> list[int]:
    """Trains; returns the steps at which a report was due."""
    return [learner.step for _ in train(learner, Drawn(), Full(), plans, 0, stopped, is_due, go_back)]


def test_it_trains_to_the_plans_end_and_reports_where_it_is_due() -> None:
    learner = make_learner()
    assert go(learner, [make_plan(6)], is_due=lambda plan: learner.step % 2 == 0) == [2, 4, 6]
    assert learner.symbols == 6 * ROWS * STEPS
    assert learner.targets == learner.symbols
    assert learner.loss == pytest.approx(math.log(SYMBOLS), abs=0.3)


def test_it_stops_before_the_next_update() -> None:
    learner = make_learner()
    assert go(learner, [make_plan(6)], stopped=lambda: learner.step == 3) == [1, 2, 3]


def test_a_plan_that_is_appended_meanwhile_holds_from_its_step_on() -> None:
    learner, plans = make_learner(), [make_plan(6)]
    steps = []
    for plan in train(learner, Drawn(), Full(), plans, 0, lambda: False, lambda plan: True, lambda: None):
        steps.append(plan.steps)
        if learner.step == 2:
            plans.append(dataclasses.replace(plan, steps=4, from_step=2))
    assert steps == [6, 6, 4, 4]


def test_the_state_is_carried_from_window_to_window_and_anew_where_a_row_begins() -> None:
    carried, fresh = make_learner(), make_learner()
    for learner, batches in ((carried, Drawn()), (fresh, Drawn(fresh=True))):
        update(learner, batches.batch(0), Full(), make_plan(), 0)
    assert same(everything(carried), everything(fresh))  # there is no carried state yet
    losses = [
        update(learner, batches.batch(1), Full(), make_plan(), 0)[0]
        for learner, batches in ((carried, Drawn()), (fresh, Drawn(fresh=True)))
    ]
    assert losses[0] != losses[1]


def test_an_update_is_drawn_from_seed_and_step_alone() -> None:
    learners = [make_learner() for _ in range(3)]
    for learner, seed in zip(learners, (0, 0, 1), strict=True):
        torch.rand(3)  # random numbers drawn elsewhere have no effect
        update(learner, Drawn().batch(0), Full(), make_plan(), seed)
    first, again, other = (everything(learner) for learner in learners)
    assert same(first, again)
    assert not same(first, other)  # dropout's masks


def test_a_batch_of_padding_alone_changes_nothing() -> None:
    learner = make_learner()
    before = everything(learner)
    assert update(learner, Drawn(lengths=0).batch(0), Full(), make_plan(), 0) == (0.0, 0)
    assert same(before, everything(learner))


def test_a_loss_that_is_not_finite_changes_nothing_and_goes_back() -> None:
    learner, plans = make_learner(), [make_plan(4)]
    kept = learner.model.output.bias.detach().clone()
    torch.nn.init.constant_(learner.model.output.bias, float("nan"))
    before = states.leaves(learner.state)

    def go_back() -> None:
        assert learner.step == 0
        assert all(torch.equal(leaf, before[name]) for name, leaf in states.leaves(learner.state).items())
        assert all(p.grad is None for p in learner.model.parameters())
        with torch.no_grad():
            learner.model.output.bias.copy_(kept)
        plans.append(lower_rate(plans[0], 0))

    assert go(learner, plans, go_back=go_back) == [1, 2, 3, 4]
    assert len(plans) == 2


def test_what_is_saved_goes_on_bit_for_bit() -> None:
    learner, other = make_learner(), make_learner()
    go(learner, [make_plan(3)])
    saved, facts = everything(learner), learner.facts()
    other.load(3, saved, facts)
    for one in (learner, other):
        go(one, [make_plan(6)])
    assert same(everything(learner), everything(other))
    assert learner.facts() == other.facts()
