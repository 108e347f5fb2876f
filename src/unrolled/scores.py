"""Scores of labels: how often they are right, label by label, and whether the chances given for them are true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

BINS = 15  # of the expected calibration error
RESAMPLED = 1000  # times that rows are drawn anew for an interval
Z = 1.959964  # of 95%


@dataclass(frozen=True)
class LabelScore:
    """How good N answers are, a row's or a word's, each figure with its 95% interval over answers like these.

    Rows with a label that the training part lacks are wrong whatever is answered; nats leave them out.
    """

    rows: int
    nats: float  # an answer
    accuracy: float
    accuracy_interval: tuple[float, float]  # Wilson 1927
    macro_f1: float  # mean over the labels that these rows have
    macro_f1_interval: tuple[float, float]  # rows drawn anew (Efron 1979)
    calibration_error: float  # ECE: mean distance of the chance given from the share right (Guo et al. 2017)
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][answered]; a last row for labels not known in training
    span_f1: float | None = (
        None  # of tags that mark spans (B-…, I-…, O): a span counts where both ends and kind are right
    )

    @property
    def line(self) -> str:
        """The figures in a line."""
        low, high = self.accuracy_interval
        f1_low, f1_high = self.macro_f1_interval
        spans = "" if self.span_f1 is None else f"span F1 {self.span_f1:.3f}, "
        return (
            f"{self.accuracy:.1%} right (95% interval {low:.1%} to {high:.1%}), {spans}macro-F1 {self.macro_f1:.3f} "
            f"({f1_low:.3f} to {f1_high:.3f}), {self.nats:.3f} nats, calibration error {self.calibration_error:.3f}; "
            f"{self.rows:,} answers"
        )

    @property
    def short(self) -> str:
        """The figure by which it stands beside others."""
        return f"{self.accuracy:.1%} right"

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1,
            "macro_f1_interval": list(self.macro_f1_interval),
            "calibration_error": self.calibration_error,
            "labels": list(self.labels),
            "confusion": [list(row) for row in self.confusion],
            **({} if self.span_f1 is None else {"span_f1": self.span_f1}),
        }


def score_labels(logs: Floats, answers: Ids, labels: Sequence[str]) -> LabelScore:
    """The score of log-chances (N, K) beside the right answers (N,), below 0 where not among the K labels."""
    rows, kinds = logs.shape
    answered, known = logs.argmax(1), answers >= 0
    right = answered == answers
    confusion = np.zeros((kinds + 1, kinds), np.int64)
    np.add.at(confusion, (np.where(known, answers, kinds), answered), 1)
    nats = -logs[np.flatnonzero(known), answers[known]]
    return LabelScore(
        rows=rows,
        nats=float(nats.mean()) if len(nats) else math.nan,
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), rows),
        macro_f1=macro_f1(confusion),
        macro_f1_interval=resampled_f1(confusion),
        calibration_error=calibration_error(np.exp(logs.max(1)), right),
        labels=tuple(labels),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def mark_spans(names: Sequence[str]) -> bool:
    """Whether tags mark spans: B-… where one begins, I-… where it goes on, O outside."""
    return "O" in names and all(name == "O" or name[:2] in ("B-", "I-") for name in names)


def spans_of(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """(first, after the last, kind) of the spans of a row; an I- that goes on with nothing begins one."""
    spans, begin, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and (tag == "O" or tag[0] == "B" or tag[2:] != kind):
            spans.add((begin, place, kind))
            kind = ""
        if tag != "O" and not kind:
            begin, kind = place, tag[2:]
    return spans


def span_f1(answered: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> float:
    """2 · found / (spans answered + spans there are), over rows of tags (Tjong Kim Sang & De Meulder 2003)."""
    found = whole = 0
    for said, true in zip(answered, right, strict=True):
        said_spans, true_spans = spans_of(said), spans_of(true)
        found += len(said_spans & true_spans)
        whole += len(said_spans) + len(true_spans)
    return 2 * found / whole if whole else math.nan


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """The mean over labels that stand in these rows or are answered of 2 · right / (true + answered)."""
    kinds = confusion.shape[1]
    right = np.diagonal(confusion[:kinds])
    whole = confusion[:kinds].sum(1) + confusion.sum(0)
    met = whole > 0
    return float((2 * right[met] / whole[met]).mean()) if met.any() else math.nan


def resampled_f1(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """The middle 95% of macro-F1 over rows drawn anew from these."""
    rows = int(confusion.sum())
    dice = numpy_generator(0, "bootstrap")
    drawn = dice.multinomial(rows, confusion.ravel() / max(1, rows), RESAMPLED).reshape(RESAMPLED, *confusion.shape)
    low, high = np.quantile([macro_f1(one) for one in drawn], [0.025, 0.975])
    return float(low), float(high)


def calibration_error(chances: Floats, right: NDArray[np.bool_]) -> float:
    """Over 15 bins of the chance given for the answer: |share right - mean chance|, weighed by rows."""
    place = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    off = np.bincount(place, right, BINS) - np.bincount(place, chances, BINS)
    return float(np.abs(off).sum() / max(1, len(chances)))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    if not rows:
        return math.nan, math.nan
    share, spread = right / rows, Z**2 / rows
    middle = (share + spread / 2) / (1 + spread)
    reach = Z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, middle - reach), min(1.0, middle + reach)
