"""Optimal checkpoint schedules for a given number of slots: which steps to keep, and which to recompute.

There are two kinds of slot. A state is small, but its step is computed once more before its backward pass. A graph
holds all that the backward pass of a step needs, and saves that last computation.
(Griewank & Walther 2000; Gruslys et al. 2016, arXiv 1606.03401.)
"""

from __future__ import annotations

from math import comb


def sweeps(steps: int, slots: int) -> int:
    """r, the most times that any step is computed: the least r with `steps` ≤ binom(slots + r, slots)."""
    r = 0
    while comb(slots + r, slots) < steps:
        r += 1
    return r


def split_states(steps: int, slots: int) -> int:
    """How many of `steps` steps to advance before the next state is kept. Both numbers are at least 2, and slots
    include that of the first state."""
    r = sweeps(steps, slots)
    least = comb(slots + r - 2, slots) if r >= 2 else 1
    return max(1, least, steps - comb(slots - 1 + r, slots - 1))


def split_graphs(steps: int, slots: int) -> int:
    """The next step whose graph is kept, from 1 to `steps`."""
    r = sweeps(steps + 1, slots)
    least = comb(slots + r - 2, slots) if r >= 2 else 1
    return max(1, least, steps + 1 - comb(slots - 1 + r, slots - 1))


def count_states(steps: int, slots: int) -> int:
    """Forward computations of all steps with slots that hold states: (r + 1)·T − binom(m + r, r − 1)."""
    if steps == 0:
        return 0
    r = sweeps(steps, slots)
    return (r + 1) * steps - (comb(slots + r, r - 1) if r else 0)


def count_graphs(steps: int, slots: int) -> int:
    """Forward computations of all steps with slots that hold graphs: those for states and one step more, without the
    last computation of each step."""
    r = sweeps(steps + 1, slots)
    return r * (steps + 1) - comb(slots + r, r - 1) if r else 0
