"""Peak memory of a training on a large array in memory: docs/results/speed-and-limits.md.

Usage: python benchmarks/array_in_memory.py [--gigabytes 5] [--steps 20] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import resource

import numpy as np

import unrolled

STEPS, WIDTH = 100, 50  # of a row of float32
GB = 1e9
UNIT = 1024  # bytes in a unit of ru_maxrss on Linux


def measure(gigabytes: float, steps: int, out: str | None) -> None:
    """Train on random sequences of two labels, and print the peak memory of the process in GB."""
    random = np.random.default_rng(0)
    rows = int(gigabytes * GB / (STEPS * WIDTH * 4))
    inputs = np.empty((rows, STEPS, WIDTH), np.float32)
    for row in inputs:
        random.standard_normal(out=row, dtype=np.float32)
    labels = [f"label {n % 2}" for n in range(rows)]
    run = unrolled.train((inputs, labels), task="classification", steps=steps, progress=False, out=out)
    kept = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    beside = peak - inputs.nbytes
    print(f"{inputs.nbytes / GB:.2f} GB in memory: peak {peak / GB:.2f} GB, {beside / GB:.2f} GB beside the data; "
          f"run folder {kept / 1e6:.1f} MB")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out")
    given = parser.parse_args()
    measure(given.gigabytes, given.steps, given.out)
