"""Real pictures with careless labels first, a few clean ones then: CIFAR-10 by the commands that a person would type.

python benchmarks/careless_labels.py --data shared/data/cifar/train.npz --runs /tmp/runs

The net learns the first 4,000 pictures of the file with careless labels, then 50 or 200 of the same pictures
with their clean labels, the classifier alone or the whole net, and is scored on the last 1,000. Careless are a share
of the labels: symmetric, another label drawn at random, or by confusion, the label that it is mistaken for (Patrini
et al. 2017, arXiv 1609.03683: truck for automobile, bird for airplane, deer for horse, cat and dog for each other).
Beside it the same net without pre-training. Every score is that of the net alone.

Appends one JSON line per score; those that are there are not measured again, so it can be stopped and started.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unrolled
from unrolled.environment import processor_name
from unrolled.run.loading import load
from unrolled.seeds import numpy_generator

NET = "cifar-resnet20"
WEAK = 4_000  # pictures; those after them are the test split
CLEAN = (50, 200)
NOISES = (("none", 0.0), ("symmetric", 0.3), ("symmetric", 0.6), ("confusion", 0.3), ("confusion", 0.6))
MISTAKEN = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}  # of CIFAR-10's labels, in their customary order
CLASSES = 10
TUNED = 150  # updates on the clean labels


def careless(labels: NDArray[Any], kind: str, noise: float, seed: int) -> NDArray[np.int64]:
    """The labels (N,), of which a share is wrong. By confusion only five of the ten labels are mistaken."""
    generator = numpy_generator(seed, "careless", kind, round(1000 * noise))
    wrong = generator.random(len(labels)) < noise
    other = (labels + generator.integers(1, CLASSES, len(labels))) % CLASSES
    if kind == "confusion":
        other = np.array([MISTAKEN.get(int(label), int(label)) for label in labels])
    return np.where(wrong, other, labels).astype(np.int64)


def draw(labels: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """`count` rows, equally many of each class."""
    generator = numpy_generator(seed, "clean", count)
    drawn = [generator.permutation(np.flatnonzero(labels == one))[: count // CLASSES] for one in range(CLASSES)]
    return np.sort(np.concatenate(drawn))


def train(path: Path, out: Path, steps: int, seed: int, **options: Any) -> Path:
    """A training of the net alone, unless its folder is there already; returns the folder."""
    if not (out / "run.json").exists() or "scores" not in load(out).facts:
        training = unrolled.Training(path, out=str(out), steps=steps, seed=seed, test="none", **options)
        for _ in training:
            pass
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("shared/data/cifar/train.npz"))
    parser.add_argument("--runs", type=Path, required=True, help="a folder that keeps the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1_250, help="updates of pre-training, of 64 pictures")
    parser.add_argument("--minutes", type=float, help="start no training after this many")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/careless_labels.jsonl"))
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * (options.minutes or 1e9)
    lines = (
        [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    )
    names = ("seed", "kind", "noise", "steps", "clean", "tuned")
    done = {tuple(line[name] for name in names) for line in lines}
    with np.load(options.data) as loaded:
        x, y = loaded["x"], loaded["y"].astype(np.int64)
    test = options.runs / "test.npz"
    np.savez(test, x=x[WEAK:], y=y[WEAK:])
    for seed in options.seeds:
        for kind, noise in (("no pre-training", 0.0), *NOISES):
            steps = 0 if kind == "no pre-training" else options.steps
            for clean in CLEAN:
                for tuned in ("whole",) if not steps else ("classifier", "whole"):
                    if (seed, kind, noise, steps, clean, tuned) in done or time.monotonic() > ends:
                        continue
                    used, source = time.process_time(), None
                    if steps:
                        path = options.runs / f"weak-{kind}-{noise}-{seed}.npz"
                        np.savez(path, x=x[:WEAK], y=careless(y[:WEAK], kind, noise, seed))
                        out = options.runs / f"weak-{kind}-{noise}-{seed}-{steps}"
                        source = train(path, out, steps, seed, encoder=NET, model=NET, batch_size=64)
                    rows = draw(y[:WEAK], clean, seed)
                    path = options.runs / f"clean-{clean}-{seed}.npz"
                    np.savez(path, x=x[rows], y=y[rows])
                    start = {"encoder": NET, "model": NET} if source is None else {"init_from": str(source)}
                    start |= {"freeze": "encoder"} if tuned == "classifier" else {}
                    out = options.runs / f"{clean}-{tuned}-{kind}-{noise}-{seed}-{steps}"
                    run = load(train(path, out, TUNED, seed, batch_size=32, valid="0.2", **start))
                    score = run.evaluate(str(test)).to_dict()["outputs"]["y"]
                    found = (seed, kind, noise, steps, clean, tuned)
                    line = dict(zip(names, found, strict=True)) | {"accuracy": round(score["accuracy"], 4)}
                    line |= {"test_rows": score["rows"], "core_seconds": round(time.process_time() - used, 1)}
                    line |= {"processor": processor_name(), "date": time.strftime("%Y-%m-%d")}
                    with options.results.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
