"""The pace of a training, and what depends on it: early reports, the number of updates, the number of threads."""

from __future__ import annotations

import math
from dataclasses import replace

from unrolled.training.plan import Clock, Plan, is_tuned, replan

LATE = 2.0  # times the expected seconds, after which a report comes early, to plan again
BUSY = 1.7  # times the best pace, above which another process is busy, and fewer threads are faster
REPORTS_UNTIL_RETRY = 10  # with fewer threads, before all are tried again
TRIAL_SHARE = 0.04  # of the time left, at most, for trying all threads again
TRIED_UPDATES = 20  # updates that must fit into that time: one may take many times as long
TOLERANCE = 0.01  # share of the time left by which a plan may miss the end before it is replaced, or
LEAST_OFF = 0.3  # seconds
NEWEST = 0.3  # weight of the newest measurement in the pace


class Pacer:
    """Measures the pace of updates, and plans from it the number of updates and threads."""

    def __init__(self, clock: Clock, most_threads: int | None) -> None:
        """most_threads: half of them are used where another process is busy; None: always the plan's."""
        self.clock, self.most_threads = clock, most_threads or 1
        self.pace = 0.0  # recent seconds per update; 0 while unknown
        self._since: tuple[float, int, int] | None = None  # time, step and items at the last report
        self._best_pace = math.inf
        self._paces: dict[int, float] = {}  # by number of threads
        self._reports_until_retry = REPORTS_UNTIL_RETRY
        self._tuned = False  # whether updates train a pretrained net too, which takes longer
        self._trial_seconds: float | None = None  # seconds until an early report while all threads are tried again

    def start(self, step: int, items: int) -> None:
        """Starts timing updates, at `step` and after `items` items."""
        self._since = self.clock.now(), step, items

    def measure(self, step: int, items: int) -> float:
        """Records the pace since the last `start`; returns items per second, 0 before the first `start`."""
        if self._since is None:
            return 0.0
        started, first, before = self._since
        seconds = self.clock.now() - started
        if step > first > 0:  # the first updates are slower: they allocate memory
            pace = seconds / (step - first)
            self.pace = pace if not self.pace else (1 - NEWEST) * self.pace + NEWEST * pace
        return (items - before) / max(1e-9, seconds)

    def is_late(self, plan: Plan) -> bool:
        """Whether the updates since the last report take much longer than expected."""
        if not self.pace or self._since is None:
            return False
        seconds = self.clock.now() - self._since[0]
        if self._trial_seconds is not None and seconds > self._trial_seconds:
            return True
        return seconds > LATE * plan.report_every * self.pace

    def replan(self, plan: Plan, step: int, left: float, validating: float) -> Plan | None:
        """A plan for `left` seconds from `step` on; None while the current one fits.

        validating: seconds of a validation.
        """
        if step == 0 or not self.pace:
            return None
        if is_tuned(plan, step) != self._tuned:
            self._tuned, self.pace, self._best_pace, self._paces = not self._tuned, 0.0, math.inf, {}
            return None
        threads = self._choose_threads(plan)
        self.pace = self._paces.get(threads, self.pace)
        validations = max(0.0, (plan.steps - step) / plan.validate_every)
        updating = max(left - validations * validating, left / 2)
        steps = step + max(1, int(updating / self.pace))
        steps = steps if plan.max_updates is None else min(steps, plan.max_updates)
        off = abs(steps - plan.steps) * self.pace
        if threads == plan.threads and off <= max(LEAST_OFF, TOLERANCE * abs(left)):
            return None
        return replace(replan(plan, step, steps, "pace"), threads=threads)

    def _choose_threads(self, plan: Plan) -> int:
        """The number of threads: fewer are faster where another process is busy, as threads wait for each other."""
        most, few = self.most_threads, self.most_threads // 2
        if most == 1:
            return plan.threads
        self._paces[plan.threads] = self.pace
        self._trial_seconds = None
        if plan.threads < most:
            self._reports_until_retry -= 1
            trial = TRIAL_SHARE * self.clock.left
            if self._reports_until_retry > 0 or trial < TRIED_UPDATES * self.pace:
                return plan.threads
            self._trial_seconds = trial
            return most
        best = min(self._paces.get(few, math.inf), BUSY * self._best_pace)
        self._best_pace = min(self._best_pace, self.pace)
        if self.pace <= best:
            return most
        self._reports_until_retry = REPORTS_UNTIL_RETRY
        return few
