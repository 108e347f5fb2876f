"""Trains one cell of a comparison in a process of its own, which is `child.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path

from unrolled import fileio
from unrolled.compare.measuring import last_report
from unrolled.errors import DONE, WRONG_INPUT, InputError, TrainingError
from unrolled.interrupts import STOPPED
from unrolled.options import TrainOptions

PAUSE = 0.5  # seconds between polls of a training
CHILD = [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "unrolled.compare.child"]
"""The command of the process: with -P, a file torch.py in the working folder is not imported."""


def train_in_process(data: str, options: TrainOptions, path: Path) -> Generator[str, None, int]:
    """Trains to the end, yields lines of progress, and returns the peak memory of the process in bytes.

    path: the run's folder. A run that is already there is resumed. Where the iteration is given up, the process is
    asked to end tidily. Raises InputError, TrainingError or KeyboardInterrupt, as the training ended.
    """
    with ExitStack() as stack:
        request, result, errors = (
            stack.enter_context(fileio.temporary_file("the output of a training")) for _ in range(3)
        )
        facts = {"data": data, "settings": options.to_json(), "parent": os.getpid()}
        request.write(json.dumps(facts).encode())
        request.seek(0)
        child = subprocess.Popen(CHILD, stdin=request, stdout=result, stderr=errors)
        try:
            while child.poll() is None:
                try:
                    child.wait(PAUSE)
                except subprocess.TimeoutExpired:
                    yield last_report(path)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
        errors.seek(0)
        result.seek(0)
        check_ending(child.returncode, errors.read().decode(errors="replace").strip().splitlines())
        return int(json.loads(result.read())["peak_bytes"])


def check_ending(code: int, lines: Sequence[str]) -> None:
    """Raises the error of a training's process. code: its exit code; lines: its standard error."""
    if code == WRONG_INPUT:
        raise InputError("\n".join(lines))
    if code == STOPPED:
        raise KeyboardInterrupt
    if code != DONE:
        raise TrainingError(lines[-1] if lines else f"its process ended with exit code {code}")
