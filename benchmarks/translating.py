"""How well a table's texts are translated in so many minutes: one vector for all, looking back, a transformer.

python benchmarks/translating.py train.tsv --valid valid.tsv --minutes 40 --seeds 0
python benchmarks/translating.py train.tsv --valid valid.tsv --draw runs/de-en --draw-rows 0,3 --svg attention.svg

The columns are de and en. Nothing is trained on the validation part, which chooses the best weights and how texts are
written, and is what figures are of, all of its rows. A JSON line a training is appended to
benchmarks/translating.jsonl, and what stands there is not run again; runs stay in --runs, and one that was stopped
goes on. --draw draws what a run looked at while it wrote about some rows of the validation part (extra `plot`).
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch

import unrolled
from unrolled.environment import processor_name
from unrolled.run import Training
from unrolled.tasks.requests import Given

WAYS: dict[str, dict[str, Any]] = {
    "context": {"model": "lstm", "reader": "context"},
    "additive": {"model": "lstm", "reader": "additive"},
    "transformer": {"model": "transformer", "reader": "multihead"},
}
COLUMNS: dict[str, Any] = {"input": "de", "output": "en", "kind": "text", "read": "text", "test": "none"}


def train(data: Path, out: Path, started: float, asked: dict[str, Any]) -> None:
    """A training to its end, from where it stopped."""
    if (out / "run.json").exists():
        if unrolled.load(out).facts["status"] == "finished":
            return
        training = Training.resume(out, started=started)
    else:
        training = Training(data, out=str(out), started=started, **COLUMNS, **asked)
    for _ in training:
        pass


def measure(data: Path, valid: Path, out: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """One training and what it came to."""
    train(data, out, time.monotonic(), asked | {"valid": str(valid)})
    run = unrolled.load(out)
    score = run.evaluate(valid).as_dict()
    figures = score["outputs"]["en"]
    plan, reports = run.folder.read_plans()[-1], run.folder.read_reports()
    names = ("bleu", "bleu_interval", "chrf", "chrf_interval", "nats", "perplexity", "written", "bleu_by_length")
    sizes = ("model", "size", "depth", "batch", "steps", "dropout", "smoothing", "rate", "threads", "precision")
    return {
        **{name: figures[name] for name in names},
        "beside": {name: {"bleu": one["bleu"], "chrf": one["chrf"]} for name, one in score["beside"].items()},
        "plan": {name: plan[name] for name in sizes},
        "parameters": run.info()["parameters"],
        "seconds": round(run.facts["seconds"], 1),
        "curve": [(round(one["seconds"], 1), one["validation"]) for one in reports if "validation" in one],
    }


def draw(run: Path, valid: Path, rows: list[int], svg: Path) -> None:
    """What a run looked at while it wrote about some rows, as a picture."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "unrolled", "font.size": 8}
    loaded = unrolled.load(run)
    given: list[Given] = [one for place, one in enumerate(loaded.read_input(str(valid)) or ()) if place in rows]
    figure, places = plt.subplots(1, len(given), figsize=(5.5 * len(given), 5), squeeze=False, layout="constrained")
    for axes, answer in zip(places[0], loaded.predict(given, attention=True), strict=True):
        looked = answer.texts[next(iter(loaded.outputs))].attention
        if looked is None:
            raise RuntimeError("it was not asked what was looked at")
        axes.imshow(looked.weights, cmap="Greys", vmin=0.0, vmax=1.0)
        read, written = (
            [one.strip() or mark for one in names] for names, mark in ((looked.read, "·"), (looked.written, "(end)"))
        )
        axes.set_xticks(range(len(read)), read, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(written)), written)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axes.set_xlabel(f"{' '.join(loaded.facts['scores']['model'].split())}: the darker, the more it weighed")
    figure.savefig(svg, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int, help="instead of minutes, for a quick look")
    parser.add_argument("--size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=Path, default=Path("runs/translating"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/translating.jsonl"))
    parser.add_argument("--draw", type=Path, help="a run: draw what it looks at, and train nothing")
    parser.add_argument("--draw-rows", default="0,3", help="rows of the validation part, from 0")
    parser.add_argument("--svg", type=Path, default=Path("docs/attention.svg"))
    asked = parser.parse_args()
    if asked.draw is not None:
        draw(asked.draw, asked.valid, [int(row) for row in asked.draw_rows.split(",")], asked.svg)
        return
    minutes = asked.minutes if asked.minutes or asked.steps else 40.0
    budget = {"minutes": minutes, "steps": asked.steps, "size": asked.size, "threads": asked.threads}
    lines = asked.results.read_text().splitlines() if asked.results.exists() else []
    known = [(line["data"], line["way"], line["seed"], line["budget"]) for line in map(json.loads, lines)]
    name = f"{asked.data.resolve().parent.name}/{asked.data.name}"
    for seed, way in product(map(int, asked.seeds.split(",")), asked.ways.split(",")):
        if (name, way, seed, budget) in known:
            continue
        length = f"{minutes:g}m" if minutes else f"{asked.steps}u"
        out = asked.runs / f"{name.replace('/', '-')}-{way}-{seed}-{length}-{asked.size or 'planned'}"
        found = measure(asked.data, asked.valid, out, WAYS[way] | budget | {"seed": seed})
        where = {"date": time.strftime("%Y-%m-%d"), "system": platform.machine(), "torch": torch.__version__}
        line = json.dumps(
            {"data": name, "way": way, "seed": seed, "budget": budget} | found | where
            | {"processor": processor_name()}
        )  # fmt: skip
        asked.results.parent.mkdir(parents=True, exist_ok=True)
        with asked.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
