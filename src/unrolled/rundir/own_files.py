"""The files of a run, by name: what tells a run's folder, or one of runs, and that no file leads elsewhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unrolled.errors import command
from unrolled.opening import check_own, check_own_folder

FILES = (
    "run.json", "plan.jsonl", "log.jsonl", "samples.txt", "symbols.json", "model.safetensors", "ngram.safetensors",
    "linear.safetensors", "data.txt", "reach.json", "lock",
)  # fmt: skip
TRACES = ("plan.jsonl", "symbols.json", "checkpoint", "model.safetensors")  # two of them are a run's, or were
FOLDS, COMPARISON = "folds.json", "compare.json"  # beside runs that were trained together


def is_run(path: str | Path) -> bool:
    """Whether a path is to be taken for a run's folder: it has a run.json, or is what is left of a run."""
    return os.path.lexists(Path(path) / "run.json") or has_traces(path)


def has_traces(path: str | Path) -> bool:
    """Whether files stand at `path` that only a run has, its run.json aside."""
    return sum(os.path.lexists(Path(path) / name) for name in TRACES) > 1


def runs_held(path: str | Path) -> str:
    """What a folder that is no run, but holds some, is and how they are listed; "" for any other folder. Folds and
    comparisons are known by runs or results beside their file: data may have files of these names. Of other folders
    more than half is runs."""
    folder, below = Path(path), Path(path) / "runs"
    held, page = _count(below)[0], folder / "page.html"
    if os.path.lexists(folder / COMPARISON) and (held or os.path.lexists(folder / "results.jsonl")):
        shown = f"its page is {page}" if os.path.lexists(page) else "it has no page yet"
        listed = f"; `{command('runs', '--under', below)}` lists its runs" if held else ""
        return f"{path} is a comparison: {shown}{listed}."
    runs, entries = _count(folder)
    folds = os.path.lexists(folder / FOLDS)
    if runs and (folds or 2 * runs > entries):
        what = "fold" if folds else "run"
        lists = f"`{command('runs', '--under', folder)}` lists {'it' if runs == 1 else 'them'}"
        return f"{path} holds {runs:,} {what}{'s' if runs > 1 else ''}; {lists}."
    return ""


def _count(folder: Path) -> tuple[int, int]:
    """How many runs stand in a folder, and how many files and folders that are not hidden; none where it is none."""
    runs = entries = 0
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith("."):
                entries += 1
                runs += entry.is_dir() and has_traces(entry.path)
    return runs, entries


def check_files(path: Path) -> None:
    """Raises RunError where a file of a run is anything but a plain file of its own, or a folder is a link."""
    for name in FILES:
        check_own(path / name)
    if check_own_folder(path / "checkpoint"):
        for entry in (path / "checkpoint").iterdir():
            check_own(entry)
