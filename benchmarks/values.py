"""Regression on sequences: the sum of two marked numbers among many; and the period of a noisy sensor.

python benchmarks/values.py --minutes 1 --seeds 0,1,2

adding: 50 steps of a number from 0 to 1 and a mark, which is 1 at two steps; the target is the sum of these two
numbers (Hochreiter & Schmidhuber 1997). sensor: 60 readings of a damped oscillation with a random phase and noise of
a tenth of its amplitude; the targets are its period and its half-life in steps. 3,000 rows each, split by the seed as
`unroll train` splits them. One JSON line per training is appended to benchmarks/values.jsonl; results that are there
are not run again.
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
from unrolled.tasks.prediction.summary import PredictionSummary

ROWS = 3_000


def adding(generator: np.random.Generator) -> tuple[list[list[float]], list[float]]:
    """Numbers and marks (50, 2), and the sum of the marked numbers."""
    numbers, marks = generator.random(50), np.zeros(50)
    marks[generator.choice(50, 2, replace=False)] = 1.0
    return np.stack([numbers, marks], 1).round(4).tolist(), [round(float(numbers @ marks), 4)]


def sensor(generator: np.random.Generator) -> tuple[list[list[float]], list[float]]:
    """Readings (60, 1), and the period and the half-life in steps."""
    period, half, time_now = generator.uniform(5, 30), generator.uniform(10, 60), np.arange(60)
    swing = np.sin(2 * np.pi * (time_now / period + generator.random())) * 0.5 ** (time_now / half)
    readings = swing + 0.1 * generator.standard_normal(60)
    return readings[:, None].round(4).tolist(), [round(period, 3), round(half, 3)]


SERIES: dict[str, Callable[[np.random.Generator], tuple[list[list[float]], list[float]]]] = {
    "adding": adding,
    "sensor": sensor,
}


def measure(name: str, seed: int, minutes: float, folder: Path) -> dict[str, Any]:
    """One training and its results on the test split."""
    generator, table = np.random.default_rng(seed), folder / f"{name}-{seed}.jsonl"
    with table.open("w") as file:
        for _ in range(ROWS):
            x, y = SERIES[name](generator)
            file.write(json.dumps({"x": x, "y": y}) + "\n")
    started = time.monotonic()
    training = unrolled.Training(table, minutes=minutes, seed=seed, out=str(folder / f"run-{name}-{seed}"))
    for _ in training:
        pass
    if not isinstance(training.summary, PredictionSummary):
        raise SystemExit(f"{name}: the training was stopped before its end")
    facts = training.summary.to_dict()["outputs"]["y"]
    names = ("mae", "mae_interval", "rmse", "r2", "constant_baseline", "baselines", "others")
    figures = {one: facts[one] for one in names}
    return {"selected": training.summary.model, "seconds": round(time.monotonic() - started, 1), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default=",".join(SERIES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/values.jsonl"))
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = {(line["series"], line["seed"], line["minutes"]) for line in map(json.loads, lines)}
    for name, seed in product(options.series.split(","), map(int, options.seeds.split(","))):
        if (name, seed, options.minutes) in known:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, seed, options.minutes, Path(folder))
        where = {"processor": processor_name(), "date": time.strftime("%Y-%m-%d"),
                 "system": platform.machine(), "torch": torch.__version__}  # fmt: skip
        line = json.dumps({"series": name, "seed": seed, "minutes": options.minutes, **found, **where})
        with options.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
