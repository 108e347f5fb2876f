"""The loop alone: what one update does, when it reports, stops and goes back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch

from unrolled import states
from unrolled.data.text.batches import TextBatch
from unrolled.gradient import Full
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.training.loop import TrainingState, train, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Plan, lower_rate
from unrolled.training.planning import TextSize, plan_steps

TOKENS, ROWS, STEPS = 10, 4, 8


def make_plan(steps: int = 6) -> Plan:
    settings = TrainOptions(steps=steps, hidden_size=8, batch_size=ROWS, window=STEPS, dropout=0.2)
    return plan_steps(settings, TextSize(TOKENS, 1000, 1000.0), "cpu", 1)


def make_training_state() -> TrainingState:
    torch.manual_seed(0)
    model = LanguageModel(TOKENS, 6, build_stack("lstm", 6, 8, dropout=0.2))
    return TrainingState(model, Optimiser(model, make_plan()), model.start(ROWS))


class Drawn:
    """Batch k is drawn from k: rows of `lengths`, all with a new state where `fresh`."""

    def __init__(self, lengths: int = STEPS, fresh: bool = False) -> None:
        self.lengths, self.fresh = lengths, fresh

    def batch(self, k: int) -> TextBatch:
        drawn = torch.randint(0, TOKENS, (ROWS, STEPS + 1), generator=torch.Generator().manual_seed(k))
        lengths = torch.full((ROWS,), self.lengths)
        return TextBatch(drawn[:, :-1], drawn[:, 1:], lengths, torch.full((ROWS,), self.fresh))


def everything(training_state: TrainingState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in training_state.tensors().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def go(
    training_state: TrainingState,
    plans: list[Plan],
    is_due: Callable[[Plan], bool] = lambda plan: True,
    stopped: Callable[[], bool] = lambda: False,
    go_back: Callable[[], None] = lambda: pytest.fail("went back"),
) -> list[int]:
    """Trains; returns the steps at which a report was due."""
    return [training_state.step for _ in train(training_state, Drawn(), Full(), plans, 0, stopped, is_due, go_back)]


def test_it_trains_to_the_end_of_the_plan_and_reports_when_due() -> None:
    training_state = make_training_state()
    assert go(training_state, [make_plan(6)], is_due=lambda plan: training_state.step % 2 == 0) == [2, 4, 6]
    assert training_state.tokens == 6 * ROWS * STEPS
    assert training_state.targets == training_state.tokens
    assert training_state.loss == pytest.approx(math.log(TOKENS), abs=0.3)


def test_it_stops_before_the_next_update() -> None:
    training_state = make_training_state()
    assert go(training_state, [make_plan(6)], stopped=lambda: training_state.step == 3) == [1, 2, 3]


def test_a_plan_that_is_appended_meanwhile_holds_from_its_step_on() -> None:
    training_state, plans = make_training_state(), [make_plan(6)]
    steps = []
    for plan in train(training_state, Drawn(), Full(), plans, 0, lambda: False, lambda plan: True, lambda: None):
        steps.append(plan.steps)
        if training_state.step == 2:
            plans.append(dataclasses.replace(plan, steps=4, from_step=2))
    assert steps == [6, 6, 4, 4]


def test_the_state_is_carried_between_windows_and_new_where_a_row_begins() -> None:
    carried, fresh = make_training_state(), make_training_state()
    for training_state, batches in ((carried, Drawn()), (fresh, Drawn(fresh=True))):
        update(training_state, batches.batch(0), Full(), make_plan(), 0)
    assert same(everything(carried), everything(fresh))  # there is no carried state yet
    losses = [
        update(training_state, batches.batch(1), Full(), make_plan(), 0)[0]
        for training_state, batches in ((carried, Drawn()), (fresh, Drawn(fresh=True)))
    ]
    assert losses[0] != losses[1]


def test_an_update_depends_on_seed_and_step_alone() -> None:
    training_states = [make_training_state() for _ in range(3)]
    for training_state, seed in zip(training_states, (0, 0, 1), strict=True):
        torch.rand(3)  # random numbers drawn elsewhere have no effect
        update(training_state, Drawn().batch(0), Full(), make_plan(), seed)
    first, again, other = (everything(training_state) for training_state in training_states)
    assert same(first, again)
    assert not same(first, other)  # dropout's masks


def test_a_batch_of_padding_alone_changes_nothing() -> None:
    training_state = make_training_state()
    before = everything(training_state)
    assert update(training_state, Drawn(lengths=0).batch(0), Full(), make_plan(), 0) == (0.0, 0)
    assert same(before, everything(training_state))


def test_a_loss_that_is_not_finite_changes_nothing_and_goes_back() -> None:
    training_state, plans = make_training_state(), [make_plan(4)]
    kept = training_state.model.output.bias.detach().clone()
    torch.nn.init.constant_(training_state.model.output.bias, float("nan"))
    before = states.leaves(training_state.state)

    def go_back() -> None:
        assert training_state.step == 0
        assert all(torch.equal(leaf, before[name]) for name, leaf in states.leaves(training_state.state).items())
        assert all(p.grad is None for p in training_state.model.parameters())
        with torch.no_grad():
            training_state.model.output.bias.copy_(kept)
        plans.append(lower_rate(plans[0], 0))

    assert go(training_state, plans, go_back=go_back) == [1, 2, 3, 4]
    assert len(plans) == 2


def test_a_restored_state_continues_bit_for_bit() -> None:
    training_state, other = make_training_state(), make_training_state()
    go(training_state, [make_plan(3)])
    saved, facts = everything(training_state), training_state.facts()
    other.load(3, saved, facts)
    for one in (training_state, other):
        go(one, [make_plan(6)])
    assert same(everything(training_state), everything(other))
    assert training_state.facts() == other.facts()
