"""Helpers that train runs and compare them, for tests."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from unrolled.run import Training

TINY_TEXT_MODEL: dict[str, Any] = {"hidden_size": 16, "batch_size": 4, "window": 16, "dropout": 0.2, "threads": 1}
CLOCKS = ("seconds", "seconds_left", "tokens_per_second", "bytes_in_use")  # of a report


def finish(training: Training, stop: int | None = None) -> Training:
    """Trains to the end, or stops after the report of this update."""
    for report in training:
        if report.step == stop:
            training.stop()
    return training


def write_text(path: Path) -> None:
    """A small text with regularities to learn."""
    words = random.Random(0)
    path.write_text(" ".join(words.choice(["the", "cat", "sat", "on", "a", "mat,"]) for _ in range(2000)))


def check_same_bytes(one: Path, other: Path, but: tuple[str, ...] = CLOCKS) -> None:
    """Checks that two runs have the same files, byte for byte, except for some fields of the reports, such as clock
    times."""
    for name in ("model.safetensors", "samples.txt", "plan.jsonl", "vocabulary.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (one, other)]
    without = [[{k: v for k, v in report.items() if k not in (*but, "checksum")} for report in log] for log in logs]
    assert without[0] == without[1]
    kept = [{p.name: p.read_bytes() for p in (run / "checkpoint").iterdir()} for run in (one, other)]
    assert kept[0] == kept[1]
