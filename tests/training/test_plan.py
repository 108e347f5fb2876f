"""The plan's schedule, its changes, and the optimiser that follows it."""

from __future__ import annotations

import dataclasses
from itertools import islice

import pytest
import torch

from unrolled.data.modalities.text import WORDS
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.threads import torch_threads
from unrolled.training import planning, planning_rows
from unrolled.training.loop import Batch
from unrolled.training.measure import rehearse_language, time_updates
from unrolled.training.optimiser import Optimiser, orthogonalise
from unrolled.training.plan import Plan, lower_rate, next_session, plan_at, progress_at, rate_at, replan
from unrolled.training.planning import TextSize, plan_steps
from unrolled.training.planning_rows import TableSize

TASK = TextSize(tokens=66, training=1_000_000, document=1e6)


def plan(steps: int = 100) -> Plan:
    return plan_steps(TrainOptions(steps=steps, hidden_size=8, batch_size=4, window=8), TASK, "cpu", 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_timing_a_plan_leaves_torch_on_as_many_threads_as_before(threads: int) -> None:
    timed, counted = dataclasses.replace(plan(), threads=3 - threads), []

    def rehearsal(plan: Plan) -> tuple[torch.nn.Module, Batch]:
        counted.append(torch.get_num_threads())
        return rehearse_language(9)(plan)

    with torch_threads(threads):
        for _ in islice(time_updates(timed, rehearsal), 3):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == threads
    assert counted == [3 - threads]


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    first = plan()
    rates = [rate_at(first, step) for step in range(101)]
    assert rates[0] == pytest.approx(first.learning_rate / first.warmup)
    assert max(rates) > 0.85 * first.learning_rate
    assert rates[-1] == 0


def test_progress_is_continuous_across_a_new_plan() -> None:
    first = plan()
    for steps in (60, 300):
        second = replan(first, 50, steps, "pace")
        assert progress_at(second, 50) == progress_at(first, 50)
        assert progress_at(second, steps) == 1


def test_the_last_recorded_plan_is_in_force() -> None:
    first = plan()
    plans = [first, replan(first, 60, 200, "pace"), lower_rate(first, 40)]
    assert plan_at(plans, 39) is first
    assert plan_at(plans, 70) is plans[2]
    assert plans[2].learning_rate == first.learning_rate / 2


def test_a_second_session_starts_at_half_the_learning_rate() -> None:
    session = next_session(plan(), 100, 200)
    assert rate_at(session, 100) == pytest.approx(session.learning_rate / 2)
    assert rate_at(session, 200) == 0


def test_with_steps_sizes_depend_on_the_data_and_the_steps_alone() -> None:
    sizes = [plan_steps(TrainOptions(steps=steps), TASK, "cpu", 2).hidden_size for steps in (1, 300, 3000, 30000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert plan_steps(TrainOptions(steps=300), TASK, "cpu", 2) == plan_steps(TrainOptions(steps=300), TASK, "cpu", 2)


def test_requested_options_overrule_the_plan() -> None:
    requested = {"hidden_size": 24, "layers": 3, "batch_size": 5, "window": 7, "learning_rate": 0.5, "dropout": 0.4}
    made = plan_steps(TrainOptions(steps=10, **requested), TASK, "cpu", 1)  # type: ignore[arg-type]
    assert {name: getattr(made, name) for name in requested} == requested


@pytest.mark.parametrize(("seconds", "dropout", "twice", "steps"), [
    (200.0, None, True, 156), (100.0, None, False, 156), (20.0, None, False, 40), (200.0, 0.0, False, 156),
])  # fmt: skip
def test_rows_of_words_are_read_for_two_epochs_where_there_is_time(
    seconds: float, dropout: float | None, twice: bool, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning_rows, "seconds_per_update", lambda plan, rehearsal, limit: plan.rows / 128)
    task = TableSize(1000, 20.0, WORDS, lambda plan: pytest.fail("nothing is rehearsed"), lambda batch: 0.1)
    made = planning_rows.plan_row_minutes(TrainOptions(threads=1, dropout=dropout), task, "cpu", 1, seconds)
    assert (made.twice, made.steps, made.batch_size, made.rows) == (twice, steps, 64, 128 if twice else 64)
    assert ("64 rows (each twice)" in made.line(1)) == twice


def training_state(seed: int) -> tuple[LanguageModel, Optimiser]:
    torch.manual_seed(seed)
    model = LanguageModel(10, 6, build_stack("lstm", 6, 8))
    return model, Optimiser(model, plan())


def update(model: LanguageModel, optimiser: Optimiser, step: int) -> None:
    drawn = torch.Generator().manual_seed(step)
    logits, _ = model.unroll(torch.randint(0, 10, (4, 8), generator=drawn), model.start(4))
    torch.autograd.backward((logits**2).sum())
    optimiser.update(plan(), 0.01, 32, step)


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    for rows, columns in ((16, 16), (16, 40), (40, 16)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(3, rows, columns, dtype=torch.float64), 5))
        assert 0.3 < values.min() <= values.max() < 1.3


def test_gates_are_orthogonalised_one_by_one() -> None:
    _, optimiser = training_state(0)
    assert optimiser.gates("memory.memories.0.weight_ih") == 4
    assert optimiser.gates("memory.memories.0.weight_hh") == 4


def test_kernels_of_one_shape_are_orthogonalised_each_by_itself() -> None:
    def trained(kernels: int) -> list[torch.Tensor]:
        layers = [torch.nn.Conv2d(4, 6, 3) for _ in range(kernels)]
        model = torch.nn.ModuleDict({"memory": torch.nn.Sequential(*layers)})
        optimiser = Optimiser(model, plan())
        for number, kernel in enumerate(layers):
            drawn = torch.Generator().manual_seed(number)
            for parameter in kernel.parameters():
                torch.nn.init.ones_(parameter)
                parameter.grad = 1e-3 * torch.randn(parameter.shape, generator=drawn)
        optimiser.update(plan(), 0.01, 1, 0)
        return [kernel.weight.detach() for kernel in layers]

    (alone,), together = trained(1), trained(3)
    assert torch.allclose(together[0], alone, atol=1e-4)
    changes = [(kernel - 1).flatten(1) for kernel in together]
    for change in changes:
        values = torch.linalg.svdvals(change)
        assert values.min() > 0.3 * values.max() > 0
    assert not torch.allclose(changes[0], changes[1], atol=1e-4)


def test_a_restored_state_continues_bit_for_bit() -> None:
    model, optimiser = training_state(0)
    for step in range(3):
        update(model, optimiser, step)
    saved = {name: tensor.clone() for name, tensor in optimiser.tensors().items()}
    other, again = training_state(1)
    again.load(saved)
    for step in range(3, 6):
        update(model, optimiser, step)
        update(other, again, step)
    for one, two in zip(optimiser.tensors().values(), again.tensors().values(), strict=True):
        assert torch.equal(one, two)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    model, optimiser = training_state(0)
    update(model, optimiser, 0)
    before = {name: tensor.clone() for name, tensor in optimiser.tensors().items()}
    next(model.parameters()).grad = torch.full((10, 6), float("nan"))
    norm = optimiser.update(plan(), 0.01, 32, 1)
    assert norm != norm
    assert all(torch.equal(before[name], tensor) for name, tensor in optimiser.tensors().items())


def test_the_average_follows_the_weights() -> None:
    model, optimiser = training_state(0)
    for step in range(5):
        update(model, optimiser, step)
    weights, averaged = dict(model.named_parameters()), dict(optimiser.averaged.named_parameters())
    assert all(not torch.equal(weights[name], averaged[name]) for name in weights)
    assert dataclasses.asdict(plan())["average"] < 1


def test_with_steps_validation_reads_a_tenth_of_what_training_reads() -> None:
    plan = make_steps(2_000)
    times = 2 + plan.steps // plan.validate_every
    read = plan.steps * plan.batch_size * plan.window
    assert plan.validation * times <= 0.1 * read
    assert plan.validation * times > 0.09 * read or plan.validation == 200_000
    assert make_steps(3).validation == planning.LEAST_VALIDATED


def make_steps(steps: int) -> Plan:
    """The plan for a text of a million tokens and this number of updates."""
    return planning.plan_steps(TrainOptions(steps=steps), planning.TextSize(60, 1_000_000, 1e6), "cpu", 1)
