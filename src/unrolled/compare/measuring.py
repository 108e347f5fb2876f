"""The score and the costs of a finished training, and their means over seeds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled import fileio
from unrolled.compare.streaming import STEPS, state_bytes
from unrolled.data import split_rows
from unrolled.errors import DataError, InputError, RunError
from unrolled.metrics.surprise import evaluate
from unrolled.run import LanguageModelingRun, load
from unrolled.rundir.folder import RunFolder

MOST_TOKENS = 100_000  # maximum tokens of the validation split, for timing and state


def is_finished(path: Path) -> bool:
    """Whether there is a finished run."""
    return (path / "run.json").exists() and RunFolder.open(path).facts["status"] == "finished"


def last_report(path: Path) -> str:
    """The progress of a training in a line, from its newest report."""
    try:
        report = fileio.read_json_lines(path / "log.jsonl")[-1]
    except (OSError, IndexError, InputError):
        return "reading the text and measuring this machine"
    validation = f", validation {report['validation']:.3f}" if "validation" in report else ""
    return f"{report['progress']:.0%}, loss {report['loss']:.3f}{validation}"


def load_model(path: Path) -> LanguageModelingRun:
    """A run of the comparison. Raises RunError where the folder has a run of another task."""
    run = load(path, "cpu")
    if not isinstance(run, LanguageModelingRun):
        raise RunError(f"{path} has a run of kind '{run.kind}', which is not of this comparison. Give another --out.")
    return run


def validation_tokens(run: LanguageModelingRun) -> Any:
    """The tokens of a run's validation split, in order (N,); at most `MOST_TOKENS`."""
    corpus = run.read_corpus()
    chunks = [inputs for inputs, _ in split_rows(corpus, "validation", MOST_TOKENS)]
    if not chunks or not sum(map(len, chunks)):
        raise DataError(
            "The text is too short for a validation split, and models are compared on it. Give a longer text."
        )
    return np.concatenate(chunks)


def measure(path: Path) -> dict[str, Any]:
    """The score and the costs of a finished run, on its validation split."""
    run = load_model(path)
    tokens = validation_tokens(run)
    corpus = run.read_corpus()
    score = evaluate(run.model, split_rows(corpus, "validation"), run.table.characters)
    reports = run.folder.log.read_reports()
    stream: Tensor = torch.from_numpy(np.resize(tokens, STEPS[-1]).astype(np.int64))
    speeds = [report["tokens_per_second"] for report in reports if report.get("tokens_per_second")]
    facts, reach = run.info(), run.reach()
    return {
        "nats": score.nats, "nats_interval": [score.low, score.high], "accuracy": score.accuracy,
        "parameters": facts["parameters"], "seconds": facts.get("seconds"),
        "state_bytes": {str(steps): count for steps, count in state_bytes(run.model, stream).items()},
        "tokens_per_second": statistics.median(speeds) if speeds else None,
        "reach": reach.to_dict(),
        "curve": [[r["seconds"], r["validation"]] for r in reports if "validation" in r],
    }  # fmt: skip


def mean_over_seeds(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean score over seeds and the medians of the costs; `spread` is the lowest and the highest score."""
    finished = [result for result in results if "failed" not in result]
    facts: dict[str, Any] = {"seeds": [result["seed"] for result in finished]}
    if len(finished) < len(results):
        facts["failed"] = next(result["failed"] for result in results if "failed" in result)
    if not finished:
        return facts
    score = "nats" if "nats" in finished[0] else "accuracy"
    values = [result[score] for result in finished]
    facts |= {score: statistics.fmean(values), "spread": [min(values), max(values)], "by_seed": values}
    if score == "nats":
        intervals = [result["nats_interval"] for result in finished if None not in result["nats_interval"]]
        # a text that is too small for an interval has none, with any seed
        ends = [statistics.fmean(values) for values in zip(*intervals, strict=True)]
        facts["nats_interval"] = ends or None
    for name in ("parameters", "tokens_per_second", "ms_per_token", "peak_bytes", "seconds", "chance_accuracy"):
        known = [result[name] for result in finished if result.get(name) is not None]
        if known:
            facts[name] = statistics.median(known)
    reaches = [result["reach"]["reach"] for result in finished if "reach" in result]
    if reaches:
        facts["reach_tokens"] = statistics.median(reaches)
    for name in ("state_bytes", "reach", "curve"):
        if name in finished[0]:
            facts[name] = finished[0][name]
    return facts
