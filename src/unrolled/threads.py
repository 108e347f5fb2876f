"""Processor threads: how many there may be, which number is faster here and now, and torch's own left as it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PROBES = 5  # times that a piece of work is timed with each number of threads
PROBE_SECONDS = 1.0  # for all of it, about, where no budget says less


def processor_threads() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(asked: int | None) -> int:
    """As many threads as were asked for, by an option or a file, but never more than there are cores; else all, or as
    many as OMP_NUM_THREADS says, by which users of shared machines limit every program."""
    cores = processor_threads()
    if asked is None:
        wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list is of nested levels
        asked = int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) > 0 else cores
    return max(1, min(asked, cores))


@contextmanager
def torch_threads(threads: int | None = None) -> Iterator[None]:
    """While it holds, torch computes on so many threads (None: as it does); afterwards on as many as before."""
    import torch

    before = torch.get_num_threads()
    if threads is not None and threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def one_thread() -> AbstractContextManager[None]:
    """For work that is too small to share: threads that wait for each other take a hundred times as long where other
    processes have the cores."""
    return torch_threads(1)


def by_threads(found: Iterable[T], threads: Callable[[], int]) -> Iterator[T]:
    """The same, each computed on as many threads as `threads` says; between them torch is as it was."""
    waiting = iter(found)
    try:
        while True:
            with torch_threads(threads()):
                try:
                    one = next(waiting)
                except StopIteration:
                    return
            yield one
    finally:
        if (close := getattr(waiting, "close", None)) is not None:
            close()


def faster_threads(most: int, seconds: Callable[[int], Iterator[float]], limit: float | None = None) -> int:
    """As many threads as there may be, or half of them where these are faster.

    Threads wait for each other: where other processes have the cores, work on many can take a hundred times as long
    as on few. So the fewer are timed first, and the more are stopped once they have taken longer. seconds: of each of
    endless pieces of work by so many threads, of which the first does not count. limit: seconds for all of it, about;
    where one piece of work leaves no time for the comparison, the fewer are taken.
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
    """On how many threads a run answers: as many as were asked for, else what its first piece of work shows to be
    faster."""

    def __init__(self, asked: int | None = None) -> None:
        self._most = threads_for(asked)
        self._chosen = self._most if asked is not None else None

    def settle(self, work: Callable[[], object]) -> int:
        """So many threads; `work` is timed the first time that it is asked."""
        if self._chosen is None:
            self._chosen = faster_threads(self._most, lambda threads: _time_work(work, threads), PROBE_SECONDS)
        return self._chosen


def _time_work(work: Callable[[], object], threads: int) -> Iterator[float]:
    while True:
        started = time.perf_counter()
        with torch_threads(threads):
            work()
        yield time.perf_counter() - started
