"""Numbers of threads: never more than the cores, the faster one is used, torch's setting is restored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest
import torch

from unrolled.threads import (
    ThreadChoice,
    faster_threads,
    iterate_with_threads,
    processor_threads,
    threads_for,
    torch_threads,
)


def test_never_more_than_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = processor_threads()
    assert threads_for(None) == threads_for(10_000) == cores
    assert threads_for(1) == threads_for(0) == 1
    assert ThreadChoice(10_000).choose(lambda: None) == cores


@pytest.mark.parametrize(("said", "threads"), [("1", 1), ("2,4", 2), ("64", 3), ("0", 3), ("many", 3), ("", 3)])
def test_omp_num_threads_is_kept_without_an_option(said: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.threads.processor_threads", lambda: 3)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads_for(None) == threads
    assert threads_for(2) == 2


@pytest.mark.parametrize(("few", "many", "chosen"), [(1.0, 0.6, 8), (1.0, 100.0, 4), (1.0, 1.0, 8)])
def test_the_faster_number_of_threads_is_used(few: float, many: float, chosen: int) -> None:
    timed: list[int] = []

    def seconds(number: int) -> Iterator[float]:
        for one in repeat(many if number == 8 else few):
            timed.append(number)
            yield one

    assert faster_threads(8, seconds) == chosen
    assert timed.count(8) <= 3 or chosen == 8  # the slower numbers are not timed to the end


def test_timing_threads_ends_with_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("unrolled.threads.time.perf_counter", lambda: now[0])

    def seconds(number: int) -> Iterator[float]:
        while True:
            now[0] += 1.0
            yield 1.0

    assert faster_threads(8, seconds, limit=0.5) == 4  # there is only time for one piece of work
    assert now[0] == 1.0
    now[0] = 0.0
    faster_threads(8, seconds, limit=8.0)
    assert now[0] <= 9.0


def test_one_thread_is_not_compared_with_none() -> None:
    assert faster_threads(1, lambda number: iter(())) == 1


def test_torchs_threads_are_restored_between_yields_and_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = []
        for one in iterate_with_threads((torch.get_num_threads() for _ in range(3)), lambda: 1):
            found.append((one, torch.get_num_threads()))
        assert found == [(1, 2)] * 3
        with pytest.raises(ValueError, match="no"), torch_threads(1):
            raise ValueError("no")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_unfinished_iterator_is_closed() -> None:
    closed = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(5)
        finally:
            closed.append(True)

    going = iterate_with_threads(numbers(), lambda: 1)
    next(going)
    going.close()  # type: ignore[attr-defined]
    assert closed == [True]
