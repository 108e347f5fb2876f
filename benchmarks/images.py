"""Nets for images on CIFAR-10: trials of their recipes within the first 4,000 pictures of a file.

python benchmarks/images.py --data shared/data/cifar/train.npz                  # all trials that are missing
python benchmarks/images.py --data shared/data/cifar/train.npz --only rate-     # those whose names begin so

A trial trains on 3,200 of these pictures for a number of pictures seen, and is scored on the other 800. Rows after
the first 4,000 are the test split and are not read. A trial changes values of the recipe or the plan.
Appends one JSON line per trial; results that are there are not run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import unrolled
from unrolled.data.modalities.base import Recipe
from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.environment import processor_name
from unrolled.training.plan import Plan

CHOSEN_WITHIN = 4_000  # rows; the others are the test split
VALIDATION = 0.2  # share of these
NARROW, WIDE, TUNED = "cifar-resnet20", "cifar-resnet20:width=2", "efficientnet-lite0"
FROM_IMAGENET: dict[str, Any] = {"init_from": "imagenet"}
RARELY = {"report_every": 10, "validate_every": 50, "save_every": 100}  # validation takes long


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training: its net, how many pictures it sees, and the values that differed from the recipe of the day."""

    name: str
    encoder: str
    pictures: int
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)  # fields of `Recipe` or `Plan`
    options: dict[str, Any] = dataclasses.field(default_factory=dict)  # of the training


def trials() -> list[Trial]:
    """All trials: of nets that train from nothing, and of fine-tuning."""
    return [
        Trial("base", NARROW, 96_000, {"smoothing": 0.0}),
        Trial("smooth", NARROW, 96_000, {"smoothing": 0.1}),
        Trial("wide-smooth", WIDE, 96_000, {"smoothing": 0.1}),
        Trial("tuned-early", TUNED, 12_800, RARELY, FROM_IMAGENET | {"freeze": "early"}),
        Trial("tuned-all", TUNED, 12_800, RARELY, FROM_IMAGENET),
    ]


def run(trial: Trial, data: Path, folder: Path, seed: int, threads: int) -> dict[str, Any]:
    """One trial, with its scores on the validation split."""
    kind = "fine_tuning" if "init_from" in trial.options else "recipe"
    usual: Recipe = getattr(PixelFeaturizer, kind)
    recipe = usual._replace(**{name: value for name, value in trial.changes.items() if name in Recipe._fields})
    setattr(PixelFeaturizer, kind, recipe)
    try:
        started, used = time.monotonic(), time.process_time()
        training = unrolled.Training(
            data, encoder=trial.encoder, steps=max(1, trial.pictures // recipe.batch_size), valid=str(VALIDATION),
            test="none", seed=seed, threads=threads, out=str(folder / f"run-{trial.name}-{seed}"), **trial.options,
        )  # fmt: skip
    finally:
        setattr(PixelFeaturizer, kind, usual)
    assert training.monitor is not None
    names = {field.name for field in dataclasses.fields(Plan)}
    changed = {name: value for name, value in trial.changes.items() if name in names}
    training.monitor.plans[:] = [dataclasses.replace(plan, **changed) for plan in training.monitor.plans]
    curve = [[one.step, round(one.validation, 3)] for one in training if one.validation is not None]
    if training.summary is None:
        raise SystemExit(f"{trial.name}: the training was stopped before its end")
    found = training.summary.to_dict()
    (output,) = found["outputs"].values()
    scores = {found["model"]: output} | output["others"] | output["baselines"]
    return {
        "accuracy": {name: round(one["accuracy"], 4) for name, one in scores.items()},
        "nats": {name: round(one["nats"], 4) for name, one in scores.items()},
        "validation_rows": output["rows"],
        "core_seconds": round(time.process_time() - used),
        "seconds": round(time.monotonic() - started),
        "curve": curve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("shared/data/cifar/train.npz"))
    parser.add_argument("--only", nargs="+", default=[""], help="only trials whose names begin with these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/images.jsonl"))
    options = parser.parse_args()
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    known = {(line["name"], line["seed"]) for line in done}
    with tempfile.TemporaryDirectory() as made, np.load(options.data) as arrays:
        folder = Path(made)
        rows = folder / "chosen-within.npz"
        np.savez(rows, **{name: arrays[name][:CHOSEN_WITHIN] for name in arrays.files})
        for trial in trials():
            for seed in options.seeds:
                if (trial.name, seed) in known or not trial.name.startswith(tuple(options.only)):
                    continue
                head = dataclasses.asdict(trial) | {"seed": seed, "threads": options.threads}
                found = run(trial, rows, folder, seed, options.threads)
                line = head | found | {"processor": processor_name(), "date": time.strftime("%Y-%m-%d")}
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
