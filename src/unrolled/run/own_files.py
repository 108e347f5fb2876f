"""The files of a run, by name: what tells a run's folder, and that none of them leads elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from unrolled.opening import check_own, check_own_folder

FILES = (
    "run.json", "plan.jsonl", "log.jsonl", "samples.txt", "symbols.json", "model.safetensors", "ngram.safetensors",
    "linear.safetensors", "data.txt", "reach.json", "lock",
)  # fmt: skip
TRACES = ("plan.jsonl", "symbols.json", "checkpoint", "model.safetensors")  # two of them are a run's, or were


def is_run(path: str | Path) -> bool:
    """Whether a path is to be taken for a run's folder: it has a run.json, or is what is left of a run."""
    return os.path.lexists(Path(path) / "run.json") or has_traces(path)


def has_traces(path: str | Path) -> bool:
    """Whether files stand at `path` that only a run has, its run.json aside."""
    return sum(os.path.lexists(Path(path) / name) for name in TRACES) > 1


def check_files(path: Path) -> None:
    """Raises RunError where a file of a run is anything but a plain file of its own, or a folder is a link."""
    for name in FILES:
        check_own(path / name)
    if check_own_folder(path / "checkpoint"):
        for entry in (path / "checkpoint").iterdir():
            check_own(entry)
