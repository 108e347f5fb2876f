"""Where runs are: the run folders in a folder, the newest, a free name for a new one."""

from __future__ import annotations

import os
from pathlib import Path

from unrolled.errors import RunError


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


def free_path(name: str, under: str | Path = "runs") -> Path:
    """`under/name`, or the first of name-2, name-3, … that does not exist yet."""
    path, number = Path(under) / name, 1
    while path.exists():
        number += 1
        path = Path(under) / f"{name}-{number}"
    return path


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
