"""From a run's folder to a run that predicts."""

from __future__ import annotations

from functools import partial
from os import PathLike

from unrolled.environment import find_device
from unrolled.given import as_path, as_whole
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.locations import newest
from unrolled.tasks.base import Task
from unrolled.tasks.resolve import read_again, read_for_evaluation
from unrolled.tasks.run import Data, Run
from unrolled.tasks.table import TASKS


def load(path: str | PathLike[str] | None = None, device: str = "auto", threads: int | None = None) -> Run:
    """The run in a folder (None: the newest under runs/), of its task's class. Raises RunError for a damaged run and
    a folder without one.

    threads: at most this many, and never more than there are cores; None: the number that is faster now.
    """
    threads = as_whole("--threads", threads, 1)
    folder = RunFolder.open(newest() if path is None else as_path(path, "A run"))
    task = TASKS[folder.facts["kind"]]
    return task.run(folder, partial(_read_for, folder), find_device(device), threads)


def _read_for(folder: RunFolder, data: Data | None, skip_empty: bool) -> Task:
    """The data to evaluate a run on: its own data, or all of other data as one split."""
    if data is None:
        return read_again(folder)
    return read_for_evaluation(folder, data, skip_empty)
