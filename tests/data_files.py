"""Helpers that write data files and read them as a training does, for tests."""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples


def write_csv(path: Path, rows: Iterable[Iterable[object]], header: Iterable[str] = ("text", "label")) -> Path:
    """A table by Python's own writer, which quotes what needs it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_lines(path: Path, header: str, rows: Iterable[str]) -> Path:
    """A header and rows as they are given."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def write_rows(path: Path, header: str, row: Callable[[int], str], count: int) -> Path:
    """A header and as many rows, each made from its number."""
    return write_lines(path, header, map(row, range(count)))


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """One JSON object per line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_wav(path: Path, samples: np.ndarray[Any, Any], rate: int = 8_000) -> Path:
    """A mono wav of 16 bits by Python's own writer. samples: from -32768 to 32767."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def read_rows(path: Path, **options: Any) -> Examples:
    """The rows of a table, as a training with these options reads them."""
    return read_examples(path, DatasetOptions(**options))


def output_kind(examples: Examples) -> str:
    """The kind of the first output column."""
    return next(iter(examples.targets.values())).output.kind
