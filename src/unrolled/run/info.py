"""What a path holds and what would be trained on it, with nothing spent but a look."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import OptionError
from unrolled.files import nameless_file, no_room
from unrolled.given import as_path
from unrolled.memory import bring_named
from unrolled.parts import UNTRAINED
from unrolled.run.asked import as_read, check_parts, keep_input, read_input, read_subject
from unrolled.run.building import find_device
from unrolled.settings import TrainSettings
from unrolled.threads import threads_for, torch_threads

OPENED = Path("/proc/self/fd")  # where Linux has this process's files, to be opened once more, from their beginning


def info_data(path: str | Path, settings: TrainSettings | None = None) -> dict[str, Any]:
    """What a path holds, in plain names; with a budget in `settings`, also the plan that it would get."""
    path, settings = as_path(path), TrainSettings.from_call(settings, {})
    settings.check()
    bring_named(settings.model)
    settings = as_read(path, settings)
    check_parts(settings)
    planned = settings.steps is not None or settings.minutes is not None
    if planned and settings.model in UNTRAINED:
        name, how = UNTRAINED[settings.model]
        raise OptionError(
            f"The {name} has no plan: it is {how}, not trained. Leave out --minutes or --model {settings.model}."
        )
    if str(path) == "-":
        with passing_path() as aside:
            subject = read_input(keep_input(aside, settings), settings)
    else:
        subject = read_subject(path, settings)
    facts = {"path": str(path), "description": subject.description, **subject.facts()}
    device, threads = find_device(settings.device), threads_for(settings.threads)
    if planned:
        seconds = None if settings.minutes is None else 0.85 * 60 * settings.minutes
        with torch_threads(threads):
            facts["plan"] = subject.make_plan(device, threads, seconds).to_json()
    return facts


@contextmanager
def passing_path() -> Iterator[Path]:
    """A path to a temporary file of which nothing is left. Where the system opens a file without a name once more, as
    Linux does by /proc, also not after a kill. Raises TrainingError where there is no room."""
    what = "standard input"
    if OPENED.is_dir():
        with nameless_file(what) as file:
            yield OPENED / str(file.fileno())
        return
    try:
        aside = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    except OSError as error:
        raise no_room(what, error) from None
    with aside as folder:
        yield Path(folder, "input.txt")
