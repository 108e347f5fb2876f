"""Trainings of a demo, in a folder that is removed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unrolled.run import Run, Training, load


@contextmanager
def training_of(data: Any, **options: Any) -> Iterator[Training]:
    """A training on data in memory with options of `unrolled.train`.

    Nets of demos are small, so one thread is as fast as several, and figures do not depend on the machine's cores.
    """
    with TemporaryDirectory(prefix="unrolled-demo-") as folder:
        yield Training(data, out=str(Path(folder, "run")), threads=1, device="cpu", **options)


@contextmanager
def trained(data: Any, **options: Any) -> Iterator[Run]:
    """The run of such a training, at its end."""
    with training_of(data, **options) as training:
        for _ in training:
            pass
        yield load(training.folder, device="cpu", threads=1)
