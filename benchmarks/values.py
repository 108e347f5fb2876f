"""How well numbers are answered about series: two marked among many, added; and a sensor's period under noise.

python benchmarks/values.py --minutes 1 --seeds 0,1,2

adding: 50 steps of a number from 0 to 1 and a mark, 1 at two of them; asked for is the sum of the two (Hochreiter &
Schmidhuber 1997). sensor: 60 readings of a swinging that dies away, from a phase drawn by chance, noise of a tenth of
its height upon it; asked for are its period in steps and the step by which half of it is gone. 3,000 rows each, cut
by the seed as `unroll train` cuts them. A JSON line a training is appended to benchmarks/values.jsonl, and what is
there is not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

import unrolled
from unrolled.environment import processor_name
from unrolled.tasks.prediction.summary import AnswerVerdict

ROWS = 3_000


def adding(dice: np.random.Generator) -> tuple[list[list[float]], list[float]]:
    """Numbers and marks (50, 2), and the sum of the marked."""
    numbers, marks = dice.random(50), np.zeros(50)
    marks[dice.choice(50, 2, replace=False)] = 1.0
    return np.stack([numbers, marks], 1).round(4).tolist(), [round(float(numbers @ marks), 4)]


def sensor(dice: np.random.Generator) -> tuple[list[list[float]], list[float]]:
    """Readings (60, 1), and the period and the half-life in steps."""
    period, half, time_now = dice.uniform(5, 30), dice.uniform(10, 60), np.arange(60)
    swing = np.sin(2 * np.pi * (time_now / period + dice.random())) * 0.5 ** (time_now / half)
    readings = swing + 0.1 * dice.standard_normal(60)
    return readings[:, None].round(4).tolist(), [round(period, 3), round(half, 3)]


SERIES: dict[str, Callable[[np.random.Generator], tuple[list[list[float]], list[float]]]] = {
    "adding": adding,
    "sensor": sensor,
}


def measure(name: str, seed: int, minutes: float, folder: Path) -> dict[str, Any]:
    """One training and what it came to on its test part."""
    dice, table = np.random.default_rng(seed), folder / f"{name}-{seed}.jsonl"
    with table.open("w") as file:
        for _ in range(ROWS):
            x, y = SERIES[name](dice)
            file.write(json.dumps({"x": x, "y": y}) + "\n")
    started = time.monotonic()
    training = unrolled.Training(table, minutes=minutes, seed=seed, out=str(folder / f"run-{name}-{seed}"))
    for _ in training:
        pass
    if not isinstance(training.verdict, AnswerVerdict):
        raise SystemExit(f"{name}: the training was stopped before its end")
    facts = training.verdict.as_dict()["outputs"]["y"]
    figures = {one: facts[one] for one in ("mae", "mae_interval", "rmse", "r2", "constant", "beside")}
    return {"left": training.verdict.model, "seconds": round(time.monotonic() - started, 1), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default=",".join(SERIES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/values.jsonl"))
    asked = parser.parse_args()
    lines = asked.results.read_text().splitlines() if asked.results.exists() else []
    known = {(line["series"], line["seed"], line["minutes"]) for line in map(json.loads, lines)}
    for name, seed in product(asked.series.split(","), map(int, asked.seeds.split(","))):
        if (name, seed, asked.minutes) in known:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, seed, asked.minutes, Path(folder))
        where = {"processor": processor_name(), "date": time.strftime("%Y-%m-%d"),
                 "system": platform.machine(), "torch": torch.__version__}  # fmt: skip
        line = json.dumps({"series": name, "seed": seed, "minutes": asked.minutes, **found, **where})
        with asked.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
