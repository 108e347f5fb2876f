"""How well `--minutes` is kept: from start to exit, alone and beside a busy process, with the peak memory.

python benchmarks/keeping_time.py --data shared/data                     # all cells, about an hour
python benchmarks/keeping_time.py --only labels-1000 rows-2m             # cells whose names begin with these
python benchmarks/keeping_time.py TEXT [TEXT …] --minutes 0.2 0.5 1 2 5  # one cell per text and budget

Appends one JSON line per run; results that are there are not run again. `kept`: at most 5% or 3 seconds late. A
refused run (code 2) counts as kept if its message comes within the budget.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

LETTERS = "abcdefghijklmnopqrst"
RUN = "import sys; from unrolled.cli import main; sys.exit(main())"


class Cell(NamedTuple):
    """One training: its name, data and options."""

    name: str
    data: Path
    minutes: float
    options: tuple[str, ...] = ()


def cells(data: Path, made: Path) -> Iterator[Cell]:
    """Cases that once were late: many labels, many rows, images, an ensemble. made: the folder for the tables."""
    for kinds in (2, 200, 1_000, 5_000):
        path = made / f"labels-{kinds}.csv"
        write_labels(path, 20_000 if kinds > 1_000 else 8_000, kinds)
        yield Cell(f"labels-{kinds}", path, 0.5, ("--task", "classification"))
    million = made / "rows-2m.csv"
    write_labels(million, 2_000_000, 2)
    yield Cell("rows-2m", million, 0.3, ("--task", "classification"))
    yield Cell("rows-2m-some", million, 0.5, ("--task", "classification", "--rows", "20000"))
    yield Cell("rows-2m-long", million, 5, ("--task", "classification"))
    yield Cell("mnist", data / "mnist" / "train-images-idx3-ubyte.gz", 1.5)
    yield Cell("lstm+ngram", data / "shakespeare" / "input.txt", 0.5, ("--model", "lstm+ngram"))
    yield Cell("text", data / "shakespeare" / "input.txt", 0.5)


def write_labels(path: Path, rows: int, kinds: int) -> None:
    """Writes a table of short texts, each with a label that its words determine, unless it exists."""
    if path.exists():
        return
    generator = random.Random(0)
    with path.with_suffix(".part").open("w") as file:
        file.write("text,label\n")
        for row in range(rows):
            label = row % kinds
            words = [
                generator.choice(LETTERS) * generator.randint(1, 3) + str(generator.randint(0, 99)) for _ in range(3)
            ]
            file.write(f"{' '.join(words)} k{label % 97} {label},l{label}\n")
    path.with_suffix(".part").rename(path)


def run(cell: Cell, busy: bool) -> dict[str, Any]:
    """One training; `busy`: beside a process that computes without end."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "run")
            command = [sys.executable, "-c", RUN, "train", str(cell.data), "--minutes", str(cell.minutes)]
            command += ["--out", str(out), "--quiet", *cell.options]
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            assert process.stderr is not None
            message = process.stderr.read()
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - started
            code = os.waitstatus_to_exitcode(status)
            scores = json.loads((out / "run.json").read_text())["scores"] if code == 0 else {}
    finally:
        if other is not None:
            other.kill()
            other.wait()
    budget = 60 * cell.minutes
    kept = code in (0, 2) and seconds - budget <= max(3.0, 0.05 * budget)
    found = {"code": code, "seconds": round(seconds, 2), "kept": kept, "peak_mb": used.ru_maxrss // 1024}
    return found | {"model": scores.get("model")} | ({"said": message.strip()[:300]} if code else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="*")
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.2, 0.5, 1, 2, 5])
    parser.add_argument("--only", nargs="+", default=[""], help="only cells whose names begin with these")
    parser.add_argument("--busy", choices=["yes", "no"], nargs="+", default=["no", "yes"])
    parser.add_argument("--data", type=Path, default=Path("shared/data"))
    parser.add_argument("--made", type=Path, default=Path("benchmarks/.keeping_time"), help="folder for the tables")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/keeping_time.jsonl"))
    options = parser.parse_args()
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    known = {(line["name"], line["minutes"], line["busy"]) for line in done if "name" in line}
    options.made.mkdir(parents=True, exist_ok=True)
    texts = [Cell(f"text {text.name}", text, minutes) for minutes in options.minutes for text in options.texts]
    for cell in texts or cells(options.data, options.made):
        for busy in (one == "yes" for one in options.busy):
            if (cell.name, cell.minutes, busy) in known or not cell.name.startswith(tuple(options.only)):
                continue
            head = {"name": cell.name, "minutes": cell.minutes, "busy": busy}
            line = json.dumps(head | run(cell, busy) | {"date": time.strftime("%Y-%m-%d")})
            with options.results.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
