"""Deadlines: every fit, resampling, validation and evaluation checks one inside its loops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Stopped(BaseException):
    """A stop was requested during a computation: the computation is abandoned, and training ends tidily.

    Like KeyboardInterrupt, it is not an Exception, so handlers for the errors of a fit do not catch it.
    """


class Deadline:
    """The remaining seconds, and whether a stop was requested. A loop of work calls `passed`.

    Work that a deadline shortens still gives a complete result, of fewer iterations, rows or draws.
    """

    def __init__(
        self,
        seconds: float | None = None,
        stopped: Callable[[], bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: from now on; None: no limit. stopped: returns whether a stop was requested."""
        self._now, self._stopped = now, stopped
        self._until = math.inf if seconds is None else now() + seconds

    @property
    def seconds_left(self) -> float:
        """The remaining seconds, below 0 after the deadline; infinite without a limit."""
        return self._until - self._now()

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit: then results do not depend on the clock."""
        return self._until == math.inf

    def passed(self) -> bool:
        """Whether the time is over. Raises Stopped where a stop was requested."""
        self.check()
        return self._now() >= self._until

    def check(self) -> None:
        """Raises Stopped where a stop was requested."""
        if self._stopped is not None and self._stopped():
            raise Stopped

    def within(self, seconds: float) -> Deadline:
        """A deadline in `seconds`, at the latest with this one; no limit where this one has none."""
        return self if self.unlimited else Deadline(min(seconds, self.seconds_left), self._stopped, self._now)

    def share(self, fraction: float) -> Deadline:
        """A deadline after this fraction of the remaining time; no limit where this one has none."""
        return self.within(fraction * max(0.0, self.seconds_left)) if not self.unlimited else self


UNLIMITED = Deadline()
"""No limit, and no stop can be requested."""
