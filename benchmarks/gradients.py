"""What a way back through time costs: bytes against length, time beside plain backpropagation, and one very long one.

python benchmarks/gradients.py bytes     extra bytes of whole, truncated and checkpointed, by number of steps
python benchmarks/gradients.py time      1,000 steps by 50 slots beside the whole, alternating, step by step
python benchmarks/gradients.py long      one exact gradient through 100,000 steps of an LSTM of 256 within 256 MB

Where bytes are measured, each way back runs in a process of its own, whose peak of resident memory is read; times are
taken in turn in one process. A JSON line a result is appended to benchmarks/gradients.jsonl, and what stands there is
not run again.
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
from torch import Tensor, nn

from unrolled.environment import peak_bytes
from unrolled.gradient import GRADIENTS, Piece
from unrolled.memory import LSTM
from unrolled.registry import build
from unrolled.states import State

LENGTHS = (64, 256, 1024, 4096, 16384)
STRATEGIES = ("full", "truncated:k1=64", "checkpointed:slots=50", "checkpointed:bytes=16MB")
SYMBOLS = 64
PAIRS = 7  # of alternating timings, after one that warms up


class Reader(nn.Module):
    """An lstm over embedded symbols, as in a language model: the way back goes on into what the lstm reads."""

    def __init__(self, size: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.memory = nn.Embedding(SYMBOLS, size), LSTM(size, size)


def read(reader: Reader, rows: int, steps: int, by_steps: bool) -> tuple[Piece, State]:
    """A reading of random symbols with a loss at every step, and the state it begins from."""
    symbols = torch.randint(0, SYMBOLS, (rows, steps), generator=torch.Generator().manual_seed(1))

    def piece(state: State, start: int, stop: int) -> tuple[Tensor, State]:
        if not by_steps:
            outputs, state = reader.memory.unroll(reader.embedding(symbols[:, start:stop]), state)
            return (outputs**2).sum(), state
        loss = torch.zeros(())
        for t in range(start, stop):
            output, state = reader.memory.step(reader.embedding(symbols[:, t]), state)
            loss = loss + (output**2).sum()
        return loss, state

    return piece, reader.memory.start(rows)


def one(strategy: str, size: int, rows: int, steps: int) -> dict[str, Any]:
    """Seconds and extra bytes of one way back, in this process."""
    reader = Reader(size)
    piece, state = read(reader, rows, steps, by_steps=False)
    for warm in ("full", strategy):  # what the first calls take is not the strategy's
        build("gradient", GRADIENTS, warm)(piece, state, 8)
    before = peak_bytes()
    seconds, norm = time_one(strategy, reader, piece, state, steps)
    return {"seconds": round(seconds, 3), "extra_bytes": peak_bytes() - before, "norm": norm}


def time_one(strategy: str, reader: Reader, piece: Piece, state: State, steps: int) -> tuple[float, float]:
    """Seconds of one way back, and the norm of the gradient it gave."""
    reader.zero_grad()
    started = time.perf_counter()
    build("gradient", GRADIENTS, strategy)(piece, state, steps)
    seconds = time.perf_counter() - started
    return seconds, sum(float((p.grad**2).sum()) for p in reader.parameters() if p.grad is not None) ** 0.5


def pairs(strategy: str, size: int, rows: int, steps: int) -> dict[str, Any]:
    """Seconds of whole and of `strategy` in turn, step by step, the first pair not counted; and their ratios."""
    reader = Reader(size)
    piece, state = read(reader, rows, steps, by_steps=True)
    taken = [[time_one(s, reader, piece, state, steps) for s in ("full", strategy)] for _ in range(PAIRS + 1)][1:]
    whole, other = ([round(pair[k][0], 3) for pair in taken] for k in (0, 1))
    ratios = [b / a for a, b in zip(whole, other, strict=True)]
    norms = {"norm_whole": taken[0][0][1], "norm": taken[0][1][1]}
    return {"whole": whole, "seconds": other, "ratio": round(statistics.median(ratios), 3)} | norms


def in_a_process(*asked: Any) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "one", json.dumps(asked)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


RUNS: dict[str, list[tuple[str, int, int, int]]] = {  # strategy, size, rows, steps
    "bytes": [(strategy, 256, 16, steps) for steps in LENGTHS for strategy in STRATEGIES],
    "long": [("checkpointed:bytes=128MB", 256, 1, 100_000)],
    "time": [("checkpointed:slots=50", 512, 64, 1000)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*RUNS, "one"))
    parser.add_argument("asked", nargs="?")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/gradients.jsonl"))
    given = parser.parse_args()
    if given.what == "one":
        print(json.dumps(one(*json.loads(given.asked))))
        return
    done = [json.loads(line) for line in given.results.read_text().splitlines()] if given.results.exists() else []
    for run in RUNS[given.what]:
        head = {"what": given.what} | dict(zip(("strategy", "size", "rows", "steps"), run, strict=True))
        if any(head.items() <= line.items() for line in done):
            continue
        found = pairs(*run) if given.what == "time" else in_a_process(*run)
        line = head | found | {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
        with given.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
