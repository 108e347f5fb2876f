"""A training ends before its budget does, by a clock that the test sets: exact, however busy the machine is."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unrolled.deadline import Deadline
from unrolled.run import Training
from unrolled.run.answer_rows import AT_ONCE
from unrolled.run.answers import CLOSING_SHARE, Answers
from unrolled.run.rows import read_rows
from unrolled.run.subject import Baseline
from unrolled.run.watching import Watch
from unrolled.run.writing import Choice, Scribe
from unrolled.settings import TrainSettings
from unrolled.training.plan import ENDING, Clock, Plan
from unrolled.training.planning import Task, plan_steps

NOW = "time.monotonic"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that `time.monotonic` shows: the one number in it, which a test puts forward."""
    shown = [1000.0]
    monkeypatch.setattr(NOW, lambda: shown[0])
    return shown


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    words = ("dull", "fine", "long", "odd", "new", "old")
    path.write_text(
        "text,label\n" + "".join(f"a {words[n % 6]} film {n % 17} {n},{('no', 'yes')[n % 2]}\n" for n in range(3_000))
    )
    return path


def make_watch(budget: float, closing: float = 0.0) -> tuple[Watch, Plan, list[Any]]:
    """A watch over a learner that has just made its first update, its plan of 1,000, and what plans it wrote down."""
    plan = plan_steps(TrainSettings(steps=1_000, size=8), Task(10, 1_000, 1_000.0), "cpu", 1)
    plan = dataclasses.replace(plan, report_every=100, validate_every=100, save_every=100)
    subject: Any = SimpleNamespace(copyable=0, ranked=0, kinds=2, items=lambda _: 0, closing=lambda _: closing)
    learner: Any = SimpleNamespace(step=1, symbols=0)
    batches: Any = None
    watch = Watch(subject, learner, batches, [plan], Clock(budget), follows=False, most_threads=None)
    written: list[Any] = []
    folder: Any = SimpleNamespace(
        append_plan=lambda step, facts: written.append((step, facts["steps"], facts["why"]))
    )
    watch.folder = folder
    return watch, plan, written


def test_time_that_is_over_ends_updates_before_the_first_report(now: list[float]) -> None:
    watch, plan, written = make_watch(18.0, closing=2.0)
    watch.begin()
    now[0] += 18 - watch.reserve() - 0.01
    assert not watch.is_due(plan)
    now[0] += 0.02
    assert watch.is_due(plan), "although no pace is known yet, and a report is 99 updates off"
    assert written == [(1, 1, "time")]
    assert watch.reserve() == pytest.approx(2.0 + 0.2 + 1.0)


def test_by_updates_no_clock_is_asked(now: list[float]) -> None:
    watch, plan, written = make_watch(18.0)
    watch.begin()
    watch.follows = True
    now[0] += 100
    assert not watch.is_due(plan)
    assert not written


def test_a_slow_beginning_keeps_more_for_the_end(now: list[float]) -> None:
    assert Clock(18.0, started=990.0).ending == pytest.approx(ENDING * 10)
    assert Clock(18.0, started=999.0).ending == 1.0


def test_the_end_is_given_what_judging_took_so_far(
    table: Path, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, budget = Answers(read_rows(table, TrainSettings()), TrainSettings()), 18.0
    usual = subject.closing(budget)
    assert usual < CLOSING_SHARE * budget
    monkeypatch.setattr("unrolled.run.answers.fit_rivals", lambda *_: {})
    monkeypatch.setattr("unrolled.run.answers.save_rivals", lambda *_: None)
    for rows, seconds, kept in ((AT_ONCE, 3.0, 6.0), (10 * AT_ONCE, 3.0, max(usual, 0.6)), (20, 3.0, 6.0)):

        def judge(*_: Any, rows: int = rows, seconds: float = seconds) -> tuple[Baseline, int]:
            now[0] += seconds
            return Baseline("linear", 0.5, None), rows

        monkeypatch.setattr("unrolled.run.answers.best_baseline", judge)
        run, deadline = SimpleNamespace(), Clock(budget).deadline()
        subject.count_baseline(run, deadline)  # type: ignore[arg-type]
        assert subject.closing(budget) == pytest.approx(kept)
    assert math.isclose(subject.closing(0.0), 6.0), "a share of a small budget is no reason to be late"


@pytest.mark.parametrize(
    ("starting", "read", "net"),
    [(2.0, 8.0, True), (9.0, 12.0, False), (9.0, 8.9, True), (0.0, 15.0, True), (0.0, 15.4, False)],
    ids=["idle", "busy", "busy but early", "from Python", "read for long"],
)
def test_a_net_is_trained_where_there_is_time_for_all_that_goes_with_it(
    now: list[float], starting: float, read: float, net: bool
) -> None:
    training = Training.__new__(Training)
    training.settings = TrainSettings(minutes=0.3)
    training.subject = SimpleNamespace(without_net="linear", settings=training.settings)  # type: ignore[assignment]
    training.clock = Clock(18.0, started=now[0] - starting)
    now[0] += read - starting
    training._leave_out_net()
    assert (training.settings.model is None) == net
    assert ("there is no time for a net" in training._no_net) != net


@pytest.mark.parametrize(
    ("seconds", "chunks"),
    [
        (None, [300]),
        (100.0, [32, 128, 128, 12]),  # there is time for all
        (3.0, [32, 40]),  # 1.32 s for 32, then what 1.68 s are enough for at that pace
        (0.0, [4]),
        (-5.0, [4]),
    ],
    ids=["endless", "in time", "short", "now", "over"],
)
def test_no_more_texts_are_written_at_once_than_there_is_time_for(
    now: list[float], seconds: float | None, chunks: list[int]
) -> None:
    written: list[int] = []

    class Slow(Scribe):
        def _write_together(self, items: Any, *_: Any) -> list[Any]:
            written.append(len(items))
            now[0] += 1.0 + 0.01 * len(items)  # more at once take less each
            return list(items)

    output: Any = SimpleNamespace(longest=10)
    scribe, nothing = Slow.__new__(Slow), None
    scribe.output = output
    deadline = Deadline(seconds, now=lambda: now[0])
    started = now[0]
    texts = scribe.write([nothing] * 300, Choice(), deadline=deadline)  # type: ignore[list-item]
    assert written[: len(chunks)] == chunks
    assert len(texts) == sum(written)
    if seconds is not None and seconds > 0:
        assert now[0] - started < seconds + 1.02
