"""Fuzzing with thousands of damaged inputs (tests/fuzzing.py): one JSON line per case, in a file beside this one.

It resumes where it stopped. python benchmarks/hostile_inputs.py runs 2,000 cases of all targets; with --target
"stopped run" --cases 50 fifty of one.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import fuzzing


def main() -> None:
    """Runs the cases that are not in the file yet, and prints the faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=list(fuzzing.TARGETS), help="only this target")
    parser.add_argument("--cases", type=int, default=2000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    options = parser.parse_args()
    targets = [options.target] if options.target else list(fuzzing.TARGETS)
    fuzzing.warm_up()
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = collections.Counter(one["target"] for one in map(json.loads, lines) if one["seed"] == options.seed)
    faults = 0
    for name in targets:
        numbers = range(done[name], options.cases // len(targets))
        with tempfile.TemporaryDirectory() as folder, options.out.open("a") as out:
            for outcome in fuzzing.cases(name, numbers, Path(folder), options.seed) if numbers else ():
                print(json.dumps({"seed": options.seed, **outcome.to_dict()}), file=out, flush=True)
                if outcome.fault:
                    faults += 1
                    print(f"{name} {outcome.number}: unroll {outcome.command}, {outcome.done}: {outcome.fault}")
    print(f"{faults} new faults; all cases are in {options.out}")


if __name__ == "__main__":
    main()
