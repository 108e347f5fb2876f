"""Damaged inputs by the thousand (tests/fuzzing.py): how each case ends, a line of JSON each, in a file beside this.

It goes on where it stopped. python benchmarks/hostile_inputs.py tries 2,000 cases of all targets; with --target
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
    """Tries the cases that are not in the file yet, and says what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=list(fuzzing.TARGETS), help="one of them alone")
    parser.add_argument("--cases", type=int, default=2000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".jsonl"))
    asked = parser.parse_args()
    targets = [asked.target] if asked.target else list(fuzzing.TARGETS)
    fuzzing.warm_up()
    lines = asked.out.read_text().splitlines() if asked.out.exists() else []
    done = collections.Counter(one["target"] for one in map(json.loads, lines) if one["seed"] == asked.seed)
    faults = 0
    for name in targets:
        numbers = range(done[name], asked.cases // len(targets))
        with tempfile.TemporaryDirectory() as folder, asked.out.open("a") as out:
            for outcome in fuzzing.cases(name, numbers, Path(folder), asked.seed) if numbers else ():
                print(json.dumps({"seed": asked.seed, **outcome.as_dict()}), file=out, flush=True)
                if outcome.fault:
                    faults += 1
                    print(f"{name} {outcome.number}: unroll {outcome.command}, {outcome.done}: {outcome.fault}")
    print(f"{faults} new faults; {asked.out} has every case")


if __name__ == "__main__":
    main()
