"""The confidence in generated texts: values by hand, and laws of isotonic regression."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import RunError
from unrolled.metrics.confidence import FEWEST, Confidence, fit_confidence, hedge, isotonic


def test_adjacent_violators_are_pooled_by_weight() -> None:
    assert isotonic(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert isotonic(np.array([3.0, 0.0]), np.array([1.0, 2.0])).tolist() == [1.0, 1.0]
    assert isotonic(np.array([4.0, 3.0, 2.0, 1.0]), np.ones(4)).tolist() == [2.5] * 4


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=1, max_size=30))
def test_isotonic_regression_never_falls_and_keeps_the_mean(pairs: list[tuple[float, float]]) -> None:
    values, weights = (np.array(one) for one in zip(*pairs, strict=True))
    found = isotonic(values, weights)
    assert (np.diff(found) >= 0).all()
    assert np.isclose((found * weights).sum(), (values * weights).sum())
    assert values.min() - 1e-9 <= found.min() and found.max() <= values.max() + 1e-9
    assert np.allclose(isotonic(found, weights), found)


def test_the_shares_are_those_of_groups_of_similar_figures() -> None:
    figures = np.repeat([-3.0, -2.0, -1.0, -0.5], FEWEST)
    good = [0, 5, 15, 20]
    scores = np.concatenate([np.arange(FEWEST) < count for count in good]).astype(float)
    found = fit_confidence(figures, scores)
    assert found is not None
    assert found.points == (-3.0, -2.0, -1.0, -0.5)
    assert found.shares == (0.0, 0.2, 0.6, 0.8)
    assert found.of([-9.0, -2.5, -0.5, 3.0]).tolist() == pytest.approx([0.0, 0.1, 0.8, 0.8])


def test_figures_that_say_nothing_give_the_share_of_all() -> None:
    scores = (np.arange(100) % 2).astype(float)
    falling = fit_confidence(-scores + np.arange(100) * 1e-9, scores)
    assert falling is not None and set(falling.shares) == {0.5}
    equal = fit_confidence(np.zeros(100), scores)
    assert equal == Confidence((0.0,), (0.5,))


@given(
    st.lists(st.tuples(st.sampled_from([-3.0, -1.5, -1.0, 0.0]) | st.floats(-9, 0), st.floats(0, 10)), max_size=140)
)
def test_the_confidence_rises_between_zero_and_one(pairs: list[tuple[float, float]]) -> None:
    found = fit_confidence([a for a, _ in pairs], [b for _, b in pairs])
    if found is None:
        assert len(pairs) < 2 * FEWEST
        return
    assert len(pairs) >= 2 * FEWEST and (np.diff(found.points) > 0).all()
    line = found.of(np.linspace(-10, 1, 50))
    assert (np.diff(line) >= 0).all() and line.min() >= 0 and line.max() <= 1
    assert Confidence.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_few_texts_or_a_broken_model_give_no_confidence() -> None:
    assert fit_confidence([], []) is None
    assert fit_confidence([-1.0] * (2 * FEWEST - 1), [1.0] * (2 * FEWEST - 1)) is None
    assert fit_confidence([-1.0] * 99 + [float("nan")], [1.0] * 100) is None


@pytest.mark.parametrize(
    ("text", "hedged"),
    [
        ("A dog runs .", "perhaps a dog runs ."), ("two dogs", "perhaps two dogs"),
        ("I see a dog", "perhaps I see a dog"),
        ("TV on a wall", "perhaps TV on a wall"),
        ("", "perhaps "), ("Ein Hund", "perhaps ein Hund"),
    ],
)  # fmt: skip
def test_a_hedged_text_begins_with_a_word_of_doubt(text: str, hedged: str) -> None:
    assert hedge(text) == hedged


@pytest.mark.parametrize(
    "value",
    [
        None, {}, {"points": [0.0], "shares": []}, {"points": [], "shares": []}, {"points": [0.0], "shares": ["1"]},
        {"points": [1.0, 0.0], "shares": [0.1, 0.2]}, {"points": [0.0, 1.0], "shares": [0.2, 0.1]},
        {"points": [0.0], "shares": [1.5]}, {"points": [float("nan")], "shares": [0.5]},
    ],
)  # fmt: skip
def test_a_damaged_map_is_refused(value: Any) -> None:
    with pytest.raises(RunError, match=r"confidence of this run is damaged.*Train again"):
        Confidence.from_json(value)
