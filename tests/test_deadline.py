"""Deadlines, with a clock that advances each time it is read."""

from __future__ import annotations

import math
from itertools import count

import pytest

from unrolled.deadline import UNLIMITED, Deadline, Stopped


def test_it_passes_after_its_seconds_and_so_do_its_shares() -> None:
    ticks = count()
    deadline = Deadline(10, now=lambda: next(ticks))  # made at 0, checked at 1, 2, …
    assert deadline.seconds_left == 9
    assert not deadline.passed()
    part = deadline.share(0.5)  # of 7 that remain at 3; made at 5
    assert part.seconds_left < 3.5
    assert [part.passed() for _ in range(3)] == [False, False, True]
    assert deadline.within(100).passed()


def test_without_a_limit_it_never_passes() -> None:
    assert UNLIMITED.unlimited
    assert UNLIMITED.seconds_left == math.inf
    assert UNLIMITED.share(0.1) is UNLIMITED.within(1) is UNLIMITED
    assert not UNLIMITED.passed()


@pytest.mark.parametrize("seconds", [None, 100.0])
def test_a_stop_is_seen_by_all_derived_deadlines(seconds: float | None) -> None:
    stops: list[bool] = []
    deadline = Deadline(seconds, lambda: bool(stops))
    part = deadline.share(0.5).within(3)
    assert not part.passed()
    stops.append(True)
    with pytest.raises(Stopped):
        part.passed()
    assert not issubclass(Stopped, Exception)  # code that catches errors of a fit does not catch it
