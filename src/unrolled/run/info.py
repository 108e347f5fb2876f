"""Describes data and the plan of a training on them, without training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from unrolled.environment import find_device
from unrolled.errors import OptionError
from unrolled.fileio import no_space_error, temporary_file
from unrolled.given import as_path
from unrolled.memory import register_named
from unrolled.options import TrainOptions
from unrolled.registry import UNTRAINED
from unrolled.run.starting import plan_in_time
from unrolled.tasks.resolve import resolve
from unrolled.threads import threads_for, torch_threads

OPEN_FILES = Path("/proc/self/fd")  # where Linux lists this process's open files, which can be opened once more


def info_data(path: str | Path, options: TrainOptions | None = None) -> dict[str, Any]:
    """A description of the data at a path, as a dict for JSON; with a budget in `options`, also the plan."""
    path, options = as_path(path), TrainOptions.from_call(options, {})
    options.check()
    register_named(options.model)
    planned = options.steps is not None or options.minutes is not None
    if planned and options.model in UNTRAINED:
        name, how = UNTRAINED[options.model]
        raise OptionError(
            f"The {name} has no plan: it is {how}, not trained. Leave out --minutes or --model {options.model}."
        )
    with temporary_path() if str(path) == "-" else nullcontext() as copy:
        task = resolve(path, options, kept=copy)
    facts = {"path": str(path), "description": task.description, **task.facts()}
    device, threads = find_device(options.device), threads_for(options.threads)
    if planned:
        seconds = None if options.minutes is None else 0.85 * 60 * options.minutes
        with torch_threads(threads):
            plan, why = plan_in_time(task, options, device, threads, seconds)
        facts["plan"] = {"model": task.fallback_model, "why": why} if plan is None else plan.to_json()
    return facts


@contextmanager
def temporary_path() -> Iterator[Path]:
    """A path to a temporary file that is removed afterwards, on Linux (by /proc) even after a kill. Raises
    TrainingError where there is no room."""
    what = "standard input"
    if OPEN_FILES.is_dir():
        with temporary_file(what) as file:
            yield OPEN_FILES / str(file.fileno())
        return
    try:
        directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        raise no_space_error(what, error) from None
    with directory as folder:
        yield Path(folder, "input.txt")
