"""Recall and ranks of texts that look for their images."""

from __future__ import annotations

import numpy as np
import pytest

from unrolled.metrics.finding import ranks_of, score_ranks


def test_ranks_count_the_images_before_the_right_one_and_ties_share() -> None:
    similarities = np.array([[0.1, 0.9, 0.5], [0.3, 0.3, 0.1], [0.2, 0.2, 0.2]])
    assert ranks_of(similarities, np.array([2, 0, 1])).tolist() == [2.0, 1.5, 2.0]


def test_recall_and_chance() -> None:
    found = score_ranks([1.0, 2.0, 5.0, 6.0, 10.0, 11.0, 100.0, 1.5], 200)
    assert found.recall == (1 / 8, 4 / 8, 6 / 8)
    assert found.chance == (0.005, 0.025, 0.05)
    assert found.median_rank == 5.5
    assert found.line == (
        "Finding: recall at 1 / 5 / 10 of 8 captions among 200 images: 12.5%, 50.0%, 75.0% "
        "(by chance 0.5%, 2.5%, 5.0%); median rank 5.5."
    )
    facts = {"texts": 8, "images": 200, "recall_at_1": 1 / 8, "recall_at_5": 0.5, "recall_at_10": 0.75}
    assert found.to_dict() == facts | {"median_rank": 5.5}
    assert score_ranks([1.0], 3).chance == pytest.approx((1 / 3, 1.0, 1.0))
