"""Where runs are: the run folders in a folder, the newest, a free name for a new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from unrolled.errors import RunError

_claims: dict[Path, list[Path]] = {}  # empty folder that this process made for a new run -> parents made for it


def find_runs(under: str | Path = "runs") -> list[Path]:
    """The run folders directly in `under`, the last written first."""
    found = [facts.parent for facts in Path(under).glob("[!.]*/run.json")]
    return sorted(found, key=lambda path: (last_written(path), path), reverse=True)


def newest(under: str | Path = "runs") -> Path:
    """The run in `under` that was last written to. Raises RunError where there is none."""
    found = find_runs(under)
    if not found:
        raise RunError(f"There is no run under {under}/ here. Name a run's folder, or train one: unroll train FILE")
    return found[0]


def unused_path(name: str, under: str | Path = "runs") -> Path:
    """`under/name`, or the first of name-2, name-3, … that does not exist yet."""
    return next(path for path in _numbered(name, under) if not path.exists())


def free_path(name: str, under: str | Path = "runs") -> Path:
    """As `unused_path`, and makes this folder, empty: another process or thread that looks now gets the next number.
    `give_up` removes it where no run comes of it. Where it cannot be made, the creation of the run says why."""
    return next(path for path in _numbered(name, under) if _claim(path))


def give_up(path: Path) -> None:
    """Removes a folder that `free_path` made, and the parents made for it, where they are empty. Of a run it only
    forgets that it was made so; other folders stay."""
    target = path.resolve()
    if target not in _claims:
        return
    for folder in (target, *_claims.pop(target)):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _numbered(name: str, under: str | Path) -> Iterator[Path]:
    yield Path(under) / name
    yield from (Path(under) / f"{name}-{number}" for number in count(2))


def _claim(path: Path) -> bool:
    """Whether no other run has the path."""
    target = path.resolve()
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return not path.parent.is_dir()  # the parent is a file
    except OSError:
        return True
    _claims[target] = missing
    return True


def last_written(run: Path) -> float:
    """When a run was last written to, in seconds since 1970; 0 where that is unknown."""
    return max((_stat(run / name, "st_mtime") for name in ("run.json", "log.jsonl")), default=0)


def bytes_of(run: Path) -> int:
    """Bytes of a run's files. A training may replace and remove some of them meanwhile."""
    return int(sum(_stat(Path(here, name), "st_size") for here, _, names in os.walk(run) for name in names))


def _stat(path: Path, figure: str) -> float:
    try:
        return float(getattr(path.lstat(), figure))
    except OSError:
        return 0.0
