"""How many labels a linear model on pretrained features needs: CIFAR-10 with 5 to 400 labels of each class.

python benchmarks/few_labels.py --data shared/data/cifar/train.npz --cache /tmp/features

Trains `--model linear` on some of the first 4,000 pictures of the file, the same number of each class, drawn by seed,
and scores it on the last 1,000. The penalty is chosen on a validation split, a tenth of the drawn pictures.
Appends one JSON line per number and seed; results that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unrolled
from unrolled.environment import processor_name

DRAWN_FROM = 4_000  # pictures; the others are the test split
COUNTS = (5, 10, 50, 100, None)  # of each class; None: all


def draw(labels: NDArray[Any], count: int | None, seed: int) -> NDArray[np.int64]:
    """The rows of `count` pictures of each class, in file order; of all pictures for None."""
    if count is None:
        return np.arange(len(labels))
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(np.flatnonzero(labels == one), count, replace=False) for one in np.unique(labels)]
    return np.sort(np.concatenate(drawn))


def run(count: int | None, seed: int, arrays: dict[str, NDArray[Any]], folder: Path, cache: str) -> dict[str, Any]:
    """One training, with its score on the test split."""
    rows = draw(arrays["y"][:DRAWN_FROM], count, seed)
    x, y = arrays["x"], arrays["y"]
    np.savez(folder / "drawn.npz", x=x[rows], y=y[rows])
    np.savez(folder / "test.npz", x=x[DRAWN_FROM:], y=y[DRAWN_FROM:])
    started, used = time.monotonic(), time.process_time()
    training = unrolled.Training(
        folder / "drawn.npz", test=str(folder / "test.npz"), model="linear", minutes=10, seed=seed, cache=cache,
        out=str(folder / f"run-{count}-{seed}"),
    )  # fmt: skip
    for _ in training:
        pass
    if training.summary is None:
        raise SystemExit("the training was stopped before its end")
    (output,) = training.summary.to_dict()["outputs"].values()
    return {
        "rows": len(rows),
        "accuracy": round(output["accuracy"], 4),
        "test_rows": output["rows"],
        "core_seconds": round(time.process_time() - used, 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("shared/data/cifar/train.npz"))
    parser.add_argument("--cache", required=True, help="the folder that keeps features of images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/few_labels.jsonl"))
    options = parser.parse_args()
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    known = {(line["of_each_class"], line["seed"]) for line in done}
    with tempfile.TemporaryDirectory() as made, np.load(options.data) as loaded:
        arrays = {name: loaded[name] for name in ("x", "y")}
        for count in COUNTS:
            for seed in options.seeds:
                if (count, seed) in known:
                    continue
                found = run(count, seed, arrays, Path(made), options.cache)
                line = {"of_each_class": count, "seed": seed} | found
                line |= {"processor": processor_name(), "date": time.strftime("%Y-%m-%d")}
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
