"""The work after the last update of a training, and the seconds to reserve for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unrolled.tasks.language_modeling.ensemble import FITTED_LOGITS
from unrolled.tasks.record import ConclusionCost, ReadingLimits

if TYPE_CHECKING:
    from unrolled.tasks.base import Task
    from unrolled.training.plan import Clock

COPYING_TOKENS = 4_000_000  # a larger training text is searched for copies of the sample only at the end, and only
COPYING_SHARE = 0.02  # as much of it as this share of a budget in minutes allows, at
COPYING_SPEED = 30_000_000  # tokens per second
TEST_SLOWDOWN = 2.6  # the test split, one row, is slower by this factor than the validation split in batches
TEST_SHARE = 0.045  # of a budget, for the test split: with the n-gram's 3.5% and validations, at most 15%
FIT_SHARE = 0.03  # of a budget, for fitting an ensemble's weights, in addition
FIT_SECONDS = 1e-6  # per logit while weights are fitted, without the forward pass
MARGIN = 0.2  # seconds


@dataclass(frozen=True)
class Reserve:
    """The work at the end of a training and the seconds that it takes, by the measurements so far."""

    task: Task
    clock: Clock
    speed: float  # items per second of the last validation; infinite before the first
    cost: ConclusionCost
    validation_seconds: float  # seconds of a validation, with its sample and checkpoint

    @property
    def seconds(self) -> float:
        """The seconds for the last validation, the test split, writing files, and the exit."""
        test = self.limits.test * self._seconds_per_test_item
        fitting = self.limits.fit * self._seconds_per_fitted_item if self.cost.ensemble else 0.0
        large = self.task.memorisable > COPYING_TOKENS
        copying = self.limits.memorisation / COPYING_SPEED if large else 0.0  # else it is part of each validation
        ranking = min(self.task.ranked_items, self.task.items("validation")) * self._seconds_per_item
        scoring = fitting + test + ranking + copying
        return self.clock.exit_seconds + MARGIN + self.validation_seconds + scoring + self.cost.seconds

    @property
    def limits(self) -> ReadingLimits:
        """The number of items that the budget allows for each job."""
        test = self.task.items("test")
        fit = min(self.task.items("validation"), max(1000, FITTED_LOGITS // self.task.vocabulary_size))
        copying = self.task.memorisable
        budget = self.clock.budget
        if budget is not None:
            fit = min(fit, max(1000, int(FIT_SHARE * budget / self._seconds_per_fitted_item)))
            copying = min(copying, max(COPYING_TOKENS, int(COPYING_SHARE * budget * COPYING_SPEED)))
            if math.isfinite(self.speed):
                test = min(test, max(2_000, int(TEST_SHARE * budget / self._seconds_per_test_item)))
        return ReadingLimits(test, fit, copying)

    @property
    def _seconds_per_item(self) -> float:
        """Of an item in a batch of one row, for the net or the ensemble with it."""
        return TEST_SLOWDOWN / self.speed + (self.cost.ensemble or 0.0)

    @property
    def _seconds_per_test_item(self) -> float:
        """The test split is processed by an ensemble and by its members."""
        return self._seconds_per_item * (2 if self.cost.ensemble else 1)

    @property
    def _seconds_per_fitted_item(self) -> float:
        return self._seconds_per_item + FIT_SECONDS * self.task.vocabulary_size
