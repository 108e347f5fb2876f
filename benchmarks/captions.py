"""What attention to the places of an image is worth: `none`, `additive` and `multihead`, all else equal.

python benchmarks/captions.py --data shared/data/flickr8k/train.csv --minutes 15 --runs runs/captions

Each is trained for the same minutes. With `--phase "equal updates"` those with fewer updates are then resumed, up to
as many as the one with the most. Scores are those of the net on the test split that is drawn from the file, with 95%
intervals over images. Appends one JSON line per training; results that are there are not run again. The run folders
are kept in --runs for resuming.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import unrolled
from unrolled.environment import processor_name

ATTENTIONS = ("none", "additive", "multihead")
BATCH = 48  # texts: as many as additive attention fits into memory by default
IN_MINUTES, RESUMED = "equal minutes", "equal updates"
FIGURES = ("plain_bleu_1", "plain_bleu_4", "cider_d")


def finish(training: unrolled.Training) -> dict[str, Any]:
    """Train to the end; the scores of the net, and what they cost."""
    started, used = time.monotonic(), time.process_time()
    nats = [report.validation for report in training if report.validation is not None]
    if training.summary is None:
        raise SystemExit("The training was stopped. Run the same command again.")
    found = training.summary.to_dict()
    (output,) = found["outputs"].values()
    scores = {name: output[name] for name in FIGURES} | {
        f"{name}_interval": output[f"{name}_interval"] for name in FIGURES
    }
    return {
        "updates": training.training_state.step,
        "validation_nats": round(min(nats), 4),
        "way": found["selected"],
        "texts": output["rows"],
        **scores,
        "greedy_and_beam": {
            name: {figure: one[figure] for figure in FIGURES} for name, one in output["others"].items()
        },
        "seconds": round(time.monotonic() - started),
        "core_seconds": round(time.process_time() - used),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("shared/data/flickr8k/train.csv"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--only", nargs="+", choices=ATTENTIONS, default=ATTENTIONS)
    parser.add_argument("--phase", choices=(IN_MINUTES, RESUMED), default=IN_MINUTES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", help="folder of image features")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/captions.jsonl"))
    options = parser.parse_args()
    lines = (
        [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    )
    done = {
        (line["attention"], line["phase"]): line
        for line in lines
        if (line["seed"], line["minutes"]) == (options.seed, options.minutes)
    }
    for attention in options.only:
        if (attention, options.phase) in done:
            continue
        out = options.runs / f"{attention}-{options.seed}"
        if options.phase == IN_MINUTES:
            training = unrolled.Training(
                options.data, minutes=options.minutes, attention=attention, model="lstm", batch_size=BATCH,
                seed=options.seed, threads=options.threads, cache=options.cache, out=str(out),
            )  # fmt: skip
        else:
            most = max(done[one, IN_MINUTES]["updates"] for one in ATTENTIONS)
            left = most - done[attention, IN_MINUTES]["updates"]
            if not left:
                continue
            training = unrolled.Training.resume(out, steps=left)
        head = {"attention": attention, "phase": options.phase, "minutes": options.minutes, "seed": options.seed}
        found = finish(training)
        line = head | found | {
            "threads": options.threads, "processor": processor_name(), "date": time.strftime("%Y-%m-%d"),
        }  # fmt: skip
        with options.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
