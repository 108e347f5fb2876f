"""How much is read once the updates of a training are done, and the seconds to keep for that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unrolled.tasks.language_modeling.ensemble import FITTED_LOGITS
from unrolled.tasks.record import ConclusionCost, ReadingLimits

if TYPE_CHECKING:
    from unrolled.tasks.base import Subject
    from unrolled.training.plan import Clock

COPYING_SYMBOLS = 4_000_000  # a larger training text is looked through at the end alone,
COPYING_SHARE = 0.02  # and as much of it as this share of a budget in minutes has time for,
COPYING_SPEED = 30_000_000  # at so many tokens a second
ONE_ROW = 2.6  # times slower is reading the test split, one row, than the validation split's rows side by side
TEST_SHARE = 0.045  # of a budget, for the test split: with the n-gram's 3.5% and validations, at most 15%
FIT_SHARE = 0.03  # of it, for fitting an ensemble's weights, which comes on top
FIT_SECONDS = 1e-6  # that a logit takes while weights are fitted, beside its reading
LEAVING = 0.2  # seconds, for what is not foreseen


@dataclass(frozen=True)
class Reserve:
    """What the end of a training reads, and the seconds that it takes, as far as they are known."""

    subject: Subject
    clock: Clock
    speed: float  # items per second of the last validation; endless before the first
    cost: ConclusionCost
    validating: float  # seconds that a validation takes, with its sample and checkpoint

    @property
    def seconds(self) -> float:
        """For the last validation, the test split, what is written, and the exit."""
        test = self.limits.test * self._seconds_a_test_item
        fitting = self.limits.fit * self._seconds_a_fitted_item if self.cost.ensemble else 0.0
        large = self.subject.copyable > COPYING_SYMBOLS
        copying = self.limits.memorisation / COPYING_SPEED if large else 0.0  # else each validation has a share of it
        ranking = min(self.subject.ranked, self.subject.items("validation")) * self._seconds_an_item
        reading = fitting + test + ranking + copying
        return self.clock.ending + LEAVING + self.validating + reading + self.cost.seconds

    @property
    def limits(self) -> ReadingLimits:
        """How much the budget allows to read."""
        test = self.subject.items("test")
        fit = min(self.subject.items("validation"), max(1000, FITTED_LOGITS // self.subject.kinds))
        copying = self.subject.copyable
        budget = self.clock.budget
        if budget is not None:
            fit = min(fit, max(1000, int(FIT_SHARE * budget / self._seconds_a_fitted_item)))
            copying = min(copying, max(COPYING_SYMBOLS, int(COPYING_SHARE * budget * COPYING_SPEED)))
            if math.isfinite(self.speed):
                test = min(test, max(2_000, int(TEST_SHARE * budget / self._seconds_a_test_item)))
        return ReadingLimits(test, fit, copying)

    @property
    def _seconds_an_item(self) -> float:
        """In one row, for the net or the ensemble that it is part of."""
        return ONE_ROW / self.speed + (self.cost.ensemble or 0.0)

    @property
    def _seconds_a_test_item(self) -> float:
        """The test split is read by an ensemble and by its parts."""
        return self._seconds_an_item * (2 if self.cost.ensemble else 1)

    @property
    def _seconds_a_fitted_item(self) -> float:
        return self._seconds_an_item + FIT_SECONDS * self.subject.kinds
