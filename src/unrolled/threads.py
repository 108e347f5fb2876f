"""Processor threads: how many are allowed, which number is faster now, and torch's own setting restored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PROBES = 5  # timings of the work with each number of threads
PROBE_SECONDS = 1.0  # for all timings, about, unless the budget is shorter


def processor_threads() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(requested: int | None) -> int:
    """The requested number of threads, at most the number of cores; without a request all cores, or OMP_NUM_THREADS,
    by which users of shared machines limit every program."""
    cores = processor_threads()
    if requested is None:
        wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list gives nested levels
        requested = int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) > 0 else cores
    return max(1, min(requested, cores))


@contextmanager
def torch_threads(threads: int | None = None) -> Iterator[None]:
    """A context in which torch uses this number of threads (None: unchanged); afterwards the number is restored."""
    import torch

    before = torch.get_num_threads()
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def single_thread() -> AbstractContextManager[None]:
    """A context with one thread, for work too small to share: threads that wait for each other can be a hundred times
    slower where other processes use the cores."""
    return torch_threads(1)


def iterate_with_threads(items: Iterable[T], threads: Callable[[], int]) -> Iterator[T]:
    """The same items, each computed with `threads()` threads; between items torch's setting is restored."""
    iterator = iter(items)
    try:
        while True:
            with torch_threads(threads()):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
    finally:
        if (close := getattr(iterator, "close", None)) is not None:
            close()


def faster_threads(most: int, seconds: Callable[[int], Iterator[float]], limit: float | None = None) -> int:
    """The maximum number of threads, or half of it where that is faster.

    Threads wait for each other: where other processes use the cores, work on many can take a hundred times as long as
    on few. So the lower number is timed first, and the timing of the higher one stops once it has taken longer.
    seconds: for a number of threads, an endless iterator of timings, of which the first does not count. limit:
    seconds for all timings, about; where one timing leaves no time for the comparison, the lower number is chosen.
    """
    few = max(1, most // 2)
    if few == most:
        return few
    started, taken = time.perf_counter(), []
    for one in islice(seconds(few), PROBES + 1):
        taken.append(one)
        if limit is not None and time.perf_counter() - started > 0.4 * limit:
            break
    counted = taken[1:]
    if not counted:
        return few
    spent = 0.0
    for place, one in enumerate(islice(seconds(most), len(counted) + 1)):
        spent += one if place else 0.0
        late = limit is not None and time.perf_counter() - started > limit
        if spent > sum(counted) or (late and place < len(counted)):
            return few
    return most


class ThreadChoice:
    """The number of threads for a run's predictions: the requested one, else the faster one, measured on its first
    work."""

    def __init__(self, requested: int | None = None) -> None:
        self._most = threads_for(requested)
        self._chosen = self._most if requested is not None else None

    def choose(self, work: Callable[[], object]) -> int:
        """The number of threads; the first call times `work`."""
        if self._chosen is None:
            self._chosen = faster_threads(self._most, lambda threads: _time_work(work, threads), PROBE_SECONDS)
        return self._chosen


def _time_work(work: Callable[[], object], threads: int) -> Iterator[float]:
    while True:
        started = time.perf_counter()
        with torch_threads(threads):
            work()
        yield time.perf_counter() - started
