"""The estimated time of a comparison: from a few timed updates of each model, then from the trainings themselves."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from unrolled.compare.cells import NO_BPTT, ComparisonCell, train_settings
from unrolled.compare.diagnosing import TEST_BATCHES, VALIDATION_BATCHES, VALIDATIONS, options_and_size
from unrolled.compare.streaming import STEPS
from unrolled.compare_options import CompareSettings
from unrolled.data import Corpus
from unrolled.environment import find_device
from unrolled.options import TrainOptions
from unrolled.run.reserve import TEST_SLOWDOWN
from unrolled.tasks.language_modeling.task import size_of_text
from unrolled.threads import threads_for
from unrolled.training.measure import rehearse_language, seconds_per_update
from unrolled.training.plan import Plan
from unrolled.training.planning import PROBED_SIZE, TextSize, plan_of_size, plan_steps

START_SECONDS = 4.0  # seconds in which a training's process starts and reads a short text
REACH_SECONDS = 12.0  # seconds that measuring the reach takes, about
STREAM_SECONDS = 2.0  # seconds of timing its model step by step at the end
NGRAM_TOKENS_PER_SECOND = 80_000  # tokens that an n-gram counts and scores per second
FORWARD = 1 / 3  # of an update: the forward pass


class Forecast:
    """The estimated seconds of a comparison's cells. `data` is a text's corpus, or a task's name."""

    def __init__(self, settings: CompareSettings, sizes: dict[str, tuple[int, int]], data: Corpus | str) -> None:
        self.settings, self.sizes, self.data = settings, sizes, data
        self._estimates: dict[tuple[str, str, int | None], float] = {}
        self._estimated = self._taken = 0.0  # seconds of the finished cells

    def in_all(self, cells: list[ComparisonCell]) -> str:
        """The time of these cells as the end of a sentence, ", about 35 min in all"; "" for none."""
        return f", about {_duration(self._seconds(cells))} in all" if cells else ""

    def remaining(self, cells: list[ComparisonCell]) -> str:
        """The time of the remaining cells, corrected by that of finished ones; "" for the last cell."""
        return f"; about {_duration(self._seconds(cells))} left in all" if len(cells) > 1 else ""

    def record(self, cell: ComparisonCell, seconds: float) -> None:
        """Records the seconds that a cell took."""
        self._estimated += self._of(cell)
        self._taken += seconds

    def _seconds(self, cells: list[ComparisonCell]) -> float:
        factor = self._taken / self._estimated if self._estimated else 1.0
        return factor * sum(map(self._of, cells))

    def _of(self, cell: ComparisonCell) -> float:
        """Seconds of a cell, equal for all seeds."""
        key = (cell.model, cell.bptt, cell.lag)
        if key not in self._estimates:
            data = self.data
            self._estimates[key] = self._of_task(cell, data) if isinstance(data, str) else self._of_text(cell, data)
        return self._estimates[key]

    @cached_property
    def _machine(self) -> tuple[str, int]:
        return find_device(self.settings.device), threads_for(self.settings.threads)

    def _of_task(self, cell: ComparisonCell, task: str) -> float:
        options, size = options_and_size(task, cell, self.settings)
        if options.steps is None:
            return 60 * (options.minutes or 0)  # the maximum: it ends once it makes no mistakes
        plan = replace(plan_steps(options, size, *self._machine), precision="float32")
        validated = FORWARD * (min(VALIDATIONS, plan.steps) * VALIDATION_BATCHES + TEST_BATCHES)
        return (plan.steps + validated) * seconds_per_update(plan, rehearse_language(size.tokens))

    def _of_text(self, cell: ComparisonCell, corpus: Corpus) -> float:
        """Training, then the validation split and a stream in one row, the reach, and the timing of steps."""
        text, validation = size_of_text(corpus), corpus.targets("validation")
        counting = corpus.targets("training") / NGRAM_TOKENS_PER_SECOND
        measuring = START_SECONDS + REACH_SECONDS + STREAM_SECONDS
        if cell.bptt == NO_BPTT:
            return counting + measuring
        options = train_settings(self.settings, cell, self.sizes)
        plan = self._plan(options.trained_member_settings(), text)
        pace = seconds_per_update(plan, rehearse_language(text.tokens))
        reading = FORWARD * TEST_SLOWDOWN * pace / (plan.batch_size * plan.window)  # seconds per token
        if options.steps is None:
            training = 60 * (options.minutes or 0)
        else:
            validations = 1 + plan.steps // plan.validate_every
            training = plan.steps * pace + validations * reading * min(validation, plan.validation) + counting
        return training + measuring + reading * (validation + STEPS[-1])

    def _plan(self, options: TrainOptions, text: TextSize) -> Plan:
        if options.steps is not None:
            return plan_steps(options, text, *self._machine)
        units = options.hidden_size or PROBED_SIZE
        return plan_of_size(options, text, *self._machine, units, options.layers or 1, text.training)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
