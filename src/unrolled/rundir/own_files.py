"""The files of a run, by name: recognising run folders and folders of runs, and refusing everything else."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unrolled.errors import RunError, command
from unrolled.opening import CURE, check_plain_file, check_plain_folder
from unrolled.rundir.formats import OLD_VOCABULARY, VOCABULARY

FILES = (
    "run.json", "plan.jsonl", "log.jsonl", "samples.txt", VOCABULARY, OLD_VOCABULARY, "model.safetensors",
    "ngram.safetensors", "linear.safetensors", "features.safetensors", "retrieval.safetensors", "data.txt",
    "data.safetensors",    "reach.json", "lock",
)  # fmt: skip
TRACES = ("plan.jsonl", VOCABULARY, OLD_VOCABULARY, "checkpoint", "model.safetensors")  # two of them mark a run
LISTING_ADVICE = "`unroll runs` lists them."
FOLDS, COMPARISON = "folds.json", "compare.json"  # in folders of runs that were trained together


def is_run(path: str | Path) -> bool:
    """Whether a path is a run folder: it has a run.json or other files of a run."""
    return os.path.lexists(Path(path) / "run.json") or has_traces(path)


def has_traces(path: str | Path) -> bool:
    """Whether `path` has files that only a run has, other than run.json."""
    return sum(os.path.lexists(Path(path) / name) for name in TRACES) > 1


def runs_held(path: str | Path) -> str:
    """A message for a folder that holds runs, with the command to list them; "" for any other folder. Folds and
    comparisons need runs or results beside their file, since data may have files of these names. In other folders
    more than half of the entries must be runs."""
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
    """The number of runs in a folder, and of entries that are not hidden; 0 and 0 for anything but a folder."""
    runs = entries = 0
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith("."):
                entries += 1
                runs += entry.is_dir() and has_traces(entry.path)
    return runs, entries


def check_is_run(path: Path) -> None:
    """Raises RunError, with what is there instead, where `path` is not the folder of a run with plain files."""
    try:
        is_folder, exists = path.is_dir(), path.exists()
        if is_folder:
            check_files(path)
        has_facts = is_folder and check_plain_file(path / "run.json")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}. {LISTING_ADVICE}") from error
    if not is_folder:
        what = "is a file" if exists else "does not exist"
        raise RunError(f"{path} {what}; a run is a folder made by `unroll train`. {LISTING_ADVICE}")
    if has_facts:
        return
    if is_run(path):
        raise RunError(f"{path} is a damaged run: its run.json is missing. {CURE}")
    if held := runs_held(path):
        raise RunError(f"{path} is not a run: name one in it. {held}")
    raise RunError(f"{path} is not a run: it has no run.json. Name a folder made by `unroll train`. {LISTING_ADVICE}")


def check_files(path: Path) -> None:
    """Raises RunError where a file of a run is not a plain file, or a folder is a link."""
    for name in FILES:
        check_plain_file(path / name)
    if check_plain_folder(path / "checkpoint"):
        for entry in (path / "checkpoint").iterdir():
            check_plain_file(entry)
