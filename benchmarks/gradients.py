"""What a way back through time costs: bytes against length, time beside plain backpropagation, and one very long one.

python benchmarks/gradients.py bytes     extra bytes of whole, truncated and checkpointed, by number of steps
python benchmarks/gradients.py time      1,000 steps by 50 slots beside the whole, alternating, step by step
python benchmarks/gradients.py long      one exact gradient through 100,000 steps of an LSTM of 256 within 256 MB

Each training runs in a process of its own, whose peak of resident memory is read; a JSON line a result is appended
to benchmarks/gradients.jsonl, and what stands there is not run again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled.gradient import GRADIENTS
from unrolled.memory import LSTM
from unrolled.run.process import peak_bytes
from unrolled.settings import build
from unrolled.states import State

LENGTHS = (64, 256, 1024, 4096, 16384)
STRATEGIES = ("full", "truncated:k1=64", "checkpointed:slots=50", "checkpointed:bytes=16MB")
PAIRS = 5  # of alternating timings


def read(memory: LSTM, rows: int, steps: int, by_steps: bool) -> tuple[Any, State]:
    """A reading of random inputs with a loss at every step; they are drawn as they are read, so they take nothing."""

    def piece(state: State, start: int, stop: int) -> tuple[Tensor, State]:
        generator = torch.Generator().manual_seed(start)
        xs = torch.randn(rows, stop - start, memory.input_size, generator=generator)
        if not by_steps:
            outputs, state = memory.unroll(xs, state)
            return (outputs**2).sum(), state
        loss = torch.zeros(())
        for t in range(stop - start):
            output, state = memory.step(xs[:, t], state)
            loss = loss + (output**2).sum()
        return loss, state

    return piece, memory.start(rows)


def one(strategy: str, size: int, rows: int, steps: int, by_steps: bool) -> dict[str, Any]:
    """Seconds and extra bytes of one way back, in this process."""
    torch.manual_seed(0)
    memory = LSTM(size, size)
    piece, state = read(memory, rows, steps, by_steps)
    build("gradient", GRADIENTS, "full")(piece, state, 8)  # what the first call takes is not the strategy's
    before = peak_bytes()
    started = time.perf_counter()
    build("gradient", GRADIENTS, strategy)(piece, state, steps)
    seconds = time.perf_counter() - started
    after = peak_bytes()
    norm = sum(float((p.grad**2).sum()) for p in memory.parameters() if p.grad is not None) ** 0.5
    return {"seconds": round(seconds, 3), "extra_bytes": after - before, "norm": norm}


def in_a_process(*asked: Any) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "one", json.dumps(asked)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bytes", "time", "long", "one"))
    parser.add_argument("asked", nargs="?")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/gradients.jsonl"))
    given = parser.parse_args()
    if given.what == "one":
        print(json.dumps(one(*json.loads(given.asked))))
        return
    done = [json.loads(line) for line in given.results.read_text().splitlines()] if given.results.exists() else []
    if given.what == "bytes":
        runs = [(strategy, 256, 16, steps, False) for steps in LENGTHS for strategy in STRATEGIES]
    elif given.what == "long":
        runs = [("checkpointed:bytes=128MB", 256, 1, 100_000, False)]
    else:
        runs = [
            (strategy, 512, 64, 1000, True) for _ in range(PAIRS) for strategy in ("full", "checkpointed:slots=50")
        ]
    for number, run in enumerate(runs):
        head = {
            "what": given.what,
            "number": number,
            "strategy": run[0],
            "size": run[1],
            "rows": run[2],
            "steps": run[3],
        }
        if any(head.items() <= line.items() for line in done):
            continue
        line = head | in_a_process(*run) | {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
        with given.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)
    if given.what == "time":
        lines = [json.loads(line) for line in given.results.read_text().splitlines()]
        seconds = {
            s: [x["seconds"] for x in lines if x["what"] == "time" and x["strategy"] == s]
            for s in ("full", runs[1][0])
        }
        ratios = [kept / whole for kept, whole in zip(seconds[runs[1][0]], seconds["full"], strict=True)]
        print(f"times as long as whole: {statistics.median(ratios):.3f} (median of {len(ratios)})")


if __name__ == "__main__":
    main()
