"""Metrics of classification: accuracy, macro-F1, a confusion table, and the calibration error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

BINS = 15  # of the expected calibration error
RESAMPLED = 1000  # bootstrap samples for an interval
FEWEST_DRAWN = 100  # bootstrap samples, even past the deadline: a 95% interval ends at the third from either side
Z = 1.959964  # of 95%
MOST_IN_TABLE = 50  # labels for which run.json keeps the whole confusion table; else the most frequent mistakes

T = TypeVar("T")


@dataclass(frozen=True)
class LabelScore:
    """Metrics of N predictions, one per row or per word, each with its 95% interval.

    A row whose label does not occur in the training split counts as wrong; the nats leave it out.
    """

    rows: int
    nats: float  # per prediction
    accuracy: float
    accuracy_interval: tuple[float, float]  # Wilson 1927
    macro_f1: float  # mean over the labels that occur in these rows or are predicted
    macro_f1_interval: tuple[float, float]  # bootstrap over rows (Efron 1979)
    calibration_error: float  # ECE: mean distance between confidence and accuracy (Guo et al. 2017)
    labels: tuple[str, ...]
    pairs: tuple[tuple[int, int, int], ...]  # (true, predicted, rows) that occur; true K: unknown in training
    drawn: int = RESAMPLED  # bootstrap samples; fewer where time was short
    span_f1: float | None = None  # of span tags (B-…, I-…, O): a span counts where both ends and its kind are right

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """[true][predicted], (K + 1, K); the last row is for labels unknown in training."""
        table = np.zeros((len(self.labels) + 1, len(self.labels)), np.int64)
        for true, predicted, rows in self.pairs:
            table[true, predicted] = rows
        return tuple(tuple(row) for row in table.tolist())

    @property
    def mistakes(self) -> list[tuple[int, int, int]]:
        """(rows, true, predicted) of the wrong predictions for labels known in training, the most frequent first."""
        known = len(self.labels)
        wrong = [
            (rows, true, predicted) for true, predicted, rows in self.pairs if true < known and predicted != true
        ]
        return sorted(wrong, reverse=True)

    @property
    def line(self) -> str:
        """All metrics as one line."""
        low, high = self.accuracy_interval
        f1_low, f1_high = self.macro_f1_interval
        spans = "" if self.span_f1 is None else f"span F1 {self.span_f1:.3f}, "
        return (
            f"accuracy {self.accuracy:.1%} (95% interval {low:.1%} to {high:.1%}), {spans}macro-F1 "
            f"{self.macro_f1:.3f} ({f1_low:.3f} to {f1_high:.3f}), {self.nats:.3f} nats, calibration error "
            f"{self.calibration_error:.3f}; {self.rows:,} predictions"
        )

    @property
    def short(self) -> str:
        """The main metric, for comparisons."""
        return f"accuracy {self.accuracy:.1%}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1,
            "macro_f1_interval": list(self.macro_f1_interval),
            "calibration_error": self.calibration_error,
            "labels": list(self.labels),
            **self._confusion_facts(),
            **({} if self.drawn == RESAMPLED else {"bootstrap_samples": self.drawn}),
            **({} if self.span_f1 is None else {"span_f1": self.span_f1}),
        }

    def _confusion_facts(self) -> dict[str, Any]:
        """The confusion table, or the most frequent mistakes where there are many labels."""
        if len(self.labels) <= MOST_IN_TABLE:
            return {"confusion_matrix": [list(row) for row in self.confusion]}
        return {
            "most_confused": [
                {"target": self.labels[true], "prediction": self.labels[predicted], "rows": rows}
                for rows, true, predicted in self.mistakes[:MOST_IN_TABLE]
            ]
        }


def score_labels(logs: Floats, targets: Ids, labels: Sequence[str], deadline: Deadline = UNLIMITED) -> LabelScore:
    """The score of log-probabilities (N, K) against targets (N,), which are below 0 for an unknown label."""
    rows, label_count = logs.shape
    predictions, known = logs.argmax(1), targets >= 0
    right = predictions == targets
    cells, counts = np.unique(np.where(known, targets, label_count) * label_count + predictions, return_counts=True)
    true, predicted = np.divmod(cells, label_count)
    nats = -logs[np.flatnonzero(known), targets[known]]
    drawn = bootstrap_f1(true, predicted, counts, label_count, deadline)
    ends = np.quantile(drawn, [0.025, 0.975])
    return LabelScore(
        rows=rows,
        nats=float(nats.mean()) if len(nats) else math.nan,
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), rows),
        macro_f1=macro_f1(true, predicted, counts, label_count),
        macro_f1_interval=(float(ends[0]), float(ends[1])),
        calibration_error=calibration_error(np.exp(logs.max(1)), right),
        labels=tuple(labels),
        pairs=tuple(zip(true.tolist(), predicted.tolist(), counts.tolist(), strict=True)),
        drawn=len(drawn),
    )


def mark_spans(names: Sequence[str]) -> bool:
    """Whether tags mark spans: B-… where one begins, I-… where it goes on, O outside."""
    return "O" in names and all(name == "O" or name[:2] in ("B-", "I-") for name in names)


def spans_of(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """(start, end, kind) of the spans of a row, end exclusive; an I- tag without a span before it begins one."""
    spans, begin, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and (tag == "O" or tag[0] == "B" or tag[2:] != kind):
            spans.add((begin, place, kind))
            kind = ""
        if tag != "O" and not kind:
            begin, kind = place, tag[2:]
    return spans


def span_f1(predicted: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> float:
    """2 · found / (predicted spans + true spans), over rows of tags (Tjong Kim Sang & De Meulder 2003)."""
    found = total = 0
    for predicted_tags, true_tags in zip(predicted, targets, strict=True):
        predicted_spans, true_spans = spans_of(predicted_tags), spans_of(true_tags)
        found += len(predicted_spans & true_spans)
        total += len(predicted_spans) + len(true_spans)
    return 2 * found / total if total else math.nan


def macro_f1(true: Ids, predicted: Ids, counts: Ids, label_count: int) -> float:
    """The mean of 2 · right / (true + predicted) over the labels that occur in these rows or are predicted.

    true, predicted, counts (C,): the number of rows with each pair of labels; true K: unknown in training.
    """
    whole = np.bincount(true, counts, label_count + 1)[:label_count] + np.bincount(predicted, counts, label_count)
    same = true == predicted
    right = np.bincount(true[same], counts[same], label_count)
    present = whole > 0
    return float((2 * right[present] / whole[present]).mean()) if present.any() else math.nan


def bootstrap_f1(
    true: Ids, predicted: Ids, counts: Ids, label_count: int, deadline: Deadline = UNLIMITED
) -> list[float]:
    """Macro-F1 of bootstrap samples of these rows; one sample is in memory at a time."""
    rows = int(counts.sum())
    generator = numpy_generator(0, "bootstrap")
    probabilities = counts / max(1, rows)
    return bootstrap(
        lambda: macro_f1(true, predicted, generator.multinomial(rows, probabilities), label_count), deadline
    )


def bootstrap(draw: Callable[[], T], deadline: Deadline = UNLIMITED) -> list[T]:
    """The results of calling `draw` `RESAMPLED` times; fewer past the deadline, but at least `FEWEST_DRAWN`."""
    found: list[T] = []
    while len(found) < RESAMPLED and (not deadline.passed() or len(found) < FEWEST_DRAWN):
        found.append(draw())
    return found


def calibration_error(probabilities: Floats, right: NDArray[np.bool_]) -> float:
    """|accuracy - mean confidence| over 15 bins of the confidence, weighted by the number of rows (ECE)."""
    place = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    off = np.bincount(place, right, BINS) - np.bincount(place, probabilities, BINS)
    return float(np.abs(off).sum() / max(1, len(probabilities)))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95% interval of a proportion (Wilson 1927)."""
    if not rows:
        return math.nan, math.nan
    share, spread = right / rows, Z**2 / rows
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))  # not beside it by rounding
