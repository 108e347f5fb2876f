"""What a model of videos reaches, and how much a split by clip flatters it: folds by clip and by source, net by net.

python benchmarks/videos.py --data clips.csv --cache /tmp/features            # trains what is missing
python benchmarks/videos.py --data clips.csv --summary                        # the table, with intervals
python benchmarks/videos.py --data clips.csv --speed r2plus1d-18:width=0.25   # decoding beside an update

The table needs columns `file`, `label` and `source`. A fold is a training on four fifths of the clips, scored on the
rest: clips drawn one by one (`clip`), or whole sources (`source`). Appends a JSON line per training, with the rows
that it got wrong; what is there is not trained again. There is no budget in minutes, so another machine gets the same
lines. The interval of an accuracy, and of the difference of two, is of 2,000 resamples of the sources.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unrolled
from unrolled.data.media.video import read_clips, read_frames
from unrolled.data.modalities.video_clips import CLIPS
from unrolled.environment import processor_name

FOLDS = 5
SPLITS = {"clip": "file", "source": "source"}  # name -> the column that stays in one fold
MODELS: dict[str, dict[str, Any]] = {
    "linear": {"model": "linear"},
    "gru": {"model": "gru", "steps": 150},
    "r2plus1d-18": {
        "encoder": "r2plus1d-18:width=0.25", "model": "r2plus1d-18:width=0.25", "frames": 8, "image_size": 64,
        "steps": 300,
    },
}  # fmt: skip
"""Options of each model; the last one is trained from nothing, in a quarter of its width."""
RESAMPLES = 2_000
TIMED, UPDATES, ROWS = 24, 4, 8  # videos whose decoding is timed; updates, and videos of each


def run(data: Path, split: str, model: str, seed: int, fold: int, cache: str, folder: Path) -> dict[str, Any]:
    """One training, with the rows of its test split and those that it got wrong."""
    options = MODELS[model] | ({} if "encoder" in MODELS[model] else {"cache": cache})
    started, used = time.monotonic(), time.process_time()
    training: Any = unrolled.Training(
        data, input="file", output="label", group=SPLITS[split], folds=FOLDS, fold=fold, seed=seed, threads=1,
        out=str(folder / f"{split}-{model}-{seed}-{fold}"), **options,
    )  # fmt: skip
    for _ in training:
        pass
    examples = training.task.examples
    wrong = unrolled.load(training.folder).evaluate(errors=True).errors
    return {
        "rows": sorted(examples.numbers[examples.splits["test"]].tolist()),
        "wrong": sorted(int(one["row"]) for one in wrong),
        "core_seconds": round(time.process_time() - used, 1),
        "seconds": round(time.monotonic() - started, 1),
    }


def correct(lines: Iterable[dict[str, Any]], rows: int) -> NDArray[np.float64]:
    """(seeds, rows) which rows of the table were predicted rightly, one seed a line; those with all folds."""
    seeds: dict[int, list[dict[str, Any]]] = {}
    for line in lines:
        seeds.setdefault(line["seed"], []).append(line)
    found = []
    for folds in seeds.values():
        if len(folds) == FOLDS:
            right = np.ones(rows)
            right[[row - 2 for line in folds for row in line["wrong"]]] = 0.0  # the header is row 1
            found.append(right)
    return np.stack(found) if found else np.zeros((0, rows))


def interval(right: NDArray[np.float64], sources: NDArray[np.int64]) -> tuple[float, float]:
    """95% interval of the mean of numbers per row (N,), by resampling sources."""
    generator = np.random.default_rng(0)
    sums, counts = (np.bincount(sources, weights) for weights in (right, np.ones(len(right))))
    drawn = generator.integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


def summarise(done: list[dict[str, Any]], data: Path) -> None:
    """Prints the accuracy of each model for both ways of splitting, and their difference."""
    with data.open(newline="") as file:
        names = [row["source"] for row in csv.DictReader(file)]
    sources = np.unique(names, return_inverse=True)[1]
    for model in MODELS:
        means = {}
        for split in SPLITS:
            found = correct((one for one in done if (one["model"], one["split"]) == (model, split)), len(names))
            if len(found):
                means[split] = found.mean(0)
                seeds = ", ".join(f"{100 * one:.1f}" for one in found.mean(1))
                print(f"{model} by {split}: {_shown(means[split], sources)}; seeds {seeds}")
        if len(means) == len(SPLITS):
            print(f"{model}, by clip minus by source: {_shown(means['clip'] - means['source'], sources)}")


def _shown(right: NDArray[np.float64], sources: NDArray[np.int64]) -> str:
    low, high = interval(right, sources)
    return f"{100 * right.mean():.1f}% ({100 * low:.1f} to {100 * high:.1f})"


def time_decoding(data: Path, encoder: str, frames: int, side: int) -> dict[str, Any]:
    """Milliseconds of a video: to decode it, as frames and as clips; and in an update of this net, to read it for the
    batch and to compute the gradient."""
    with data.open(newline="") as file:
        paths = [data.parent / row["file"] for row in csv.DictReader(file)][:TIMED]
    found: dict[str, Any] = {"encoder": encoder, "frames": frames, "side": side}
    readers: dict[str, Callable[[Path], object]] = {
        "frames_ms": lambda path: read_frames(path, frames, side, side),
        "clips_ms": lambda path: read_clips(path, CLIPS, frames, side, side),
    }
    for name, read in readers.items():
        started = time.perf_counter()
        for path in paths:
            read(path)
        found[name] = round(1e3 * (time.perf_counter() - started) / len(paths), 1)
    with tempfile.TemporaryDirectory() as made:
        training: Any = unrolled.Training(
            data, input="file", output="label", encoder=encoder, model=encoder, frames=frames, image_size=side,
            steps=6, rows=3 * TIMED, batch_size=ROWS, threads=1, out=f"{made}/run",
        )  # fmt: skip
        task: Any = training.task
        plan = task.make_plan("cpu", 1, None)
        model, batches = task.make_model(plan).train(), task.make_batches(plan)
        reading, updating = 0.0, 0.0
        for k in range(UPDATES):
            started = time.perf_counter()
            batch = batches.batch(k)
            reading += time.perf_counter() - started
            started = time.perf_counter()
            loss, _ = model.loss(batch, model.start(ROWS))
            loss.backward()
            updating += time.perf_counter() - started
        found["batch_ms"], found["update_ms"] = (round(1e3 * one / UPDATES / ROWS, 1) for one in (reading, updating))
        training.run.release()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", default="none", help="the folder that keeps features of frames")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/videos.jsonl"))
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--speed", metavar="NET")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--side", type=int, default=112)
    options = parser.parse_args()
    if options.speed:
        print(json.dumps(time_decoding(options.data, options.speed, options.frames, options.side)))
        return
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    known = {(one["split"], one["model"], one["seed"], one["fold"]) for one in done}
    if options.summary:
        summarise(done, options.data)
        return
    cells = [(seed, model, split, fold) for seed in options.seeds for model in options.models for split in SPLITS
             for fold in range(1, FOLDS + 1)]  # fmt: skip
    with tempfile.TemporaryDirectory() as made:
        for seed, model, split, fold in cells:
            if (split, model, seed, fold) in known:
                continue
            line: dict[str, Any] = {"split": split, "model": model, "seed": seed, "fold": fold}
            line |= run(options.data, split, model, seed, fold, options.cache, Path(made))
            line |= {"processor": processor_name(), "date": time.strftime("%Y-%m-%d")}
            with options.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            rows, wrong = len(line["rows"]), len(line["wrong"])
            print(f"{model} by {split}, seed {seed}, fold {fold}: {rows - wrong} of {rows} right", flush=True)


if __name__ == "__main__":
    main()
