"""Scores of values and of sets: equal to scikit-learn's, and intervals with their promised coverage."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from unrolled.metrics.regression import (
    FEWEST,
    NORMAL,
    interval_ends,
    interval_half_widths,
    score_label_sets,
    score_values,
)

Floats = np.ndarray[Any, np.dtype[np.float64]]


def drawn(rows: int, numbers: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Predictions and targets of very different magnitudes."""
    generator = np.random.default_rng(seed)
    right = generator.normal(size=(rows, numbers)) * 10.0 ** np.arange(numbers) + 5
    return right + 0.4 * generator.normal(size=(rows, numbers)) * 10.0 ** np.arange(numbers), right


@pytest.mark.parametrize("numbers", [1, 3])
def test_scores_of_numbers_equal_scikit_learns(numbers: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    answered, right = drawn(150, numbers)
    score = score_values(answered, right, np.full((150, numbers), 0.5), 1.25)
    assert score.mae == pytest.approx(metrics.mean_absolute_error(right, answered))
    assert score.rmse == pytest.approx(math.sqrt(metrics.mean_squared_error(right, answered)))
    assert score.r2 == pytest.approx(metrics.r2_score(right, answered))
    assert (score.rows, score.nats, score.width) == (150, 1.25, 1.0)
    assert score.coverage == pytest.approx(float((np.abs(answered - right) <= 0.5).mean()))
    for figure, (low, high) in (
        (score.mae, score.mae_interval),
        (score.rmse, score.rmse_interval),
        (score.r2, score.r2_interval),
    ):
        assert low < figure < high
    assert score.to_dict()["mae_interval"] == list(score.mae_interval)
    assert f"MAE {score.mae:.4g}" in score.line
    assert "150 rows" in score.line


def test_intervals_of_scores_have_their_coverage() -> None:
    held = 0
    for seed in range(60):
        answered, right = drawn(80, 1, seed)
        low, high = score_values(answered, right, np.ones((80, 1)), 0.0).mae_interval
        held += low <= 0.4 * math.sqrt(2 / math.pi) <= high
    assert 50 <= held <= 60


def test_intervals_of_scores_are_reproducible() -> None:
    answered, right = drawn(50, 2)
    one, other = (score_values(answered, right, np.ones((50, 2)), 0.0) for _ in range(2))
    assert one == other


def test_constant_targets_have_no_r2() -> None:
    score = score_values(np.array([[1.0], [2.0]]), np.array([[3.0], [3.0]]), np.ones((2, 1)), 0.0)
    assert math.isnan(score.r2)
    assert math.isnan(score.r2_interval[0])
    assert score.mae == 1.5
    assert score.rmse == pytest.approx(math.sqrt(2.5))
    assert score.coverage == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = score_values(np.array([[1.0]]), np.array([[3.0]]), np.ones((1, 1)), 0.0)
    assert alone.mae_interval == (2.0, 2.0)
    assert math.isnan(alone.r2)


def test_the_median_ignores_missing_targets() -> None:
    figures = np.array([[1.0, np.nan, np.nan], [2.0, 5.0, np.nan], [3.0, 7.0, np.nan]])
    low, high = interval_ends(figures)
    assert low[0] == pytest.approx(1.05)
    assert high[1] == pytest.approx(6.95)
    assert math.isnan(low[2])


@pytest.mark.parametrize("rows", [FEWEST, 60])
def test_prediction_intervals_cover_their_share_of_new_draws(rows: int) -> None:
    """Errors three times as large as predicted, with long tails, and different from row to row."""
    generator = np.random.default_rng(1)
    held = []
    for _ in range(600):
        stds = generator.uniform(0.5, 2, (rows + 100, 2))
        off = 3 * stds * generator.standard_t(4, (rows + 100, 2)) * [1, 10]
        reach = interval_half_widths(off[:rows], stds[:rows])
        held.append((np.abs(off[rows:]) <= stds[rows:] * reach).mean(0))
    expected = min(rows, math.ceil(0.95 * (rows + 1))) / (rows + 1)  # Lei et al. 2018
    assert np.mean(held, 0) == pytest.approx([expected, expected], abs=0.006)
    assert expected >= 0.95


def test_prediction_intervals_of_few_rows_are_those_of_a_normal_distribution() -> None:
    off = np.full((FEWEST - 1, 2), 100.0)
    assert interval_half_widths(off, np.ones_like(off)) == [NORMAL, NORMAL]
    assert interval_half_widths(np.zeros((0, 1)), np.zeros((0, 1))) == [NORMAL]
    off = np.stack([np.arange(FEWEST), -10.0 * np.arange(FEWEST)], 1)
    assert interval_half_widths(off, np.full_like(off, 2.0)) == [9.5, 95.0]


def test_scores_of_sets_equal_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    right = generator.random((120, 4)) < [0.5, 0.3, 0.1, 0.0]
    answered = right ^ (generator.random((120, 4)) < [0.1, 0.3, 0.2, 0.0])
    whole = np.ones(120, np.bool_)
    scores = np.round(1.0 * answered + generator.random((120, 4)), 1)  # with rows of equal scores
    score = score_label_sets(answered, scores, right, whole, 0.75, ("a", "b", "c", "never"))
    assert score.micro_f1 == pytest.approx(metrics.f1_score(right, answered, average="micro"))
    assert score.macro_f1 == pytest.approx(metrics.f1_score(right[:, :3], answered[:, :3], average="macro"))
    each = metrics.f1_score(right, answered, average=None, zero_division=0)
    assert score.f1 == pytest.approx(each.tolist())
    assert score.accuracy == pytest.approx(metrics.accuracy_score(right, answered))
    precisions = metrics.average_precision_score(right[:, :3], scores[:, :3], average="macro")
    assert score.mean_average_precision == pytest.approx(precisions)
    assert score.micro_f1_interval[0] < score.micro_f1 < score.micro_f1_interval[1]
    assert score.accuracy_interval[0] < score.accuracy < score.accuracy_interval[1]
    assert score.to_dict()["labels"] == ["a", "b", "c", "never"]
    assert "0.750 nats; 120 rows" in score.line


def test_a_set_with_an_unknown_label_is_never_right() -> None:
    both = np.array([[True, False], [False, True]])
    score = score_label_sets(both, 1.0 * both, both, np.array([True, False]), 0.0, ("a", "b"))
    assert score.accuracy == 0.5
    assert score.micro_f1 == 1.0


def test_empty_sets_have_no_f1() -> None:
    none = np.zeros((3, 2), np.bool_)
    score = score_label_sets(none, np.zeros((3, 2)), none, np.ones(3, np.bool_), 0.0, ("a", "b"))
    assert score.accuracy == 1.0
    assert math.isnan(score.micro_f1)
    assert math.isnan(score.macro_f1)
    assert math.isnan(score.mean_average_precision)
    assert score.f1 == (0.0, 0.0)
