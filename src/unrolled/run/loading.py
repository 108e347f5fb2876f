"""From a run's folder to a run that answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from unrolled.environment import find_device
from unrolled.given import as_path, as_whole
from unrolled.rundir.folder import RunFolder, newest
from unrolled.tasks.base import Subject
from unrolled.tasks.resolve import read_again, read_measured
from unrolled.tasks.run import Run
from unrolled.tasks.table import TASKS


def load(path: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Run:
    """The run in a folder (None: the newest under runs/), of its task. Raises RunError where it is none, or damaged.

    threads: on how many it answers, never more than there are cores; left out, what is faster on this machine now.
    """
    threads = as_whole("--threads", threads, 1)
    folder = RunFolder.open(newest() if path is None else as_path(path, "A run"))
    task = TASKS[folder.facts["kind"]]
    return task.run(folder, partial(_read_for, folder), find_device(device), threads)


def _read_for(folder: RunFolder, data: str | None, skip_empty: bool) -> Subject:
    """What a run is evaluated on: its own data once more, or what a path holds, all of it one part."""
    if data is None:
        return read_again(folder)
    return read_measured(folder, data, skip_empty)
