"""Translation quality for a budget in minutes: one context vector, additive attention, and a transformer.

python benchmarks/translating.py train.tsv --valid valid.tsv --minutes 40 --seeds 0
python benchmarks/translating.py train.tsv --valid valid.tsv --draw runs/de-en --draw-rows 0,3 --svg attention.svg

The columns are de and en. The validation split, which is not trained on, selects the best weights and the decoding;
the metrics are on all of its rows. One JSON line per training is appended to benchmarks/translating.jsonl; results
that are there are not run again. Runs stay in --runs, and a stopped one is resumed. --draw plots the attention
weights of a run for some rows of the validation split (extra `plot`).
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
from unrolled.tasks.requests import InferenceInput

WAYS: dict[str, dict[str, Any]] = {
    "context": {"model": "lstm", "attention": "none"},
    "additive": {"model": "lstm", "attention": "additive"},
    "transformer": {"model": "transformer", "attention": "multihead"},
}
COLUMNS: dict[str, Any] = {"input": "de", "output": "en", "task": "seq2seq", "input_type": "text", "test": "none"}


def train(data: Path, out: Path, started: float, options: dict[str, Any]) -> None:
    """Trains to the end; a stopped run is resumed."""
    if (out / "run.json").exists():
        if unrolled.load(out).facts["status"] == "finished":
            return
        training = Training.resume(out, started=started)
    else:
        training = Training(data, out=str(out), started=started, **COLUMNS, **options)
    for _ in training:
        pass


def measure(data: Path, valid: Path, out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """One training and its results."""
    train(data, out, time.monotonic(), options | {"valid": str(valid)})
    run = unrolled.load(out)
    score = run.evaluate(valid).to_dict()
    figures = score["outputs"]["en"]
    plan, reports = run.folder.log.read_plans()[-1], run.folder.log.read_reports()
    names = ("bleu", "bleu_interval", "chrf", "chrf_interval", "nats", "perplexity", "generation", "bleu_by_length")
    sizes = ("model", "hidden_size", "layers", "batch_size", "steps", "dropout", "smoothing", "learning_rate",
             "threads", "precision")  # fmt: skip
    return {
        **{name: figures[name] for name in names},
        "baselines": {name: {"bleu": one["bleu"], "chrf": one["chrf"]} for name, one in score["baselines"].items()},
        "plan": {name: plan[name] for name in sizes},
        "parameters": run.info()["parameters"],
        "seconds": round(run.facts["seconds"], 1),
        "curve": [(round(one["seconds"], 1), one["validation"]) for one in reports if "validation" in one],
    }


def draw(run: Path, valid: Path, rows: list[int], svg: Path) -> None:
    """Plots a run's attention weights for some rows, as an SVG file."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "unrolled", "font.size": 8}
    loaded = unrolled.load(run)
    given: list[InferenceInput] = [
        one for place, one in enumerate(loaded.read_input(str(valid)) or ()) if place in rows
    ]
    figure, places = plt.subplots(1, len(given), figsize=(5.5 * len(given), 5), squeeze=False, layout="constrained")
    for axes, prediction in zip(places[0], loaded.predict(given, show_attention=True), strict=True):
        attention = prediction.texts[next(iter(loaded.outputs))].attention
        if attention is None:
            raise RuntimeError("the prediction has no attention weights")
        axes.imshow(attention.weights, cmap="Greys", vmin=0.0, vmax=1.0)
        source, target = (
            [one.strip() or mark for one in names]
            for names, mark in ((attention.source_tokens, "·"), (attention.target_tokens, "(end)"))
        )
        axes.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(len(target)), target)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axes.set_xlabel(f"{' '.join(loaded.facts['scores']['model'].split())}: darker is a larger weight")
    figure.savefig(svg, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int, help="updates, instead of minutes, for a quick test")
    parser.add_argument("--hidden-size", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--runs", type=Path, default=Path("runs/translating"))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/translating.jsonl"))
    parser.add_argument("--draw", type=Path, help="a run: plot its attention weights, without training")
    parser.add_argument("--draw-rows", default="0,3", help="rows of the validation split, from 0")
    parser.add_argument("--svg", type=Path, default=Path("docs/attention.svg"))
    options = parser.parse_args()
    if options.draw is not None:
        draw(options.draw, options.valid, [int(row) for row in options.draw_rows.split(",")], options.svg)
        return
    minutes = options.minutes if options.minutes or options.steps else 40.0
    budget = {"minutes": minutes, "steps": options.steps, "hidden_size": options.size, "threads": options.threads}
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = [(line["data"], line["way"], line["seed"], line["budget"]) for line in map(json.loads, lines)]
    name = f"{options.data.resolve().parent.name}/{options.data.name}"
    for seed, way in product(map(int, options.seeds.split(",")), options.ways.split(",")):
        if (name, way, seed, budget) in known:
            continue
        length = f"{minutes:g}m" if minutes else f"{options.steps}u"
        out = options.runs / f"{name.replace('/', '-')}-{way}-{seed}-{length}-{options.size or 'planned'}"
        found = measure(options.data, options.valid, out, WAYS[way] | budget | {"seed": seed})
        where = {"date": time.strftime("%Y-%m-%d"), "system": platform.machine(), "torch": torch.__version__}
        line = json.dumps(
            {"data": name, "way": way, "seed": seed, "budget": budget} | found | where
            | {"processor": processor_name()}
        )  # fmt: skip
        options.results.parent.mkdir(parents=True, exist_ok=True)
        with options.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
