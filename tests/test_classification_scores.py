"""Scores of labels, compared with figures worked out by hand or with a loop over the rows."""

from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest

from unrolled.deadline import Deadline
from unrolled.metrics.classification import (
    FEWEST_DRAWN,
    MOST_IN_TABLE,
    RESAMPLED,
    calibration_error,
    macro_f1,
    mark_spans,
    score_labels,
    span_f1,
    spans_of,
    wilson,
)


def logs_of(answered: list[int], kinds: int, chance: float = 0.8) -> np.ndarray:
    logs = np.full((len(answered), kinds), math.log((1 - chance) / (kinds - 1)))
    logs[np.arange(len(answered)), answered] = math.log(chance)
    return logs


def test_figures_worked_out_by_hand() -> None:
    answers, answered = np.array([0, 0, 0, 1, 1, 2]), [0, 0, 1, 1, 2, 2]
    score = score_labels(logs_of(answered, 3), answers, ["a", "b", "c"])
    assert score.accuracy == pytest.approx(4 / 6)
    assert score.confusion == ((2, 1, 0), (0, 1, 1), (0, 0, 1), (0, 0, 0))
    assert score.macro_f1 == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert score.nats == pytest.approx(-(4 * math.log(0.8) + 2 * math.log(0.1)) / 6)
    assert score.calibration_error == pytest.approx(0.8 - 4 / 6)
    low, high = score.macro_f1_interval
    assert 0 < low < score.macro_f1 < high <= 1
    json.dumps(score.to_dict(), allow_nan=False)


def test_macro_f1_is_the_mean_of_each_labels() -> None:
    generator = np.random.default_rng(0)
    true, said = generator.integers(0, 5, 200), generator.integers(0, 5, 200)
    each = []
    for label in range(5):
        right = int(((true == label) & (said == label)).sum())
        precision, recall = right / int((said == label).sum()), right / int((true == label).sum())
        each.append(2 * precision * recall / (precision + recall))
    assert score_labels(logs_of(said.tolist(), 5), true, "abcde").macro_f1 == pytest.approx(np.mean(each))


def test_a_label_that_no_row_has_and_none_is_given_does_not_count() -> None:
    score = score_labels(logs_of([0, 1, 1], 3), np.array([0, 1, 1]), ["a", "b", "never"])
    assert score.macro_f1 == 1.0
    assert score.accuracy == 1.0


def test_rows_with_an_unknown_label_are_wrong_and_have_no_nats() -> None:
    score = score_labels(logs_of([0, 1, 1], 2), np.array([0, 1, -1]), ["a", "b"])
    assert score.accuracy == pytest.approx(2 / 3)
    assert score.confusion[2] == (0, 1)
    assert score.nats == pytest.approx(-math.log(0.8))
    assert math.isnan(score_labels(logs_of([0], 2), np.array([-1]), ["a", "b"]).nats)


def test_wilsons_interval_follows_his_formula_also_at_the_ends() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    for rows in range(1, 500):  # also where rounding would leave the proportion outside
        assert wilson(rows, rows)[1] == 1.0
        assert wilson(0, rows)[0] == 0.0
    assert all(map(math.isnan, wilson(0, 0)))


def test_true_probabilities_have_no_calibration_error() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.uniform(0.5, 1.0, 100_000)
    right = generator.uniform(size=100_000) < probabilities
    assert calibration_error(probabilities, right) < 0.01
    assert calibration_error(np.minimum(1.0, probabilities + 0.2), right) > 0.1


def test_no_rows_have_no_f1() -> None:
    none = np.zeros(0, np.int64)
    assert math.isnan(macro_f1(none, none, none, 2))


def test_spans_count_where_both_ends_and_kind_are_right() -> None:
    right = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "I-LOC", "I-LOC", "B-LOC"]]
    assert spans_of(right[0]) == {(0, 2, "PER"), (3, 4, "LOC")}
    assert spans_of(right[1]) == {(1, 3, "LOC"), (3, 4, "LOC")}
    assert spans_of(["B-A", "I-B", "B-B", "I-B"]) == {(0, 1, "A"), (1, 2, "B"), (2, 4, "B")}
    said = [["B-PER", "O", "O", "B-LOC"], ["O", "I-LOC", "I-LOC", "O"]]
    assert span_f1(said, right) == pytest.approx(2 * 2 / (3 + 4))
    assert span_f1(right, right) == 1.0
    assert math.isnan(span_f1([["O"]], [["O"]]))
    assert mark_spans(["O", "B-PER", "I-PER"])
    assert not mark_spans(["O", "PER"])
    assert not mark_spans(["B-PER", "I-PER"])


def test_a_thousand_labels_take_no_tables_of_them() -> None:
    generator = np.random.default_rng(0)
    kinds, rows = 1000, 800
    true, said = generator.integers(0, kinds, rows), generator.integers(0, kinds, rows)
    said[:600] = true[:600]
    logs = np.full((rows, kinds), -9.0)
    logs[np.arange(rows), said] = -0.1
    tracemalloc.start()
    score = score_labels(logs, true, [f"l{number}" for number in range(kinds)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000  # a table of them for every resample took 8 GB
    assert score.macro_f1_interval[0] < score.macro_f1 < score.macro_f1_interval[1] + 0.1
    facts = score.to_dict()
    assert "confusion_matrix" not in facts
    assert len(facts["most_confused"]) == MOST_IN_TABLE
    rows_of_most, right, answer = score.mistakes[0]
    assert facts["most_confused"][0] == {"target": f"l{right}", "prediction": f"l{answer}", "rows": rows_of_most}
    assert np.array(score.confusion).sum() == rows


def test_an_interval_has_fewer_draws_where_time_is_short_with_a_note() -> None:
    answers = np.arange(60) % 3
    whole = score_labels(logs_of([0] * 60, 3), answers, "abc")
    cut = score_labels(logs_of([0] * 60, 3), answers, "abc", Deadline(0))
    assert (whole.drawn, cut.drawn) == (RESAMPLED, FEWEST_DRAWN)
    assert "bootstrap_samples" not in whole.to_dict()
    assert cut.to_dict()["bootstrap_samples"] == FEWEST_DRAWN
    assert whole.macro_f1 == cut.macro_f1
    json.dumps(cut.to_dict(), allow_nan=False)
