"""Quality of predictions for a table's rows: the model that `train` selects, the net alone, the linear model alone.

python benchmarks/tables.py reviews.csv --seeds 0,1,2 --minutes 5
python benchmarks/tables.py train.conllu --valid dev.conllu --minutes 15
python benchmarks/tables.py train-images-idx3-ubyte.gz --stem plain --minutes 10

All rows but the validation split are used for training. The metrics are on the validation split, by which the best
weights and the ensemble's weights are chosen too (each half is combined with weights fitted on the other). One JSON
line per training is appended to benchmarks/tables.jsonl; results that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import unrolled
from unrolled.environment import processor_name
from unrolled.run.cross_validation import FIGURES
from unrolled.tasks.prediction.summary import PredictionSummary


def measure(data: Path, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """One training and its results."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        training = unrolled.Training(data, seed=seed, test="none", out=f"{folder}/run", started=started, **options)
        for _ in training:
            pass
        seconds, summary = time.monotonic() - started, training.summary
        plan, reports = training.run.log.read_plans()[-1], training.run.log.read_reports()
    assert isinstance(summary, PredictionSummary)
    figures = {
        output: {
            name: {figure: value for figure, value in score.to_dict().items() if figure in FIGURES}
            for name, score in scores.items()
        }
        for output, scores in summary.scores.items()
    }
    rows = next(iter(next(iter(summary.scores.values())).values())).rows
    return {
        "selected": summary.model, "figures": figures, "validated": rows, "seconds": round(seconds, 1),
        "steps": plan["steps"], "hidden_size": plan["hidden_size"], "layers": plan["layers"],
        "dropout": plan["dropout"],
        "processor": processor_name(), "threads": plan["threads"],
        "curve": [(round(one["seconds"], 1), one["validation"]) for one in reports if "validation" in one],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--valid", help="a table, or a share")
    parser.add_argument("--stem", default="auto", help="stem for audio and images: auto, or plain")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/tables.jsonl"))
    options = parser.parse_args()
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = [json.loads(line) for line in lines]
    name = f"{options.data.resolve().parent.name}/{options.data.name}"
    for seed in map(int, options.seeds.split(",")):
        key = {"data": name, "seed": seed, "minutes": options.minutes, "stem": options.stem}
        if any(key.items() <= line.items() for line in known):
            continue
        how = {
            "minutes": options.minutes,
            "valid": options.valid,
            "stem": options.stem,
            "threads": options.threads,
        }
        found = measure(options.data, how, seed)
        where = {"date": time.strftime("%Y-%m-%d"), "system": platform.machine(), "torch": torch.__version__}
        line = json.dumps(key | found | where)
        with options.results.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


if __name__ == "__main__":
    main()
