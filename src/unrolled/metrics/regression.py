"""Scores of numbers that are foreseen: how far off they are, and whether intervals hold what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import ENDLESS, Deadline
from unrolled.metrics.classification import RESAMPLED, draw_anew, wilson
from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]

SHARE = 0.95  # of right answers that an interval is to hold
FEWEST = 20  # answers from which an interval's reach is taken, not a normal distribution's
NORMAL = 1.959964  # deviations that hold 95% of a normal distribution


@dataclass(frozen=True)
class ValueScore:
    """How far N rows' answers of K numbers are off, in the table's own units, each with its 95% interval over rows
    like these. R² is the mean over the K numbers of the share of their variance that is foreseen."""

    rows: int
    nats: float  # an answer, of numbers in deviations of the training part
    mae: float  # mean distance
    mae_interval: tuple[float, float]
    rmse: float  # root of the mean squared distance
    rmse_interval: tuple[float, float]
    r2: float
    r2_interval: tuple[float, float]
    held: float  # share of right answers that stand in the interval given for them
    width: float  # of that interval, on average
    drawn: int = RESAMPLED  # times that rows were drawn anew; fewer where time was short

    @property
    def line(self) -> str:
        """The figures in a line."""
        return (
            f"MAE {self.mae:.4g} (95% interval {self.mae_interval[0]:.4g} to {self.mae_interval[1]:.4g}), "
            f"RMSE {self.rmse:.4g}, R² {self.r2:.3f} ({self.r2_interval[0]:.3f} to {self.r2_interval[1]:.3f}); "
            f"{self.held:.1%} in intervals {self.width:.4g} wide; {self.rows:,} rows"
        )

    @property
    def short(self) -> str:
        """The figure by which it stands beside others."""
        return f"MAE {self.mae:.4g}"

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "mae": self.mae,
            "mae_interval": list(self.mae_interval),
            "rmse": self.rmse,
            "rmse_interval": list(self.rmse_interval),
            "r2": self.r2,
            "r2_interval": list(self.r2_interval),
            "held": self.held,
            "interval_width": self.width,
            **({} if self.drawn in (0, RESAMPLED) else {"resampled": self.drawn}),
        }


def score_values(
    answered: Floats, right: Floats, reach: Floats, nats: float, deadline: Deadline = ENDLESS
) -> ValueScore:
    """The score of numbers answered (N, K) beside the right ones; reach (N, K): half an interval's width."""
    off = answered - right
    rows = len(off)
    dice = numpy_generator(0, "bootstrap")

    def draw() -> tuple[float, float, float]:
        some = dice.integers(0, rows, rows)
        return _figures(off[some], right[some])

    drawn = draw_anew(draw, deadline) if rows > 1 else []
    figures = [_figures(off, right), *drawn]
    low, high = middle(np.array(figures))
    mae, rmse, r2 = figures[0]
    return ValueScore(
        rows=rows, nats=nats, mae=mae, mae_interval=(float(low[0]), float(high[0])), rmse=rmse,
        rmse_interval=(float(low[1]), float(high[1])), r2=r2, r2_interval=(float(low[2]), float(high[2])),
        held=float((np.abs(off) <= reach).mean()), width=float(2 * reach.mean()),
        drawn=len(drawn),
    )  # fmt: skip


def middle(figures: Floats) -> tuple[Floats, Floats]:
    """The ends of the middle 95% of each column of figures (N, K), NaN passed over where there is more than that."""
    ends = np.full((2, figures.shape[1]), np.nan)
    known = np.isfinite(figures).any(0)
    ends[:, known] = np.nanquantile(figures[:, known], [0.025, 0.975], axis=0)
    return ends[0], ends[1]


def _figures(off: Floats, right: Floats) -> tuple[float, float, float]:
    spread = right.var(0)
    shares = 1 - (off**2).mean(0) / np.where(spread > 0, spread, np.nan)
    r2 = float(np.mean(shares)) if np.isfinite(shares).all() else math.nan
    return float(np.abs(off).mean()), float(np.sqrt((off**2).mean())), r2


