"""When to read again and what to keep: the optimal schedules of an exact gradient in so many slots.

Two kinds of slot. One that holds a state costs little, and a step is read once more when its turn to go back
comes. One that holds a graph, all that a step's way back needs, spares that last reading.
(Griewank & Walther 2000; Gruslys et al. 2016, arXiv 1606.03401.)
"""

from __future__ import annotations

from math import comb


def sweeps(steps: int, slots: int) -> int:
    """r: how often a step is read at most, so that `steps` ≤ binom(slots + r, slots)."""
    r = 0
    while comb(slots + r, slots) < steps:
        r += 1
    return r


def split_states(steps: int, slots: int) -> int:
    """How many of `steps` steps to read on before the next state is kept; both at least 2, slots count the first."""
    r = sweeps(steps, slots)
    least = comb(slots + r - 2, slots) if r >= 2 else 1
    return max(1, least, steps - comb(slots - 1 + r, slots - 1))


def split_graphs(steps: int, slots: int) -> int:
    """Which of `steps` steps, from 1, is the next whose graph is kept."""
    r = sweeps(steps + 1, slots)
    least = comb(slots + r - 2, slots) if r >= 2 else 1
    return max(1, least, steps + 1 - comb(slots - 1 + r, slots - 1))


def count_states(steps: int, slots: int) -> int:
    """Readings of a step with slots that hold states: (r + 1)·T − binom(m + r, r − 1)."""
    if steps == 0:
        return 0
    r = sweeps(steps, slots)
    return (r + 1) * steps - (comb(slots + r, r - 1) if r else 0)


def count_graphs(steps: int, slots: int) -> int:
    """Readings of a step with slots that hold graphs: as of states, one step longer, less the last reading."""
    r = sweeps(steps + 1, slots)
    return r * (steps + 1) - comb(slots + r, r - 1) if r else 0
