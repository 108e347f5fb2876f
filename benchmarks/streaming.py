"""A stream of a million steps through every memory: bytes of the state, and differences of unroll from steps.

python benchmarks/streaming.py --steps 1000000

Each memory processes the same random numbers twice: step by step, and unrolled in segments of random length. One JSON
line per memory is appended to benchmarks/streaming.jsonl; results that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import torch

from unrolled import states
from unrolled.memory import MEMORIES, build_stack

TENTHS = 10
LONGEST = 700  # steps of a segment, at most
INPUTS = 8


@torch.no_grad()
def follow(name: str, steps: int, size: int = 32) -> dict[str, Any]:
    """Bytes of a row's state and the largest difference between the two outputs, in each tenth of the stream."""
    torch.manual_seed(0)
    memory = build_stack(name, INPUTS, size)
    generator = torch.Generator().manual_seed(1)
    stepped, unrolled = memory.start(1), memory.start(1)
    apart, held = [0.0] * TENTHS, [0] * TENTHS
    read, largest, started = 0, 0.0, time.perf_counter()
    longest = min(LONGEST, steps // (2 * TENTHS))  # a segment ends in each tenth
    while read < steps:
        length = min(int(torch.randint(1, longest, (), generator=generator)), steps - read)
        xs = torch.randn(1, length, INPUTS, generator=generator)
        outputs, unrolled = memory.unroll(xs, unrolled)
        one_by_one = []
        for t in range(length):
            output, stepped = memory.step(xs[:, t], stepped)
            one_by_one.append(output)
        tenth = read * TENTHS // steps
        apart[tenth] = max(apart[tenth], float((torch.stack(one_by_one, 1) - outputs).abs().max()))
        largest = max(largest, float(outputs.abs().max()))
        held[tenth] = states.count_bytes(unrolled)
        read += length
    pairs = zip(states.leaves(stepped).values(), states.leaves(unrolled).values(), strict=True)
    return {
        "memory": name, "steps": steps, "size": size, "bytes": held, "apart": apart, "largest_output": largest,
        "states_apart": max([0.0, *(float((a - b).abs().max()) for a, b in pairs if a.numel())]),
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--memories", default=",".join(MEMORIES), help="names, separated by commas; default: all")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/streaming.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)  # one row is too little work for more
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = {(line["memory"], line["steps"]) for line in map(json.loads, lines)}
    for name in options.memories.split(","):
        if (name, options.steps) in known:
            continue
        where = {"date": time.strftime("%Y-%m-%d"), "system": platform.machine(), "torch": torch.__version__}
        line = json.dumps(follow(name, options.steps) | where)
        with options.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
