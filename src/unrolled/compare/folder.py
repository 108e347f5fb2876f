"""The folder of a comparison: compare.json, which identifies it, and results.jsonl, with a line per training.

A folder made by an older version is converted.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled import fileio
from unrolled.compare.cells import ComparisonCell
from unrolled.compare_options import CompareSettings
from unrolled.data import DIAGNOSTICS
from unrolled.errors import OptionError, RunError
from unrolled.escaping import folder_name
from unrolled.opening import check_no_link, check_parents
from unrolled.rundir.formats import COMPARISON_FORMAT, upgraded_bptt, upgraded_comparison, upgraded_result
from unrolled.rundir.own_files import COMPARISON

RESULTS, RUNS = "results.jsonl", "runs"
OTHER = "Give another folder: --out OTHER"
LINE_CURE = f"Take that line out; its cell is trained again. {OTHER}"


def find_folder(data: str, settings: CompareSettings, under: str | Path = "compare") -> Path:
    """The folder of a comparison: the one of --out, that of an earlier run of the same comparison, or a new one."""
    if settings.out:
        return Path(settings.out)
    name = data if data in DIAGNOSTICS else folder_name(Path(data).resolve().stem) or "data"
    for number in range(1, 10_000):
        path = Path(under) / (name if number == 1 else f"{name}-{number}")
        facts = path / COMPARISON
        if not path.exists() or (facts.exists() and read_comparison_facts(facts) == comparison_facts(data, settings)):
            return path
    raise OptionError(f"{under}/{name} and 9,999 more folders exist. Give a folder with --out.")


def comparison_facts(data: str, settings: CompareSettings) -> dict[str, Any]:
    """The facts that identify a comparison, as in compare.json."""
    path = data if data in DIAGNOSTICS else str(Path(data).resolve())
    return {"format": COMPARISON_FORMAT, "data": path, "options": replace(settings, out=None).to_json()}


def read_comparison_facts(path: Path) -> dict[str, Any]:
    """The facts in a compare.json, with today's names; options that an older one lacks get their defaults."""
    found = fileio.read_json(path, OTHER)
    facts = upgraded_comparison(found) if isinstance(found, dict) else {}
    if not isinstance(facts.get("options"), dict):
        raise RunError(f"{path} is damaged: it has no options. {OTHER}")
    if isinstance(number := facts.get("format"), int) and number > COMPARISON_FORMAT:
        raise RunError(
            f"{path} was made by a newer unrolled: it has format {number}; this one reads {COMPARISON_FORMAT}.\n"
            f"Use the newer one. {OTHER}"
        )
    return facts | {"format": COMPARISON_FORMAT, "options": CompareSettings().to_json() | facts["options"]}


def make_folder(path: Path, facts: dict[str, Any]) -> None:
    """Makes the folder of the comparison that `facts` identify, or checks that an existing one belongs to it, and
    converts it if it is older.

    Raises RunError where the folder is a link, has other files, or belongs to another comparison.
    """
    file = path / COMPARISON
    check_parents(path)
    check_no_link(path, "--out")
    if file.exists():
        if read_comparison_facts(file) != facts:
            raise RunError(
                f"{path} is another comparison's folder: its data, models or options differ.\n"
                f"To resume it, give the same data and options as before. {OTHER}"
            )
        if fileio.read_json(file, OTHER).get("format") != COMPARISON_FORMAT:
            _upgrade(path, facts)
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path} exists and is not the folder of a comparison. {OTHER}")
    else:
        path.mkdir(parents=True, exist_ok=True)
        fileio.write_json(file, facts)


def read_results(folder: Path) -> dict[ComparisonCell, dict[str, Any]]:
    """The results so far. Failed cells are left out, so that they are tried again.

    Raises RunError for a damaged line; a line that a kill cut off is removed.
    """
    path = folder / RESULTS
    if not path.exists():
        return {}
    fileio.cut_incomplete_line(path)
    results: dict[ComparisonCell, dict[str, Any]] = {}
    for number, line in enumerate(fileio.read_json_lines(path, LINE_CURE), start=1):
        try:
            cell, result = ComparisonCell(**line["cell"]), dict(line["result"])
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{path}, line {number}, is damaged: not the result of a training. {LINE_CURE}") from None
        results[cell] = result
    return {cell: result for cell, result in results.items() if "failed" not in result}


def append_result(folder: Path, cell: ComparisonCell, result: dict[str, Any]) -> dict[str, Any]:
    """Adds the result of a cell to results.jsonl; returns it as it will be read back: nan is null."""
    line = fileio.to_json({"cell": cell.key, "result": result})
    fileio.append_line(folder / RESULTS, line, sync=True)
    stored: dict[str, Any] = json.loads(line)["result"]
    return stored


def _upgrade(path: Path, facts: dict[str, Any]) -> None:
    """Converts the files of an older comparison, compare.json last, so that an interrupted conversion is repeated.
    Its runs are converted when they are opened; a run whose name contains its BPTT strategy is renamed with it."""
    file, runs = path / RESULTS, path / RUNS
    if file.exists():
        fileio.cut_incomplete_line(file)
        lines = fileio.read_json_lines(file, LINE_CURE)
        upgraded = [upgraded_result(line) if isinstance(line, dict) else line for line in lines]
        fileio.write_atomically(file, "".join(fileio.to_json(line) + "\n" for line in upgraded).encode())
    for run in sorted(runs.iterdir()) if runs.is_dir() else ():
        name = upgraded_bptt(run.name)
        if name != run.name and not (runs / name).exists():
            run.rename(runs / name)
    fileio.write_json(path / COMPARISON, facts)
