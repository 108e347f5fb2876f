"""Cost of BPTT strategies: memory by length, time against plain backpropagation, and one very long sequence.

python benchmarks/gradients.py bytes     extra bytes of full, truncated and checkpointed BPTT, by number of steps
python benchmarks/gradients.py time      1,000 steps with 50 slots against full BPTT, alternating, step by step
python benchmarks/gradients.py long      one exact gradient through 100,000 steps of an LSTM of 256 within 256 MB

Where bytes are measured, each backward pass runs in its own process, whose peak resident memory is recorded; times
are measured alternately in one process. One JSON line per result is appended to benchmarks/gradients.jsonl; results
that are there are not run again.
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
from unrolled.gradient import BPTT_STRATEGIES, SegmentLoss
from unrolled.memory import LSTM
from unrolled.registry import build
from unrolled.states import State

LENGTHS = (64, 256, 1024, 4096, 16384)
STRATEGIES = ("full", "truncated:k1=64", "checkpointed:slots=50", "checkpointed:bytes=16MB")
TOKENS = 64
PAIRS = 7  # of alternating timings, after a warm-up


class Model(nn.Module):
    """An LSTM over embedded tokens, as in a language model: the backward pass includes the embedding."""

    def __init__(self, size: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.memory = nn.Embedding(TOKENS, size), LSTM(size, size)


def read(model: Model, rows: int, steps: int, by_steps: bool) -> tuple[SegmentLoss, State]:
    """The segment loss over random tokens with a loss at every step, and its initial state."""
    tokens = torch.randint(0, TOKENS, (rows, steps), generator=torch.Generator().manual_seed(1))

    def segment_loss(state: State, start: int, stop: int) -> tuple[Tensor, State]:
        if not by_steps:
            outputs, state = model.memory.unroll(model.embedding(tokens[:, start:stop]), state)
            return (outputs**2).sum(), state
        loss = torch.zeros(())
        for t in range(start, stop):
            output, state = model.memory.step(model.embedding(tokens[:, t]), state)
            loss = loss + (output**2).sum()
        return loss, state

    return segment_loss, model.memory.start(rows)


def one(strategy: str, size: int, rows: int, steps: int) -> dict[str, Any]:
    """Seconds and extra bytes of one backward pass, in this process."""
    model = Model(size)
    segment_loss, state = read(model, rows, steps, by_steps=False)
    for warm in ("full", strategy):  # warm-up: the cost of first calls is not the strategy's
        build("bptt", BPTT_STRATEGIES, warm)(segment_loss, state, 8)
    before = peak_bytes()
    seconds, norm = time_one(strategy, model, segment_loss, state, steps)
    return {"seconds": round(seconds, 3), "extra_bytes": peak_bytes() - before, "norm": norm}


def time_one(strategy: str, model: Model, segment_loss: SegmentLoss, state: State, steps: int) -> tuple[float, float]:
    """Seconds of one backward pass, and the norm of its gradient."""
    model.zero_grad()
    started = time.perf_counter()
    build("bptt", BPTT_STRATEGIES, strategy)(segment_loss, state, steps)
    seconds = time.perf_counter() - started
    return seconds, sum(float((p.grad**2).sum()) for p in model.parameters() if p.grad is not None) ** 0.5


def pairs(strategy: str, size: int, rows: int, steps: int) -> dict[str, Any]:
    """Seconds of full BPTT and of `strategy`, alternating, step by step, without the first pair; and their ratio."""
    model = Model(size)
    segment_loss, state = read(model, rows, steps, by_steps=True)
    taken = [[time_one(s, model, segment_loss, state, steps) for s in ("full", strategy)] for _ in range(PAIRS + 1)][
        1:
    ]
    whole, other = ([round(pair[k][0], 3) for pair in taken] for k in (0, 1))
    ratios = [b / a for a, b in zip(whole, other, strict=True)]
    norms = {"norm_whole": taken[0][0][1], "norm": taken[0][1][1]}
    return {"whole": whole, "seconds": other, "ratio": round(statistics.median(ratios), 3)} | norms


def in_a_process(*args: Any) -> dict[str, Any]:
    """`one` in its own process."""
    command = [sys.executable, __file__, "one", json.dumps(args)]
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
    parser.add_argument("options", nargs="?")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/gradients.jsonl"))
    given = parser.parse_args()
    if given.what == "one":
        print(json.dumps(one(*json.loads(given.args))))
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
