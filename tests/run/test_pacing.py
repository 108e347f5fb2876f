"""How much of a budget is reserved for the end, and how many threads are used, with a fake clock."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fake_task import ENDING, FakeTask, Time, plan_of

from unrolled.run import pacing
from unrolled.run.pacing import Pacer
from unrolled.run.reserve import COPYING_TOKENS, FIT_SHARE, TEST_SHARE, TEST_SLOWDOWN, Reserve
from unrolled.tasks.record import ConclusionCost
from unrolled.training.plan import Clock

# What is read at the end


def reserve_of(budget: float | None, speed: float, cost: ConclusionCost, **more: Any) -> Reserve:
    time = Time()
    task: Any = FakeTask(time, sizes={"validation": 50_000, "test": 100_000}, **more)
    return Reserve(task, Clock(budget, now=time), speed, cost, 0.0)


def test_without_a_budget_everything_is_scored() -> None:
    limits = reserve_of(None, 10.0, ConclusionCost(0.0, 1.0), memorisable=10**9).limits
    assert limits == (100_000, 50_000, 10**9)


def test_a_budget_limits_the_scoring_at_the_end() -> None:
    reserve, each = reserve_of(100.0, 5_000.0, ConclusionCost()), TEST_SLOWDOWN / 5_000.0
    assert reserve.limits.test == int(TEST_SHARE * 100.0 / each)
    assert reserve.seconds == pytest.approx(TEST_SHARE * 100.0 + ENDING, abs=0.01)
    mixing = reserve_of(
        100.0, 5_000.0, ConclusionCost(3.0, each)
    )  # the same time again for the ensemble, twice for its members
    assert mixing.limits.test == int(TEST_SHARE * 100.0 / (4 * each))
    assert mixing.limits.fit == pytest.approx(FIT_SHARE * 100.0 / (2 * each), rel=0.01)
    assert mixing.seconds == pytest.approx((TEST_SHARE + FIT_SHARE) * 100.0 + 3.0 + ENDING, abs=0.01)
    without = reserve_of(100.0, 5_000.0, ConclusionCost(3.0, None))
    assert without.seconds == pytest.approx(reserve.seconds + 3.0)


def test_a_large_text_is_searched_as_far_as_time_allows() -> None:
    small, large = (reserve_of(60.0, math.inf, ConclusionCost(), memorisable=size) for size in (10**6, 10**9))
    assert small.limits.memorisation == 10**6
    assert small.seconds == pytest.approx(ENDING), "on the way each validation has its share of it"
    assert COPYING_TOKENS < large.limits.memorisation < 10**8
    assert large.seconds == pytest.approx(0.02 * 60 + ENDING)


# Threads


def paced(most_threads: int | None, left: float = 1000.0) -> tuple[Pacer, Time]:
    time = Time()
    return Pacer(Clock(left, now=time), most_threads), time


def threads_after(pacer: Pacer, time: Time, threads: int, seconds: float, step: int = 1000) -> int:
    """The number of threads after 100 updates that took this number of seconds each on the given number of
    threads."""
    pacer.pace = 0.0  # only the new measurement counts
    pacer.start(step, 0)
    time.seconds += 100 * seconds
    pacer.measure(step + 100, 0)
    plan = plan_of(10_000, 100, threads=threads)
    again = pacer.replan(plan, step + 100, pacer.clock.left, 0.0)
    return threads if again is None else again.threads


def test_fewer_threads_are_used_where_another_process_has_a_core() -> None:
    pacer, time = paced(4)
    assert threads_after(pacer, time, 4, 0.01) == 4
    assert threads_after(pacer, time, 4, 0.01 * (pacing.BUSY - 0.1)) == 4
    assert threads_after(pacer, time, 4, 0.01 * (pacing.BUSY + 0.1)) == 2


def test_all_threads_are_tried_again_after_a_while_and_kept_where_they_are_faster() -> None:
    pacer, time = paced(4)
    threads_after(pacer, time, 4, 0.01)
    assert threads_after(pacer, time, 4, 0.05) == 2
    found = [threads_after(pacer, time, 2, 0.015) for _ in range(pacing.REPORTS_UNTIL_RETRY)]
    assert found == [2] * (pacing.REPORTS_UNTIL_RETRY - 1) + [4]
    assert threads_after(pacer, time, 4, 0.012) == 4, "faster than half of them were"


def test_threads_that_stay_slow_are_tried_again_later() -> None:
    pacer, time = paced(4)
    threads_after(pacer, time, 4, 0.01)
    threads_after(pacer, time, 4, 0.05)
    for _ in range(pacing.REPORTS_UNTIL_RETRY):
        last = threads_after(pacer, time, 2, 0.015)
    assert last == 4
    pacer.start(2000, 0)
    plan = plan_of(10_000, 100_000, threads=4)
    time.seconds += pacing.TRIAL_SHARE * pacer.clock.left * 0.9
    assert not pacer.is_late(plan)
    time.seconds += pacing.TRIAL_SHARE * pacer.clock.left * 0.2
    assert pacer.is_late(plan), "a trial ends early"
    assert threads_after(pacer, time, 4, 0.016) == 2, "not much slower than the best, but than half of them"
    assert threads_after(pacer, time, 2, 0.015) == 2


def test_another_number_of_threads_is_a_new_plan() -> None:
    pacer, time = paced(4)
    threads_after(pacer, time, 4, 0.01)
    pacer.pace, plan = 0.05, plan_of(10_000, 100, threads=4)
    again = pacer.replan(plan, 1000, 0.05 * 9000, 0.0)
    assert again is not None
    assert (again.threads, again.steps) == (2, 10_000)


def test_no_trial_if_too_little_time_is_left() -> None:
    pacer, time = paced(4, left=100.0)
    threads_after(pacer, time, 4, 0.01)
    threads_after(pacer, time, 4, 0.05)
    found = [threads_after(pacer, time, 2, 0.1) for _ in range(2 * pacing.REPORTS_UNTIL_RETRY)]
    assert set(found) == {2}


@pytest.mark.parametrize("most", [None, 1])
def test_requested_threads_are_kept(most: int | None) -> None:
    pacer, time = paced(most)
    assert [threads_after(pacer, time, 2, seconds) for seconds in (0.01, 0.5, 0.01)] == [2, 2, 2]
