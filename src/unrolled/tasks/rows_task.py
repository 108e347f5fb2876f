"""What the tasks on rows of a table share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from unrolled.data.dataset.dataset import Examples
from unrolled.data.tables.base import TableFile
from unrolled.options import TableSettings
from unrolled.tasks.base import Task
from unrolled.tasks.dataset import (
    as_one_split,
    facts_of_rows,
    is_augmented,
    known_of,
    read_task_examples,
    tables_of_rows,
)
from unrolled.tasks.image_features import cache_faults, features_note, save_features
from unrolled.training.planning_rows import TableSize, plan_row_minutes, plan_row_steps

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.plan import Plan

FEATURES_SHARE = 0.4  # largest share of a budget for the baseline where features of images are computed for it
PLANNED_ROWS = 200  # training rows from whose lengths a plan is made


class RowTask(Task):
    """A task on rows of a table. A subclass is final."""

    data = "table"
    examples: Examples
    settings: TableSettings

    @classmethod
    @abstractmethod
    def of_examples(cls, examples: Examples, settings: Any, tables: Mapping[str, Any]) -> Self:
        """The task of a run, on these examples. tables: its vocabulary.json."""

    @classmethod
    def read_again(cls, path: Path, run: RunFolder) -> Self:
        settings: Any = run.settings
        return cls.of_examples(read_task_examples(path, settings, known_of(run)), settings, run.read_vocabulary())

    @classmethod
    def read_for_evaluation(cls, path: Path, run: RunFolder, settings: Any, opened: TableFile | None = None) -> Self:
        examples = read_task_examples(path, as_one_split(settings), known_of(run), measured=True, opened=opened)
        return cls.of_examples(examples, settings, run.read_vocabulary())

    @property
    def description(self) -> str:
        return self.examples.description

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.examples.fingerprints

    @property
    def unreadable(self) -> tuple[str, ...]:
        return self.examples.listed_unreadable

    @property
    def reading_note(self) -> str:
        return features_note(self.examples)

    @property
    def closing_notes(self) -> list[str]:
        return cache_faults(self.examples)

    @property
    def augmented(self) -> bool:
        """Whether training rows are augmented at random."""
        return is_augmented(self.examples, self.settings)

    def facts(self) -> dict[str, Any]:
        return facts_of_rows(self.examples)

    def tables(self) -> dict[str, Any]:
        return tables_of_rows(self.examples)

    def save_files(self, run: RunFolder) -> None:
        save_features(run, self.examples.featurizer)

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings, size = self.settings.trained_member_settings(), self._size()
        if seconds is None:
            return plan_row_steps(settings, size, device, threads)
        self._check_pace(size, device, threads, seconds)
        return plan_row_minutes(settings, size, device, threads, seconds)

    def _check_pace(self, size: TableSize, device: str, threads: int, seconds: float) -> None:
        """Raise OptionError if the requested net is too slow for a budget."""
        return

    @abstractmethod
    def _size(self) -> TableSize:
        """The properties of the examples that a plan depends on."""

    def _mean_steps(self) -> float:
        """Mean steps of a training row."""
        rows = self.examples.splits["training"][:PLANNED_ROWS].tolist()
        return float(np.mean([self.examples.encoded_steps(row) for row in rows]))
