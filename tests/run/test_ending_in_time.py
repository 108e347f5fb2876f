"""A training ends before its budget is over, by a clock that the test sets: exact on a busy machine too."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unrolled.deadline import Deadline
from unrolled.options import PredictionSettings
from unrolled.run import Training
from unrolled.tasks.base import Baseline
from unrolled.tasks.dataset import read_task_examples
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.prediction.rows import AT_ONCE
from unrolled.tasks.prediction.task import CLOSING_SHARE, Prediction
from unrolled.tasks.seq2seq.generate import Generator
from unrolled.training.plan import ENDING, Clock

NOW = "time.monotonic"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that `time.monotonic` returns: the one number in it, which a test increases."""
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


class SlowNet:
    """Predictions that take this number of seconds of the clock per batch."""

    def __init__(self, now: list[float], seconds: float = 0.0) -> None:
        self.now, self.seconds = now, seconds

    def predict(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        self.now[0] += self.seconds
        return torch.zeros(len(lengths), 2)

    def to_predictions(self, predictions: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"label": predictions}


def clock_of(now: list[float], budget: float, started: float | None = None) -> Clock:
    return Clock(budget, started, now=lambda: now[0])


def test_a_slow_start_reserves_more_for_the_end(now: list[float]) -> None:
    assert clock_of(now, 18.0, started=990.0).exit_seconds == pytest.approx(ENDING * 10)
    assert clock_of(now, 18.0, started=999.0).exit_seconds == 1.0


def test_the_time_of_scoring_is_reserved_for_the_end(
    table: Path, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, budget = Prediction(read_task_examples(table, PredictionSettings()), PredictionSettings()), 18.0
    run, net = SimpleNamespace(), SlowNet(now)

    def kept_of(budget: float) -> float:
        return task.prepare(run, net, clock_of(now, budget)).seconds  # type: ignore[arg-type]

    usual = kept_of(budget)
    assert usual < CLOSING_SHARE * budget
    monkeypatch.setattr("unrolled.tasks.prediction.task.fit_baselines", lambda *_: {})
    monkeypatch.setattr("unrolled.tasks.prediction.task.save_baselines", lambda *_: None)
    for rows, seconds, kept in ((AT_ONCE, 3.0, 6.0), (10 * AT_ONCE, 3.0, CLOSING_SHARE * budget), (20, 3.0, 6.0)):

        def judge(*_: Any, rows: int = rows, seconds: float = seconds) -> tuple[Baseline, int]:
            now[0] += seconds
            return Baseline("linear", 0.5, None), rows

        monkeypatch.setattr("unrolled.tasks.prediction.task.best_baseline", judge)
        task.count_baseline(run, clock_of(now, budget).deadline())  # type: ignore[arg-type]
        assert kept_of(budget) == pytest.approx(kept)
    assert math.isclose(kept_of(0.0), 6.0), "a share of a small budget is no reason to be late"


def test_the_end_has_time_for_the_net_to_read_every_row(table: Path, now: list[float]) -> None:
    task, run = Prediction(read_task_examples(table, PredictionSettings()), PredictionSettings()), SimpleNamespace()
    rows = task.items("validation") + task.items("test")
    kept = {
        seconds: task.prepare(run, SlowNet(now, seconds), clock_of(now, 300.0)).seconds  # type: ignore[arg-type]
        for seconds in (0.0, 0.5, 50.0)
    }
    reading = rows * 0.5 / AT_ONCE
    assert kept[0.0] + reading < kept[0.5] < kept[0.0] + 3 * reading
    assert kept[50.0] == 2 * 50.0, "the least, though it is more than a share of the budget"


@pytest.mark.parametrize(
    ("starting", "read", "net"),
    [(2.0, 8.0, True), (9.0, 12.0, False), (9.0, 8.9, True), (0.0, 15.0, True), (0.0, 15.4, False)],
    ids=["idle", "busy", "busy but early", "from Python", "read for long"],
)
def test_a_net_is_trained_where_there_is_time_for_its_baselines_too(
    now: list[float], starting: float, read: float, net: bool
) -> None:
    training = Training.__new__(Training)
    settings = PredictionSettings(minutes=0.3)
    training.task = SimpleNamespace(fallback_model="linear", settings=settings)  # type: ignore[assignment]
    training.clock = clock_of(now, 18.0, started=now[0] - starting)
    now[0] += read - starting
    training._leave_out_net()
    assert (training.settings.model is None) == net
    assert ("there is no time for a net" in training._no_net) != net


@pytest.mark.parametrize(
    ("seconds", "chunks"),
    [
        (None, [300]),
        (100.0, [32, 128, 128, 12]),  # there is time for all
        (3.0, [32, 40]),  # 1.32 s for 32, then as many as fit into 1.68 s at that speed
        (0.0, [4]),
        (-5.0, [4]),
    ],
    ids=["endless", "in time", "short", "now", "over"],
)
def test_a_batch_has_no_more_texts_than_there_is_time_for(
    now: list[float], seconds: float | None, chunks: list[int]
) -> None:
    written: list[int] = []

    class Slow(Generator):
        def _generate_batches(self, items: Any, *_: Any) -> list[Any]:
            written.append(len(items))
            now[0] += 1.0 + 0.01 * len(items)  # larger batches take less time per text
            return list(items)

    output: Any = SimpleNamespace(longest=10)
    text_generator = Slow.__new__(Slow)
    text_generator.output = output
    deadline = Deadline(seconds, now=lambda: now[0])
    started = now[0]
    texts = text_generator.generate(["a"] * 300, GenerationConfig(), deadline=deadline)
    assert written[: len(chunks)] == chunks
    assert len(texts) == sum(written)
    if seconds is not None and seconds > 0:
        assert now[0] - started < seconds + 1.02
