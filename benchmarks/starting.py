"""The value of unlabelled texts where labels are few: training from scratch, and from a language model's memory.

python benchmarks/starting.py reviews/train.csv --minutes 4
python benchmarks/starting.py names/train.csv --minutes 4 --tokenizer char --hidden-size 256 --layers 2

A language model is trained on the texts of all rows but 2,000, without their labels. Then classifiers are trained on
100, 500 and 2,000 of those rows with their labels: from scratch, from the language model (`--init-from`), and from
it with its encoder frozen, all of one size. Scores are accuracies on the 2,000 held-out rows. One JSON line per
training is appended to benchmarks/starting.jsonl; results that are there are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import unrolled
from unrolled.environment import processor_name
from unrolled.tasks.language_modeling.summary import LanguageModelingSummary
from unrolled.tasks.prediction.summary import PredictionSummary

HELD_OUT = 2_000  # rows
STARTS: dict[str, dict[str, Any]] = {"nothing": {}, "language": {}, "language, frozen": {"freeze": "encoder"}}


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """Writes rows as a csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def train_language_model(
    folder: Path, texts: list[str], minutes: float, tokens: str, threads: int | None, shape: dict[str, Any]
) -> dict[str, float | None]:
    """Trains the language model; returns its and the n-gram's nats per character."""
    path = folder / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    training = unrolled.Training(
        path, minutes=minutes, documents="line", tokenizer=tokens, test="none", out=str(folder / "language"),
        threads=threads, **shape,
    )  # fmt: skip
    for _ in training:
        pass
    summary = training.summary
    if not isinstance(summary, LanguageModelingSummary):
        raise SystemExit("the language model was stopped before its end")
    return {"validation": summary.validation, "n-gram": summary.baseline}


def measure(folder: Path, rows: list[dict[str, str]], start: str, options: dict[str, Any]) -> dict[str, Any]:
    """One training on these rows and its results on the held-out rows."""
    data = write_table(folder / "few.csv", rows)
    source = {} if start == "nothing" else {"init_from": str(folder / "language")}
    started = time.monotonic()
    out = folder / "run"
    settings: dict[str, Any] = {**source, **STARTS[start], **options}
    training = unrolled.Training(data, valid="0.2", test=str(folder / "held.csv"), out=str(out), **settings)
    for _ in training:
        pass
    summary = training.summary
    if not isinstance(summary, PredictionSummary):
        raise SystemExit(f"{start}: the training was stopped before its end")
    scores = {name: score.to_dict()["accuracy"] for name, score in summary.scores["label"].items()}
    for file in sorted(out.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    out.rmdir()
    return {"selected": summary.model, "accuracy": scores, "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rows", default="100,500,2000")
    parser.add_argument("--minutes", type=float, default=4.0, help="of the language model")
    parser.add_argument("--each", type=float, default=1.0, help="minutes of each training on labels, at most")
    parser.add_argument("--tokenizer", default="word", help="of the language model")
    parser.add_argument("--hidden-size", type=int, default=128, help="units of a layer")
    parser.add_argument("--layers", type=int, default=1, help="layers")
    parser.add_argument("--threads", type=int, help="of every training")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/starting.jsonl"))
    options = parser.parse_args()
    shape = {"model": "lstm", "hidden_size": options.size, "layers": options.depth}
    key = {"data": f"{options.data.resolve().parent.name}/{options.data.name}", "tokens": options.tokens, **shape,
            "minutes": options.minutes, "each": options.each}  # fmt: skip
    lines = options.results.read_text().splitlines() if options.results.exists() else []
    known = [json.loads(line) for line in lines]
    counts = [int(count) for count in options.rows.split(",")]
    every = [
        {"start": start, "rows": count, "seed": seed, **key}
        for seed in map(int, options.seeds.split(","))
        for count in counts
        for start in STARTS
    ]
    cells = [facts for facts in every if not any(facts.items() <= line.items() for line in known)]
    if not cells:
        return
    with options.data.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    held, others = rows[:HELD_OUT], rows[HELD_OUT:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "held.csv", held)
        texts = [row["text"].replace("\n", " ") for row in others]
        pretrained = train_language_model(folder, texts, options.minutes, options.tokens, options.threads, shape)
        for facts in cells:
            chosen = random.Random(facts["seed"]).sample(others, max(counts))[: facts["rows"]]
            how = {"seed": facts["seed"], "minutes": options.each, "threads": options.threads, **shape}
            found = measure(folder, chosen, facts["start"], how)
            where = {"processor": processor_name(), "date": time.strftime("%Y-%m-%d"), "system": platform.machine(),
                     "torch": torch.__version__}  # fmt: skip
            line = json.dumps(facts | {"language": pretrained} | found | where)
            with options.results.open("a") as file:
                file.write(line + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
