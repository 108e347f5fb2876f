"""How well `--minutes` is kept: from start to exit, on texts of any size, alone and beside a busy process.

python benchmarks/keeping_time.py TEXT [TEXT …] --minutes 0.2 0.5 1 2 5 --results benchmarks/keeping_time.jsonl

Appends a JSON line a run; what already stands there is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def run(text: Path, minutes: float, busy: bool) -> dict[str, Any]:
    """One training; `busy`: a process that computes without end runs beside it."""
    beside = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "run")
            command = [sys.executable, "-c", "import sys; from unrolled.cli import main; sys.exit(main())"]
            command += ["train", str(text), "--minutes", str(minutes), "--out", str(out), "--quiet"]
            started = time.monotonic()
            code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
            seconds = time.monotonic() - started
            scores = json.loads((out / "run.json").read_text())["scores"] if code == 0 else {}
    finally:
        if beside is not None:
            beside.kill()
            beside.wait()
    budget = 60 * minutes
    kept = min(-3.0, -0.1 * budget) <= seconds - budget <= max(3.0, 0.05 * budget)
    return {"code": code, "seconds": round(seconds, 2), "kept": kept, "nats": scores.get("nats")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.2, 0.5, 1, 2, 5])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/keeping_time.jsonl"))
    asked = parser.parse_args()
    done = [json.loads(line) for line in asked.results.read_text().splitlines()] if asked.results.exists() else []
    known = {(line["bytes"], line["minutes"], line["busy"]) for line in done}
    for minutes in asked.minutes:
        for text in asked.texts:
            for busy in (False, True):
                size = text.stat().st_size
                if (size, minutes, busy) in known:
                    continue
                head = {"text": text.name, "bytes": size, "minutes": minutes, "busy": busy}
                line = json.dumps(head | run(text, minutes, busy) | {"date": time.strftime("%Y-%m-%d")})
                with asked.results.open("a") as file:
                    file.write(line + "\n")
                print(line, flush=True)


if __name__ == "__main__":
    main()
