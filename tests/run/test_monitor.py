"""The monitor of a training, with a fake task and a fake clock: budgets, replanning, going back, selected weights."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_task import ENDING, Bench, FakeTask, Time, plan_of
from kills import FACTS

from unrolled.errors import TrainingError
from unrolled.run.monitor import MAX_RETRIES, TIMED_TOKENS, VALIDATION_SHARE
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.record import ConclusionCost
from unrolled.training.checkpoint import load_newest


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", FACTS)


# Budgets


def test_a_budget_is_kept_at_the_planned_pace(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), cost=ConclusionCost(5.0)), 60.0, plan_of(107, 10))
    reports = bench.train()
    assert [report.step for report in reports] == [*range(0, 107, 10), 107], "no report comes early"
    assert bench.plans() == [], "what fits is not planned again"
    assert bench.clock.left == pytest.approx(60 - 53.5)
    assert reports[5].seconds_left == pytest.approx(60 - 25)


@pytest.mark.parametrize("pace", [0.1, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("at", [1, 12, 52])
def test_a_budget_is_kept_where_the_pace_changes(folder: RunFolder, pace: float, at: int) -> None:
    task = FakeTask(Time(), slower={at: pace}, cost=ConclusionCost(5.0))
    bench = Bench(folder, task, 60.0, plan_of(107, 10, validate_every=1000, save_every=1000))
    reports = bench.train()
    left = bench.clock.left - 5.0 - ENDING
    assert -pace < left < max(2 * pace, 1.0), "the budget is kept, and used"
    assert reports[-1].step == reports[-1].steps == bench.monitor.training_state.step
    assert load_newest(folder.checkpoints).step == reports[-1].step, "the end is in a checkpoint"


@pytest.mark.parametrize("every", [1, 4, 5, 100])
def test_no_update_starts_without_time_for_it(folder: RunFolder, every: int) -> None:
    plan = plan_of(100, every, validate_every=1000, save_every=1000)
    bench = Bench(folder, FakeTask(Time(), pace=4.0), 42.0 + ENDING, plan)
    bench.monitor.pacer.pace = 4.0
    assert bench.train()[-1].step == 10
    assert bench.clock.left == pytest.approx(2.0 + ENDING)


def test_reports_come_early_where_updates_take_long(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), slower={24: 2.5}), 60.0, plan_of(117, 10))
    steps = [report.step for report in bench.train()]
    assert steps[:4] == [0, 10, 20, 28], "4 x 0.5 s and 4 x 2.5 s are more than twice what 10 updates took"
    assert bench.plans()[0][0] == 28
    assert bench.plans()[0][2] == "pace"


def test_updates_end_before_the_first_report_if_time_is_over(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), pace=0.0, cost=ConclusionCost(2.0)), 18.0, plan_of(1000, 100))
    monitor, training_state = bench.monitor, bench.monitor.training_state
    monitor.begin()
    training_state.step = 1
    assert monitor.reserve.seconds == pytest.approx(2.0 + ENDING)
    bench.task.time.seconds += 18 - 2 - ENDING - 0.01
    assert not monitor.is_due(bench.plan)
    bench.task.time.seconds += 0.02
    assert monitor.is_due(bench.plan), "although no pace is known yet, and a report is 99 updates off"
    assert bench.plans() == [(1, 1, "time")]


def test_the_time_of_a_validation_is_reserved_for_the_end(folder: RunFolder) -> None:
    task = FakeTask(Time(), sizes={"validation": 500, "test": 0}, seconds_an_item=0.004)
    bench = Bench(folder, task, 60.0, plan_of(100, 50, validation=500))
    bench.train()
    assert bench.monitor.reserve.seconds == pytest.approx(2.0 + ENDING)


# Planning again


@pytest.mark.parametrize("pace", [0.25, 1.0])
def test_another_pace_makes_another_number_of_updates(folder: RunFolder, pace: float) -> None:
    plan = plan_of(200, 10, validate_every=1000, save_every=1000)
    bench = Bench(folder, FakeTask(Time(), slower={20: pace}), 100 + ENDING, plan)
    bench.train()
    step, steps, why = bench.plans()[0]
    average = 0.7 * 0.5 + 0.3 * pace  # the newest measurement counts 0.3
    assert (step, why) == (30, "pace")
    assert steps == pytest.approx(30 + (100 - 10 - 10 * pace) / average, abs=1)
    assert bench.monitor.training_state.step == pytest.approx(20 + 90 / pace, rel=0.03)


def test_no_more_updates_are_planned_than_are_useful(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time()), 600.0, plan_of(50, 10, max_updates=90))
    assert bench.train()[-1].step == 90


@pytest.mark.parametrize("pace", [0.001, 60.0])
def test_a_budget_in_updates_reads_no_clock(folder: RunFolder, pace: float) -> None:
    task = FakeTask(Time(), slower={30: pace}, sizes={"validation": 10**6, "test": 0}, seconds_an_item=1.0)
    bench = Bench(folder, task, None, plan_of(100, 10))
    reports = bench.train()
    assert [report.step for report in reports] == list(range(0, 101, 10))
    assert bench.plans() == []


def test_a_shorter_budget_reads_less_of_the_validation_split(folder: RunFolder) -> None:
    each = 1e-5
    task = FakeTask(Time(), sizes={"validation": 100_000, "test": 0}, seconds_an_item=each)
    bench = Bench(folder, task, 60.0, plan_of(100, 10, validation=10**6))
    bench.monitor.begin()
    started = bench.task.time.seconds
    bench.monitor.report(bench.plan)
    fitted = int(VALIDATION_SHARE * 60.0 / each)
    assert bench.task.time.seconds - started == pytest.approx(each * (TIMED_TOKENS + fitted))
    assert [(plan.validation, plan.why) for plan in bench.monitor.plans[1:]] == [(fitted, "validation")]
    assert bench.plans() == [(0, 100, "validation")]


def test_a_long_budget_reads_all_that_is_planned(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), seconds_an_item=1e-6), 60.0, plan_of(100, 50))
    bench.train()
    assert all(plan.validation == bench.plan.validation for plan in bench.monitor.plans)


# Going back


def test_a_loss_that_is_not_finite_goes_back_and_halves_the_learning_rate(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), bad=Counter({25: 1})), None, plan_of(60, 10))
    reports = bench.train()
    assert [report.step for report in reports] == [0, 10, 20, 30, 40, 50, 60]
    assert bench.plans() == [(20, 60, "loss not finite")]
    assert bench.monitor.plans[-1].learning_rate == bench.plan.learning_rate / 2
    rate = f"learning rate {bench.plan.learning_rate:.2g} -> {bench.plan.learning_rate / 2:.2g}"
    assert reports[3].notes == (f"The loss of update 25 was not finite: back to update 20, {rate}.",)
    assert not any(report.notes for report in reports[:3] + reports[4:])


def test_updates_go_on_from_the_checkpoints_weights(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time()), None, plan_of(60, 10))
    bench.train()
    kept = load_newest(folder.checkpoints).tensors["weights.weight"].clone()
    with torch.no_grad():
        bench.monitor.training_state.model.weight.fill_(7.0)
    bench.monitor.go_back()
    assert torch.equal(bench.monitor.training_state.model.weight, kept)


def test_it_gives_up_after_several_attempts_from_one_checkpoint(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), bad=Counter({25: MAX_RETRIES + 1})), None, plan_of(60, 10))
    with pytest.raises(TrainingError, match=r"not finite 4 times after update 20, .*\nTry a --learning-rate below"):
        bench.train()
    rates = [plan["learning_rate"] for plan in folder.log.read_plans()[1:]]
    assert rates == [bench.plan.learning_rate / 2**n for n in range(1, MAX_RETRIES + 1)]
    assert load_newest(folder.checkpoints).step == 20


def test_time_lost_by_going_back_is_subtracted_from_the_budget(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time(), bad=Counter({68: 2})), 60.0, plan_of(117, 10, save_every=20))
    assert bench.train()[-1].step == pytest.approx(117 - 2 * 9, abs=2), "twice 9 updates were done in vain"
    assert -0.51 < bench.clock.left - ENDING < 1.0


# Selected weights


@pytest.mark.parametrize(
    ("items", "kept"), [(1_000, [0, 10, 30]), (20, [0, 10, 20, 30, 40])], ids=["enough to tell", "too few to tell"]
)
def test_the_best_weights_are_kept(
    folder: RunFolder, items: int, kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [3.0, 2.0, 2.5, 1.5, 1.6]
    written: list[tuple[int, float]] = []
    write = RunFolder.write_model

    def note(run: RunFolder, tensors: Any, facts: Any) -> None:
        written.append((facts["step"], facts["nats"]))
        write(run, tensors, facts)

    monkeypatch.setattr(RunFolder, "write_model", note)
    task = FakeTask(Time(), scores=list(scores), sizes={"validation": items, "test": 0})
    bench = Bench(folder, task, None, plan_of(40, 10))
    reports = bench.train()
    assert written == [(step, scores[step // 10]) for step in kept]
    assert [report.validation for report in reports] == scores == bench.monitor.validations
    assert reports[-1].best == scores[kept[-1] // 10]
    tensors, _ = folder.read_model()
    assert reports[kept[-1] // 10].sample == f"weight {float(tensors['weight']):.3f}", "those of that step"


def test_validation_runs_only_when_due(folder: RunFolder) -> None:
    bench = Bench(folder, FakeTask(Time()), None, plan_of(45, 10, validate_every=20, save_every=20))
    reports = bench.train()
    assert [report.step for report in reports if report.validation is not None] == [0, 20, 40, 45]
    assert [report.step for report in reports if report.sample is not None] == [0, 20, 40, 45]
    assert [step for step, _ in folder.log.read_samples()] == [0, 20, 40, 45]
    assert [line["step"] for line in folder.log.read_reports()] == [0, 10, 20, 30, 40, 45]


def test_a_task_concludes_from_a_record(folder: RunFolder) -> None:
    task = FakeTask(Time(), scores=[9.0, 3.0, 2.0, 2.5], cost=ConclusionCost(5.0, 0.001))
    task.sizes["test"] = 700
    bench = Bench(folder, task, 60.0, plan_of(107, 54))
    bench.train()
    assert not task.scores, "one was of the reading that tells how fast it is"
    record = bench.monitor.record()
    assert (record.best, record.untrained, record.cost) == (2.0, 3.0, task.cost)
    assert record.plan == bench.monitor.plans[-1]
    assert record.model is bench.monitor.training_state.optimiser.averaged
    assert record.last_sample == task.sample_outputs(record.model)
    assert record.limits.test == 700
    assert record.deadline.seconds_left == pytest.approx(bench.clock.left - 1.0)