def interval_reach(off: Floats, deviations: Floats) -> list[float]:
    """How many of its own deviations an interval of 95% reaches to either side, for each of K numbers, by how far off
    (N, K) answers of these deviations were (split conformal prediction: Lei et al. 2018)."""
    rows, numbers = off.shape
    if rows < FEWEST:
        return [NORMAL] * numbers
    rank = min(rows, math.ceil(SHARE * (rows + 1)))
    found: list[float] = np.sort(np.abs(off) / deviations, 0)[rank - 1].tolist()
    return found


@dataclass(frozen=True)
class LabelSetScore:
    """How good N rows' sets of labels are, each figure with its 95% interval over rows like these."""

    rows: int
    nats: float  # a row
    accuracy: float  # rows whose whole set is right
    accuracy_interval: tuple[float, float]
    micro_f1: float  # over all labels of all rows
    micro_f1_interval: tuple[float, float]
    macro_f1: float  # mean over labels
    labels: tuple[str, ...]
    f1: tuple[float, ...]  # of each label
    drawn: int = RESAMPLED  # times that rows were drawn anew; fewer where time was short

    @property
    def line(self) -> str:
        """The figures in a line."""
        low, high = self.accuracy_interval
        return (
            f"{self.accuracy:.1%} of sets right (95% interval {low:.1%} to {high:.1%}), micro-F1 {self.micro_f1:.3f} "
            f"({self.micro_f1_interval[0]:.3f} to {self.micro_f1_interval[1]:.3f}), macro-F1 {self.macro_f1:.3f}, "
            f"{self.nats:.3f} nats; {self.rows:,} rows"
        )

    @property
    def short(self) -> str:
        """The figure by which it stands beside others."""
        return f"micro-F1 {self.micro_f1:.3f}"

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "micro_f1": self.micro_f1,
            "micro_f1_interval": list(self.micro_f1_interval),
            "macro_f1": self.macro_f1,
            "labels": list(self.labels),
            "f1": list(self.f1),
            **({} if self.drawn == RESAMPLED else {"resampled": self.drawn}),
        }


def score_label_sets(
    answered: NDArray[np.bool_],
    right: NDArray[np.bool_],
    whole: NDArray[np.bool_],
    nats: float,
    labels: tuple[str, ...],
    deadline: Deadline = ENDLESS,
) -> LabelSetScore:
    """The score of sets (N, K) beside the right ones; whole (N,): whether all of a row's labels are known."""
    rows = len(answered)
    found, said, true = (answered & right).sum(1), answered.sum(1), right.sum(1)  # of each row

    def micro(some: NDArray[np.int64]) -> float:
        both = said[some].sum() + true[some].sum()
        return float(2 * found[some].sum() / both) if both else math.nan

    dice = numpy_generator(0, "bootstrap")
    drawn = draw_anew(lambda: micro(dice.integers(0, rows, rows)), deadline)
    (low,), (high,) = middle(np.array([[micro(np.arange(rows))], *([one] for one in drawn)]))
    each = (answered & right).sum(0), answered.sum(0) + right.sum(0)
    f1 = np.where(each[1] > 0, 2 * each[0] / np.maximum(each[1], 1), np.nan)
    exact = (answered == right).all(1) & whole
    return LabelSetScore(
        rows=rows, nats=nats, accuracy=float(exact.mean()), accuracy_interval=wilson(int(exact.sum()), rows),
        micro_f1=micro(np.arange(rows)), micro_f1_interval=(float(low), float(high)),
        macro_f1=float(np.nanmean(f1)) if np.isfinite(f1).any() else math.nan, labels=labels,
        f1=tuple(float(one) if np.isfinite(one) else 0.0 for one in f1), drawn=len(drawn),
    )  # fmt: skip
