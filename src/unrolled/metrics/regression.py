"""Metrics of regression (errors, R², coverage of the intervals) and of multilabel predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.metrics.classification import RESAMPLED, bootstrap, wilson
from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]

SHARE = 0.95  # of the targets that an interval is to contain
FEWEST = 20  # targets from which an interval's half-width is taken; with fewer a normal distribution is assumed
NORMAL = 1.959964  # standard deviations that hold 95% of a normal distribution


@dataclass(frozen=True)
class ValueScore:
    """Metrics of predictions of K numbers for N rows, in the table's own units, each with its 95% interval.
    R² is the mean over the K numbers."""

    rows: int
    nats: float  # per prediction, of numbers in standard deviations of the training split
    mae: float  # mean absolute error
    mae_interval: tuple[float, float]
    rmse: float  # root mean squared error
    rmse_interval: tuple[float, float]
    r2: float
    r2_interval: tuple[float, float]
    coverage: float  # share of the targets that lie in the predicted interval
    width: float  # mean width of that interval
    drawn: int = RESAMPLED  # bootstrap samples; fewer where time was short

    @property
    def line(self) -> str:
        """All metrics as one line."""
        return (
            f"MAE {self.mae:.4g} (95% interval {self.mae_interval[0]:.4g} to {self.mae_interval[1]:.4g}), "
            f"RMSE {self.rmse:.4g}, R² {self.r2:.3f} ({self.r2_interval[0]:.3f} to {self.r2_interval[1]:.3f}); "
            f"{self.coverage:.1%} of the targets in their intervals, {self.width:.4g} wide; {self.rows:,} rows"
        )

    @property
    def short(self) -> str:
        """The main metric, for comparisons."""
        return f"MAE {self.mae:.4g}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "mae": self.mae,
            "mae_interval": list(self.mae_interval),
            "rmse": self.rmse,
            "rmse_interval": list(self.rmse_interval),
            "r2": self.r2,
            "r2_interval": list(self.r2_interval),
            "coverage": self.coverage,
            "interval_width": self.width,
            **({} if self.drawn in (0, RESAMPLED) else {"bootstrap_samples": self.drawn}),
        }


def score_values(
    predicted: Floats, targets: Floats, half_widths: Floats, nats: float, deadline: Deadline = UNLIMITED
) -> ValueScore:
    """The score of predicted numbers (N, K) against the targets (N, K), with intervals of half_widths (N, K)."""
    errors = predicted - targets
    rows = len(errors)
    generator = numpy_generator(0, "bootstrap")

    def draw() -> tuple[float, float, float]:
        drawn_rows = generator.integers(0, rows, rows)
        return _figures(errors[drawn_rows], targets[drawn_rows])

    drawn = bootstrap(draw, deadline) if rows > 1 else []
    figures = [_figures(errors, targets), *drawn]
    low, high = interval_ends(np.array(figures))
    mae, rmse, r2 = figures[0]
    return ValueScore(
        rows=rows, nats=nats, mae=mae, mae_interval=(float(low[0]), float(high[0])), rmse=rmse,
        rmse_interval=(float(low[1]), float(high[1])), r2=r2, r2_interval=(float(low[2]), float(high[2])),
        coverage=float((np.abs(errors) <= half_widths).mean()), width=float(2 * half_widths.mean()),
        drawn=len(drawn),
    )  # fmt: skip


def interval_ends(figures: Floats) -> tuple[Floats, Floats]:
    """The ends of the middle 95% of each column of figures (N, K), without NaN unless all are NaN."""
    ends = np.full((2, figures.shape[1]), np.nan)
    known = np.isfinite(figures).any(0)
    ends[:, known] = np.nanquantile(figures[:, known], [0.025, 0.975], axis=0)
    return ends[0], ends[1]


def _figures(errors: Floats, targets: Floats) -> tuple[float, float, float]:
    """(MAE, RMSE, R²)."""
    variance = targets.var(0)
    explained = 1 - (errors**2).mean(0) / np.where(variance > 0, variance, np.nan)
    r2 = float(np.mean(explained)) if np.isfinite(explained).all() else math.nan
    return float(np.abs(errors).mean()), float(np.sqrt((errors**2).mean())), r2


def interval_half_widths(errors: Floats, stds: Floats) -> list[float]:
    """Half-widths of 95% intervals for each of K numbers, in predicted standard deviations (split conformal
    prediction: Lei et al. 2018). errors (N, K); stds (N, K): the predicted standard deviations."""
    rows, numbers = errors.shape
    if rows < FEWEST:
        return [NORMAL] * numbers
    rank = min(rows, math.ceil(SHARE * (rows + 1)))
    found: list[float] = np.sort(np.abs(errors) / stds, 0)[rank - 1].tolist()
    return found


@dataclass(frozen=True)
class LabelSetScore:
    """Metrics of the predicted sets of labels for N rows, each with its 95% interval."""

    rows: int
    nats: float  # per row
    accuracy: float  # share of rows whose whole set is right
    accuracy_interval: tuple[float, float]
    micro_f1: float  # over all labels of all rows
    micro_f1_interval: tuple[float, float]
    macro_f1: float  # mean over labels
    mean_average_precision: float  # mean over the labels that occur in these rows
    labels: tuple[str, ...]
    f1: tuple[float, ...]  # of each label
    drawn: int = RESAMPLED  # bootstrap samples; fewer where time was short

    @property
    def line(self) -> str:
        """All metrics as one line."""
        low, high = self.accuracy_interval
        return (
            f"subset accuracy {self.accuracy:.1%} (95% interval {low:.1%} to {high:.1%}), micro-F1 "
            f"{self.micro_f1:.3f} ({self.micro_f1_interval[0]:.3f} to {self.micro_f1_interval[1]:.3f}), macro-F1 "
            f"{self.macro_f1:.3f}, mAP {self.mean_average_precision:.3f}, {self.nats:.3f} nats; {self.rows:,} rows"
        )

    @property
    def short(self) -> str:
        """The main metric, for comparisons."""
        return f"micro-F1 {self.micro_f1:.3f}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {
            "rows": self.rows,
            "nats": self.nats,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "micro_f1": self.micro_f1,
            "micro_f1_interval": list(self.micro_f1_interval),
            "macro_f1": self.macro_f1,
            "mean_average_precision": self.mean_average_precision,
            "labels": list(self.labels),
            "f1": list(self.f1),
            **({} if self.drawn == RESAMPLED else {"bootstrap_samples": self.drawn}),
        }


def score_label_sets(
    predicted: NDArray[np.bool_],
    scores: Floats,
    targets: NDArray[np.bool_],
    known: NDArray[np.bool_],
    nats: float,
    labels: tuple[str, ...],
    deadline: Deadline = UNLIMITED,
) -> LabelSetScore:
    """The score of predicted sets (N, K) against the targets. scores (N, K): by which each label ranks the rows;
    known (N,): whether all labels of a row are known."""
    rows = len(predicted)
    found, positive, true = (predicted & targets).sum(1), predicted.sum(1), targets.sum(1)  # of each row

    def micro_f1(rows: NDArray[np.int64]) -> float:
        both = positive[rows].sum() + true[rows].sum()
        return float(2 * found[rows].sum() / both) if both else math.nan

    generator = numpy_generator(0, "bootstrap")
    drawn = bootstrap(lambda: micro_f1(generator.integers(0, rows, rows)), deadline)
    (low,), (high,) = interval_ends(np.array([[micro_f1(np.arange(rows))], *([one] for one in drawn)]))
    each = (predicted & targets).sum(0), predicted.sum(0) + targets.sum(0)
    f1 = np.where(each[1] > 0, 2 * each[0] / np.maximum(each[1], 1), np.nan)
    exact = (predicted == targets).all(1) & known
    return LabelSetScore(
        rows=rows, nats=nats, accuracy=float(exact.mean()), accuracy_interval=wilson(int(exact.sum()), rows),
        micro_f1=micro_f1(np.arange(rows)), micro_f1_interval=(float(low), float(high)),
        macro_f1=float(np.nanmean(f1)) if np.isfinite(f1).any() else math.nan,
        mean_average_precision=mean_average_precision(scores, targets), labels=labels,
        f1=tuple(float(one) if np.isfinite(one) else 0.0 for one in f1), drawn=len(drawn),
    )  # fmt: skip


def mean_average_precision(scores: Floats, targets: NDArray[np.bool_]) -> float:
    """The mean over the labels that occur of the average precision: the precision at each row with the label, rows
    ranked by scores (N, K), averaged over these rows. Rows with equal scores count as one rank, as in scikit-learn.
    It says how well labels are ranked, whatever threshold decides which are predicted. NaN without labels."""
    found = [_average_precision(scores[:, label], targets[:, label]) for label in np.flatnonzero(targets.any(0))]
    return float(np.mean(found)) if found else math.nan


def _average_precision(scores: Floats, targets: NDArray[np.bool_]) -> float:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last row of each rank
    right = np.cumsum(targets[order])[ends]
    gained = np.diff(right, prepend=0)
    return float((gained * right / (ends + 1)).sum() / right[-1])
