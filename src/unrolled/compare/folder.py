"""The folder of a comparison: compare.json, which identifies it, and results.jsonl, with a line per training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled import fileio
from unrolled.compare.cells import Cell
from unrolled.compare_options import CompareSettings
from unrolled.data import TASKS
from unrolled.errors import OptionError, RunError
from unrolled.escaping import folder_name
from unrolled.opening import check_no_link, check_parents
from unrolled.rundir.own_files import COMPARISON

FORMAT = 1
RESULTS = "results.jsonl"
OTHER = "Give another folder: --out OTHER"
LINE_CURE = f"Take that line out; its cell is trained again. {OTHER}"


def find_folder(data: str, settings: CompareSettings, under: str | Path = "compare") -> Path:
    """The folder of a comparison: the one of --out, that of an earlier run of the same comparison, or a new one."""
    if settings.out:
        return Path(settings.out)
    name = data if data in TASKS else folder_name(Path(data).resolve().stem) or "data"
    for number in range(1, 10_000):
        path = Path(under) / (name if number == 1 else f"{name}-{number}")
        facts = path / COMPARISON
        if not path.exists() or (facts.exists() and read_comparison_facts(facts) == comparison_facts(data, settings)):
            return path
    raise OptionError(f"{under}/{name} and 9,999 more folders exist. Give a folder with --out.")


def comparison_facts(data: str, settings: CompareSettings) -> dict[str, Any]:
    """The facts that identify a comparison, as in compare.json."""
    path = data if data in TASKS else str(Path(data).resolve())
    return {"format": FORMAT, "data": path, "options": replace(settings, out=None).to_json()}


def read_comparison_facts(path: Path) -> dict[str, Any]:
    """The facts in a compare.json; options that an older one lacks get their defaults."""
    facts = fileio.read_json(path, OTHER)
    if not isinstance(facts, dict) or not isinstance(facts.get("options"), dict):
        raise RunError(f"{path} is damaged: it has no options. {OTHER}")
    return facts | {"options": CompareSettings().to_json() | facts["options"]}


def make_folder(path: Path, facts: dict[str, Any]) -> None:
    """Makes the folder of the comparison that `facts` identify, or checks that an existing one belongs to it.

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
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path} exists and is not the folder of a comparison. {OTHER}")
    else:
        path.mkdir(parents=True, exist_ok=True)
        fileio.write_json(file, facts)


def read_results(folder: Path) -> dict[Cell, dict[str, Any]]:
    """The results so far. Failed cells are left out, so that they are tried again.

    Raises RunError for a damaged line; a line that a kill cut off is removed.
    """
    path = folder / RESULTS
    if not path.exists():
        return {}
    fileio.cut_incomplete_line(path)
    results: dict[Cell, dict[str, Any]] = {}
    for number, line in enumerate(fileio.read_json_lines(path, LINE_CURE), start=1):
        try:
            cell, result = Cell(**line["cell"]), dict(line["result"])
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{path}, line {number}, is damaged: not the result of a training. {LINE_CURE}") from None
        results[cell] = result
    return {cell: result for cell, result in results.items() if "failed" not in result}


def append_result(folder: Path, cell: Cell, result: dict[str, Any]) -> dict[str, Any]:
    """Adds the result of a cell to results.jsonl; returns it as it will be read back: nan is null."""
    line = fileio.to_json({"cell": cell.key, "result": result})
    fileio.append_line(folder / RESULTS, line, sync=True)
    stored: dict[str, Any] = json.loads(line)["result"]
    return stored
