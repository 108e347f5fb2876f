"""When work has to end: what every fit, resampling, validation and evaluation asks inside its loops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Stopped(BaseException):
    """A stop was asked for while something was computed: what is half done is given up, and training ends tidily.

    Like KeyboardInterrupt it is no Exception: who catches errors of a fit does not catch it.
    """


class Deadline:
    """How many seconds are left, and whether a stop was asked for. Whoever works in a loop asks `passed` there.

    What a passed deadline cuts short is whole, but smaller: fewer iterations, fewer rows, fewer draws.
    """

    def __init__(
        self,
        seconds: float | None = None,
        stopped: Callable[[], bool] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: from now on; None: endless. stopped: whether a stop was asked for."""
        self._now, self._stopped = now, stopped
        self._until = math.inf if seconds is None else now() + seconds

    @property
    def left(self) -> float:
        """Seconds until then, below 0 once they are over; endless without a limit."""
        return self._until - self._now()

    @property
    def endless(self) -> bool:
        """Whether there is no limit: then results depend on no clock."""
        return self._until == math.inf

    def passed(self) -> bool:
        """Whether the time is over. Raises Stopped where a stop was asked for."""
        self.check()
        return self._now() >= self._until

    def check(self) -> None:
        """Raises Stopped where a stop was asked for."""
        if self._stopped is not None and self._stopped():
            raise Stopped

    def within(self, seconds: float) -> Deadline:
        """One that comes in so many seconds, or with this one; endless where this one is."""
        return self if self.endless else Deadline(min(seconds, self.left), self._stopped, self._now)

    def share(self, part: float) -> Deadline:
        """One that comes when this part of what is left is over."""
        return self.within(part * max(0.0, self.left)) if not self.endless else self


ENDLESS = Deadline()
"""No limit, and nobody who may ask for a stop."""
