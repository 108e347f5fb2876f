"""Scores of labels: how often they are right, label by label, and whether the chances given for them are true."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import ENDLESS, Deadline
from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

BINS = 15  # of the expected calibration error
RESAMPLED = 1000  # times that rows are drawn anew for an interval
FEWEST_DRAWN = 100  # of them, however late it is: the ends of an interval of 95% are the third from either side
Z = 1.959964  # of 95%
MOST_IN_TABLE = (
    50  # labels of which run.json keeps which is taken for which in a table; of more, what is confused most
)

T = TypeVar("T")


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
    pairs: tuple[tuple[int, int, int], ...]  # (true, answered, rows) that occur; true K: not known in training
    drawn: int = RESAMPLED  # times that rows were drawn anew; fewer where time was short
    span_f1: float | None = (
        None  # of tags that mark spans (B-…, I-…, O): a span counts where both ends and kind are right
    )

    @property
    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """[true][answered], (K + 1, K); a last row for labels not known in training."""
        table = np.zeros((len(self.labels) + 1, len(self.labels)), np.int64)
        for true, answered, rows in self.pairs:
            table[true, answered] = rows
        return tuple(tuple(row) for row in table.tolist())

    @property
    def mistakes(self) -> list[tuple[int, int, int]]:
        """(rows, true, answered) of labels known in training that were taken for another, the most first."""
        wrong = [(rows, true, said) for true, said, rows in self.pairs if true != said and true < len(self.labels)]
        return sorted(wrong, reverse=True)

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
            **self._confused(),
            **({} if self.drawn == RESAMPLED else {"resampled": self.drawn}),
            **({} if self.span_f1 is None else {"span_f1": self.span_f1}),
        }

    def _confused(self) -> dict[str, Any]:
        """Which labels are taken for which: a table of few, the most frequent mistakes of many."""
        if len(self.labels) <= MOST_IN_TABLE:
            return {"confusion": [list(row) for row in self.confusion]}
        return {
            "confused": [
                {"right": self.labels[true], "answer": self.labels[said], "rows": rows}
                for rows, true, said in self.mistakes[:MOST_IN_TABLE]
            ]
        }


def score_labels(logs: Floats, answers: Ids, labels: Sequence[str], deadline: Deadline = ENDLESS) -> LabelScore:
    """The score of log-chances (N, K) beside the right answers (N,), below 0 where not among the K labels."""
    rows, kinds = logs.shape
    answered, known = logs.argmax(1), answers >= 0
    right = answered == answers
    cells, counts = np.unique(np.where(known, answers, kinds) * kinds + answered, return_counts=True)
    true, said = np.divmod(cells, kinds)
    nats = -logs[np.flatnonzero(known), answers[known]]
    drawn = resampled_f1(true, said, counts, kinds, deadline)
    ends = np.quantile(drawn, [0.025, 0.975])
    return LabelScore(
        rows=rows,
        nats=float(nats.mean()) if len(nats) else math.nan,
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), rows),
        macro_f1=macro_f1(true, said, counts, kinds),
        macro_f1_interval=(float(ends[0]), float(ends[1])),
        calibration_error=calibration_error(np.exp(logs.max(1)), right),
        labels=tuple(labels),
        pairs=tuple(zip(true.tolist(), said.tolist(), counts.tolist(), strict=True)),
        drawn=len(drawn),
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


def macro_f1(true: Ids, said: Ids, counts: Ids, kinds: int) -> float:
    """The mean over labels that stand in these rows or are answered of 2 · right / (true + answered).

    true, said, counts (C,): how many rows have a label and are answered with one; true K: not known in training.
    """
    whole = np.bincount(true, counts, kinds + 1)[:kinds] + np.bincount(said, counts, kinds)
    same = true == said
    right = np.bincount(true[same], counts[same], kinds)
    met = whole > 0
    return float((2 * right[met] / whole[met]).mean()) if met.any() else math.nan


def resampled_f1(true: Ids, said: Ids, counts: Ids, kinds: int, deadline: Deadline = ENDLESS) -> list[float]:
    """Macro-F1 over rows drawn anew from these, again and again, one draw in memory at a time."""
    rows = int(counts.sum())
    dice = numpy_generator(0, "bootstrap")
    chances = counts / max(1, rows)
    return draw_anew(lambda: macro_f1(true, said, dice.multinomial(rows, chances), kinds), deadline)


def draw_anew(figure: Callable[[], T], deadline: Deadline = ENDLESS) -> list[T]:
    """What `figure` gives `RESAMPLED` times, or as often as there was time for, `FEWEST_DRAWN` times at least."""
    found: list[T] = []
    while len(found) < RESAMPLED and (not deadline.passed() or len(found) < FEWEST_DRAWN):
        found.append(figure())
    return found


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
